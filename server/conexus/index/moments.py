"""Tells how the products of many vectors with any one vector are spread, without reading each of the vectors."""

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
    """The sum of a set of vectors, and the sum of their outer products.

    The sum of their products with any vector, and the sum of these products' squares, follow from them. The moments of
    several sets add up to the moments of all, so that a merge which drops no vector need not read a vector again.
    """

    #: The two sums, shapes (dimensions,) and (dimensions, dimensions); (0,) and (0, 0) for vectors that are all read in
    #: any case.
    first: Vectors
    second: Vectors

    @staticmethod
    def none() -> Moments:
        return Moments(np.empty(0, np.float32), np.empty((0, 0), np.float32))

    @staticmethod
    def of(vectors: NDArray[np.float16]) -> Moments:
        """Computes the moments of ``vectors``, shape (rows, dimensions)."""
        dimensions = vectors.shape[1]
        first, second = np.zeros(dimensions, np.float32), np.zeros((dimensions, dimensions), np.float32)
        for start in range(0, len(vectors), _AT_ONCE):
            some = to_float32(vectors[start : start + _AT_ONCE])
            first += some.sum(axis=0)
            second += some.T @ some
        return Moments(first, second)

    @staticmethod
    def kept(parts: Sequence[tuple[Moments, NDArray[np.float16], NDArray[np.bool_]]]) -> Moments:
        """Computes the moments of the vectors that masks keep of several sets. A set's moments may be missing."""
        sums = [_kept(*part) for part in parts]
        return Moments(
            np.sum([each.first for each in sums], axis=0, dtype=np.float32),
            np.sum([each.second for each in sums], axis=0, dtype=np.float32),
        )

    @property
    def known(self) -> bool:
        return len(self.first) > 0

    def of_products(self, vector: Vectors) -> tuple[float, float]:
        """Returns the sum of the products of all vectors with one, and the sum of their squares."""
        return float(self.first @ vector), float(vector @ (self.second @ vector))


def _kept(moments: Moments, vectors: NDArray[np.float16], mask: NDArray[np.bool_]) -> Moments:
    if not moments.known or 2 * np.count_nonzero(mask) < len(mask):
        return Moments.of(vectors[mask])
    less = Moments.of(vectors[~mask])
    return Moments(moments.first - less.first, moments.second - less.second)
