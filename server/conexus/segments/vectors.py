"""Holds the vectors of a segment, and a smaller form of them that finds the nearest vectors faster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.float16 import to_float32
from conexus.embedding.unit_vectors import Vectors

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


#: Vectors as float16, at half the size of float32. No ranking shows the difference: each of hundreds of components
#: keeps 11 bits.
Stored = NDArray[np.float16]

#: Below this many rows one exact float32 pass is faster than the two-pass (PCA, then rescore) search.
FEW_ROWS = 20_000
#: Number of principal components that the first pass uses, and the fewest rows of a segment that has them.
_LEADING, _LEAST_ROWS = 32, 2048
_AT_ONCE = 4096
NOWHERE = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Dense:
    """The vectors of a segment's rows and files. The arrays are never changed.

    Float16 has no fast product, so products are taken of float32 arrays made of it. In all but small segments these
    arrays hold only each vector's components in the directions in which the vectors differ most (principal components;
    Pearson 1901): of 120 000 rows the ten best by all signals were among the 1000 best by 32 of 256 components for each
    of 641 queries, with an eighth of the bytes read. How all cosines are spread is known exactly, from ``moments``.
    """

    #: Vectors of the rows, shape (rows, dimensions), each of about length 1, or 0.
    vectors: Stored
    #: Means of each file's vectors, scaled to length 1, or 0; shape (files, dimensions).
    of_files: Stored
    #: Directions of the leading components, shape (dimensions, components); (dimensions, 0) in a small segment, which
    #: has no leading components.
    basis: Vectors
    #: Leading components of the rows and of the files, shapes (rows, components) and (files, components).
    leading: Vectors
    leading_of_files: Vectors
    #: Moments of the vectors of rows and of files, known where there are leading components.
    moments: Moments
    moments_of_files: Moments
    #: The vectors of rows and of files as float32, once ``prepare`` made them; else empty. This is no ``Memo``, because
    #: ``cosines`` uses the copies only where they exist and never makes them.
    _whole: list[Vectors] = field(default_factory=list, repr=False)

    @staticmethod
    def of(vectors: Vectors | Stored, first_rows: NDArray[np.int32]) -> Dense:
        """Makes the vectors of a segment.

        ``vectors``: shape (rows, dimensions). ``first_rows``: the first row of each file, then the number of rows;
        shape (files + 1,).
        """
        stored = vectors.astype(np.float16)
        sums = np.zeros((len(first_rows) - 1, vectors.shape[1]), np.float32)
        filled = np.flatnonzero(np.diff(first_rows))
        if len(filled):
            sums[filled] = np.add.reduceat(to_float32(stored), first_rows[filled], axis=0)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        np.divide(sums, lengths, out=sums, where=lengths > 0)
        of_files = sums.astype(np.float16)
        if _is_small(*stored.shape):
            return Dense.small(stored, of_files)
        return Dense._large(stored, of_files, Moments.of(stored), Moments.of(of_files))

    @staticmethod
    def merged(parts: Sequence[tuple[Dense, NDArray[np.bool_], NDArray[np.bool_]]]) -> Dense:
        """Merges the vectors of several segments; masks of rows and of files say which are kept."""
        vectors = np.concatenate([dense.vectors[rows] for dense, rows, _ in parts])
        of_files = np.concatenate([dense.of_files[files] for dense, _, files in parts])
        if _is_small(*vectors.shape):
            return Dense.small(vectors, of_files)
        moments = Moments.kept([(dense.moments, dense.vectors, rows) for dense, rows, _ in parts])
        of_all_files = [(dense.moments_of_files, dense.of_files, files) for dense, _, files in parts]
        return Dense._large(vectors, of_files, moments, Moments.kept(of_all_files))

    @staticmethod
    def small(vectors: Stored, of_files: Stored) -> Dense:
        """Makes vectors without leading components: ``cosines`` reads all vectors in full."""
        none = np.empty((vectors.shape[1], 0), np.float32)
        return Dense(vectors, of_files, none, none[:0], none[:0], Moments.none(), Moments.none())

    @staticmethod
    def _large(vectors: Stored, of_files: Stored, moments: Moments, moments_of_files: Moments) -> Dense:
        _, directions = np.linalg.eigh(moments.second)
        basis = np.ascontiguousarray(directions[:, ::-1][:, :_LEADING])
        leading, leading_of_files = _product(vectors, basis), _product(of_files, basis)
        return Dense(vectors, of_files, basis, leading, leading_of_files, moments, moments_of_files)

    def __getstate__(self) -> dict[str, Any]:
        return fields_of(self) | {"_whole": []}

    @property
    def exact(self) -> bool:
        """Whether there are no leading components, so that ``cosines`` are exact in any case."""
        return not self.basis.shape[1]

    @property
    def bytes_walked(self) -> int:
        """Bytes that ``cosines`` reads at least."""
        return self.vectors.size * 4 if self.exact else self.leading.nbytes

    def prepare(self) -> None:
        """Makes float32 copies of the vectors if there are fewer than ``FEW_ROWS`` rows.

        Products are faster with the copies, which take as much memory as everything else of the segment.
        """
        if len(self.vectors) < FEW_ROWS and not self._whole:
            self._whole[:] = to_float32(self.vectors), to_float32(self.of_files)

    def cosines(self, vector: Vectors, into: Vectors, *, exact: bool) -> bool:
        """Fills ``into``, shape (rows,), with the cosines of all rows to ``vector``. Returns whether they are exact.

        Without ``exact`` they are cosines of the leading components, if there are any.
        """
        if not exact and not self.exact:
            np.matmul(self.leading, vector @ self.basis, out=into)
            return False
        if self._whole:
            np.matmul(self._whole[0], vector, out=into)
        else:
            _fill(into, self.vectors, vector)
        return True

    def cosines_of_files(self, vector: Vectors, into: Vectors, *, exact: bool) -> bool:
        """Fills ``into``, shape (files,), with the cosines of all files; otherwise as ``cosines``."""
        if not exact and not self.exact:
            np.matmul(self.leading_of_files, vector @ self.basis, out=into)
            return False
        if self._whole:
            np.matmul(self._whole[1], vector, out=into)
        else:
            _fill(into, self.of_files, vector)
        return True

    def sums(self, vector: Vectors, left_out: NDArray[np.int64] = NOWHERE) -> tuple[float, float]:
        """Returns the sum of the exact cosines of all rows but ``left_out``, and the sum of their squares."""
        return _sums(self.moments, self.vectors, vector, left_out)

    def sums_of_files(self, vector: Vectors, left_out: NDArray[np.int64] = NOWHERE) -> tuple[float, float]:
        """Returns the same sums as ``sums``, over all files but ``left_out``."""
        return _sums(self.moments_of_files, self.of_files, vector, left_out)

    def exact_cosines(self, rows: NDArray[np.integer], vector: Vectors) -> Vectors:
        """Returns the cosines of some rows to ``vector``, in the order given."""
        found: Vectors = to_float32(self.vectors[rows]) @ vector
        return found

    def exact_cosines_of_files(self, files: NDArray[np.integer], vector: Vectors) -> Vectors:
        """Returns the cosines of some files to ``vector``, in the order given."""
        found: Vectors = to_float32(self.of_files[files]) @ vector
        return found


def _is_small(rows: int, dimensions: int) -> bool:
    return rows < _LEAST_ROWS or dimensions <= _LEADING


def _sums(moments: Moments, vectors: Stored, vector: Vectors, left_out: NDArray[np.int64]) -> tuple[float, float]:
    if not moments.known:
        found = to_float32(vectors) @ vector
        found[left_out] = 0
        return float(found.sum()), float(np.dot(found, found))
    total, squares = moments.of_products(vector)
    if len(left_out):
        found = to_float32(vectors[left_out]) @ vector
        total, squares = total - float(found.sum()), squares - float(np.dot(found, found))
    return total, squares


def _fill(into: Vectors, vectors: Stored, vector: Vectors) -> None:
    """Fills ``into`` with the products of all vectors with one."""
    for start in range(0, len(vectors), _AT_ONCE):
        np.matmul(to_float32(vectors[start : start + _AT_ONCE]), vector, out=into[start : start + _AT_ONCE])


def _product(vectors: Stored, basis: Vectors) -> Vectors:
    product = np.empty((len(vectors), basis.shape[1]), np.float32)
    for start in range(0, len(vectors), _AT_ONCE):
        np.matmul(to_float32(vectors[start : start + _AT_ONCE]), basis, out=product[start : start + _AT_ONCE])
    return product


def fields_of(value: Any) -> dict[str, Any]:
    """Returns the fields of a dataclass as the state to be pickled.

    Cached attributes are left out, because another thread may add to them while this one pickles.
    """
    return {each.name: getattr(value, each.name) for each in fields(value)}
