"""How the products of many vectors with any one are spread, without looking at each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conexus.embedding.embedder import Vectors
from conexus.embedding.float16 import to_float32

_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """The sum of some vectors, and that of their outer products: the sums of products and of their squares follow.

    Sums of several sets of vectors are those of all, so that merging need not look at a vector again.
    """

    #: Shapes (dimensions,) and (dimensions, dimensions); (0,) and (0, 0) of vectors that are looked at in any case.
    first: Vectors
    second: Vectors

    @staticmethod
    def none() -> Moments:
        return Moments(np.empty(0, np.float32), np.empty((0, 0), np.float32))

    @staticmethod
    def of(vectors: NDArray[np.float16]) -> Moments:
        """``vectors``: shape (rows, dimensions)."""
        dimensions = vectors.shape[1]
        first, second = np.zeros(dimensions, np.float32), np.zeros((dimensions, dimensions), np.float32)
        for start in range(0, len(vectors), _AT_ONCE):
            some = to_float32(vectors[start : start + _AT_ONCE])
            first += some.sum(axis=0)
            second += some.T @ some
        return Moments(first, second)

    @staticmethod
    def kept(parts: Sequence[tuple[Moments, NDArray[np.float16], NDArray[np.bool_]]]) -> Moments:
        """Of several sets of vectors those that masks keep. A set's moments may be missing."""
        sums = [_kept(*part) for part in parts]
        return Moments(
            np.sum([each.first for each in sums], axis=0, dtype=np.float32),
            np.sum([each.second for each in sums], axis=0, dtype=np.float32),
        )

    @property
    def known(self) -> bool:
        return len(self.first) > 0

    def of_products(self, vector: Vectors) -> tuple[float, float]:
        """The sum of the products of all vectors with one, and that of their squares."""
        return float(self.first @ vector), float(vector @ (self.second @ vector))


def _kept(moments: Moments, vectors: NDArray[np.float16], mask: NDArray[np.bool_]) -> Moments:
    if not moments.known or 2 * np.count_nonzero(mask) < len(mask):
        return Moments.of(vectors[mask])
    less = Moments.of(vectors[~mask])
    return Moments(moments.first - less.first, moments.second - less.second)
