"""The vectors of a segment, and a smaller form of them that finds the nearest ones faster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conexus.embedding.embedder import Vectors
from conexus.embedding.halves import as_float32

#: Half the size, and no ranking sees the difference: 11 bits of a number that is one of hundreds.
Stored = NDArray[np.float16]

#: A product with all vectors of fewer rows takes less time than looking at the best ones twice, once they are float32.
FEW_ROWS = 20_000
#: Principal components that are looked at first, rows of which they are found, and how many there must be at least.
_LEADING, _SAMPLE, _LEAST_ROWS = 96, 2048, 2048
_AT_ONCE = 4096
#: Rows that show how cosines are spread.
_FEW = 1024


@dataclass(frozen=True, eq=False)
class Dense:
    """Nobody changes the arrays. Float16 has no fast product, so that is taken of float32 made of it.

    In all but small segments that is the share of each vector in the directions in which the vectors differ most
    (principal components; Pearson 1901): of 120 000 rows the 50 nearest are among the 1000 nearest by 96 of 256
    components in 99.6 of 100 cases, with 3/8 of the bytes read.
    """

    #: Shape (rows, dimensions), each of about length 1, or 0.
    vectors: Stored
    #: The means of each file's vectors, of length 1, or 0; shape (files, dimensions).
    of_files: Stored
    #: Shape (dimensions, components); (dimensions, 0) in a small segment, where nothing is left out.
    basis: Vectors
    #: The leading components, shapes (rows, components) and (files, components).
    leading: Vectors
    leading_of_files: Vectors
    #: The mean squared length of what the components leave out, for each of the other directions.
    outside: float
    #: The vectors of rows and of files as float32, once ``prepare`` made them.
    _whole: list[Vectors] = field(default_factory=list, repr=False)

    @staticmethod
    def of(vectors: Vectors | Stored, first_rows: NDArray[np.int32]) -> Dense:
        """``vectors``: shape (rows, dimensions); ``first_rows``: where each file's begin, and the end."""
        stored = vectors.astype(np.float16)
        sums = np.zeros((len(first_rows) - 1, vectors.shape[1]), np.float32)
        filled = np.flatnonzero(np.diff(first_rows))
        if len(filled):
            sums[filled] = np.add.reduceat(as_float32(stored), first_rows[filled], axis=0)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        np.divide(sums, lengths, out=sums, where=lengths > 0)
        return Dense._with_leading(stored, sums.astype(np.float16))

    @staticmethod
    def merged(parts: Sequence[tuple[Dense, NDArray[np.bool_], NDArray[np.bool_]]]) -> Dense:
        """Of several segments' vectors those that masks of rows and files keep."""
        return Dense._with_leading(
            np.concatenate([dense.vectors[rows] for dense, rows, _ in parts]),
            np.concatenate([dense.of_files[files] for dense, _, files in parts]),
        )

    @staticmethod
    def _with_leading(vectors: Stored, of_files: Stored) -> Dense:
        dimensions = vectors.shape[1]
        if len(vectors) < _LEAST_ROWS or dimensions <= _LEADING:
            none = np.empty((dimensions, 0), np.float32)
            return Dense(vectors, of_files, none, none[:0], none[:0], 0.0)
        step = len(vectors) / _SAMPLE
        sample = as_float32(vectors[(np.arange(_SAMPLE) * step).astype(np.int64)])
        spread, directions = np.linalg.eigh(sample.T @ sample / _SAMPLE)
        basis = np.ascontiguousarray(directions[:, ::-1][:, :_LEADING])
        outside = float(spread[:-_LEADING].clip(0).mean())
        return Dense(vectors, of_files, basis, _product(vectors, basis), _product(of_files, basis), outside)

    def __getstate__(self) -> dict[str, Any]:
        return fields_of(self) | {"_whole": []}

    @property
    def exact(self) -> bool:
        """Whether ``cosines`` are those of the whole vectors."""
        return not self.basis.shape[1] or bool(self._whole)

    @cached_property
    def _few(self) -> Vectors:
        step = max(1, len(self.vectors) // _FEW)
        return as_float32(self.vectors[::step])

    @property
    def bytes_walked(self) -> int:
        """What ``cosines`` reads."""
        return self.vectors.size * 4 if len(self.vectors) < FEW_ROWS else self.leading.nbytes

    def prepare(self) -> None:
        """Make what products are faster with, where there are not too many rows for it.

        It takes as much memory as all else of the segment.
        """
        if len(self.vectors) < FEW_ROWS and not self._whole:
            self._whole[:] = as_float32(self.vectors), as_float32(self.of_files)

    def cosines(self, vector: Vectors, into: Vectors, *, exact: bool) -> float:
        """Fill in the cosines to all rows, of shape (rows,).

        Unless they are to be ``exact``, those of the leading components may do. Returns what is to be added to their
        variance for what these leave out.
        """
        if self._whole:
            np.matmul(self._whole[0], vector, out=into)
            return 0.0
        if exact or self.exact:
            _fill(into, self.vectors, vector)
            return 0.0
        seen = vector @ self.basis
        np.matmul(self.leading, seen, out=into)
        return self.outside * max(0.0, float(vector @ vector - seen @ seen))

    def cosines_of_files(self, vector: Vectors, into: Vectors, *, exact: bool) -> None:
        """Fill in the cosines to all files, of shape (files,); ``exact`` as above."""
        if self._whole:
            np.matmul(self._whole[1], vector, out=into)
        elif exact or self.exact:
            _fill(into, self.of_files, vector)
        else:
            np.matmul(self.leading_of_files, vector @ self.basis, out=into)

    def sampled_cosines(self, vector: Vectors) -> Vectors:
        """The cosines to some rows that stand for all, to know how they are spread."""
        found: Vectors = self._few @ vector
        return found

    def exact_cosines(self, rows: NDArray[np.integer], vector: Vectors) -> Vectors:
        """The cosines to some rows, in the order given."""
        found: Vectors = as_float32(self.vectors[rows]) @ vector
        return found

    def exact_cosines_of_files(self, files: NDArray[np.integer], vector: Vectors) -> Vectors:
        """The cosines to some files, in the order given."""
        found: Vectors = as_float32(self.of_files[files]) @ vector
        return found


def _fill(into: Vectors, vectors: Stored, vector: Vectors) -> None:
    """Fill in the products of all vectors with one."""
    for start in range(0, len(vectors), _AT_ONCE):
        np.matmul(as_float32(vectors[start : start + _AT_ONCE]), vector, out=into[start : start + _AT_ONCE])


def _product(vectors: Stored, basis: Vectors) -> Vectors:
    product = np.empty((len(vectors), basis.shape[1]), np.float32)
    for start in range(0, len(vectors), _AT_ONCE):
        np.matmul(as_float32(vectors[start : start + _AT_ONCE]), basis, out=product[start : start + _AT_ONCE])
    return product


def fields_of(value: Any) -> dict[str, Any]:
    """What a dataclass is pickled as: without what is derived and kept, which another thread may add to meanwhile."""
    return {each.name: getattr(value, each.name) for each in fields(value)}
