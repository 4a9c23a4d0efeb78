"""Holds the vectors of a segment, and a smaller form of them that finds the nearest vectors faster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.float16 import to_float32
from conexus.embedding.unit_vectors import Vectors

#: Vectors as float16, at half the size of float32. No ranking shows the difference: each of hundreds of components
#: keeps 11 bits.
StoredVectors = NDArray[np.float16]

#: Below this many rows one exact float32 pass is faster than the two-pass (PCA, then rescore) search.
FEW_ROWS = 20_000
#: Number of principal components that the first pass uses, and the fewest rows of a segment that has them.
_LEADING, _LEAST_ROWS = 32, 2048
#: Number of vectors that are converted to float32 at once.
_BLOCK_ROWS = 4096
NO_ROWS = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class VectorSums:
    """The sum of a set of vectors, and the sum of their outer products. The arrays are never changed.

    The sum of the cosines of all vectors to any vector, and the sum of these cosines' squares, follow from them. The
    sums of several sets add up to the sums of all, so that a merge which drops no vector need not read a vector again.
    """

    #: Sum of the vectors, shape (dimensions,); (0,) if the sums are unknown, because ``cosines`` reads all vectors in
    #: any case.
    total: Vectors
    #: Sum of the outer products, shape (dimensions, dimensions); (0, 0) if the sums are unknown.
    outer: Vectors

    @staticmethod
    def unknown() -> VectorSums:
        """Returns sums that nobody computed."""
        return VectorSums(np.empty(0, np.float32), np.empty((0, 0), np.float32))

    @staticmethod
    def from_vectors(vectors: StoredVectors) -> VectorSums:
        """Computes the sums of ``vectors``, shape (rows, dimensions)."""
        dimensions = vectors.shape[1]
        total, outer = np.zeros(dimensions, np.float32), np.zeros((dimensions, dimensions), np.float32)
        for start in range(0, len(vectors), _BLOCK_ROWS):
            block = to_float32(vectors[start : start + _BLOCK_ROWS])
            total += block.sum(axis=0)
            outer += block.T @ block
        return VectorSums(total, outer)

    @staticmethod
    def from_parts(parts: Sequence[tuple[VectorSums, StoredVectors, NDArray[np.bool_]]]) -> VectorSums:
        """Computes the sums of the vectors that masks keep of several sets.

        ``parts``: the sums of each set, which may be unknown, its vectors, and the mask of the vectors to keep.
        """
        kept = [_sums_of_kept(*part) for part in parts]
        return VectorSums(
            np.sum([each.total for each in kept], axis=0, dtype=np.float32),
            np.sum([each.outer for each in kept], axis=0, dtype=np.float32),
        )

    @property
    def are_known(self) -> bool:
        return len(self.total) > 0

    def cosine_moments(self, query: Vectors) -> tuple[float, float]:
        """Returns the sum of the cosines of all vectors to ``query``, and the sum of their squares.

        ``query``: shape (dimensions,).
        """
        return float(self.total @ query), float(query @ (self.outer @ query))


def _sums_of_kept(sums: VectorSums, vectors: StoredVectors, mask: NDArray[np.bool_]) -> VectorSums:
    if not sums.are_known or 2 * np.count_nonzero(mask) < len(mask):
        return VectorSums.from_vectors(vectors[mask])
    dropped = VectorSums.from_vectors(vectors[~mask])
    return VectorSums(sums.total - dropped.total, sums.outer - dropped.outer)


@dataclass(frozen=True, eq=False)
class SegmentVectors:
    """The vectors of a segment's rows and files. The arrays are never changed.

    Float16 has no fast product, so products are taken of float32 arrays made of it. In all but small segments these
    arrays hold only each vector's components in the directions in which the vectors differ most (principal components;
    Pearson 1901): of 120 000 rows the ten best by all signals were among the 1000 best by 32 of 256 components for each
    of 641 queries, with an eighth of the bytes read. How all cosines are spread is known exactly, from ``sums``.
    """

    #: Vectors of the rows, shape (rows, dimensions), each of about length 1, or 0.
    vectors: StoredVectors
    #: Means of each file's vectors, scaled to length 1, or 0; shape (files, dimensions).
    file_vectors: StoredVectors
    #: Directions of the leading components, shape (dimensions, components); (dimensions, 0) in a small segment, which
    #: has no leading components.
    basis: Vectors
    #: Leading components of the rows and of the files, shapes (rows, components) and (files, components).
    leading: Vectors
    file_leading: Vectors
    #: Sums of the vectors of rows and of files, known where there are leading components.
    sums: VectorSums
    file_sums: VectorSums
    #: The vectors of rows and of files as float32, once ``prepare`` made them; else empty.
    _float32: list[Vectors] = field(default_factory=list, repr=False)

    @staticmethod
    def from_rows(vectors: Vectors | StoredVectors, first_rows: NDArray[np.int32]) -> SegmentVectors:
        """Makes the vectors of a segment.

        ``vectors``: shape (rows, dimensions). ``first_rows``: the first row of each file, then the number of rows;
        shape (files + 1,).
        """
        stored = vectors.astype(np.float16)
        means = np.zeros((len(first_rows) - 1, vectors.shape[1]), np.float32)
        filled = np.flatnonzero(np.diff(first_rows))
        if len(filled):
            means[filled] = np.add.reduceat(to_float32(stored), first_rows[filled], axis=0)
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        np.divide(means, lengths, out=means, where=lengths > 0)
        file_vectors = means.astype(np.float16)
        if _is_small(*stored.shape):
            return SegmentVectors._small(stored, file_vectors)
        sums, file_sums = VectorSums.from_vectors(stored), VectorSums.from_vectors(file_vectors)
        return SegmentVectors._large(stored, file_vectors, sums, file_sums)

    @staticmethod
    def from_parts(parts: Sequence[tuple[SegmentVectors, NDArray[np.bool_], NDArray[np.bool_]]]) -> SegmentVectors:
        """Merges the vectors of several segments.

        ``parts``: the vectors of each segment, and the masks of the rows and of the files to keep.
        """
        vectors = np.concatenate([part.vectors[rows] for part, rows, _ in parts])
        file_vectors = np.concatenate([part.file_vectors[files] for part, _, files in parts])
        if _is_small(*vectors.shape):
            return SegmentVectors._small(vectors, file_vectors)
        sums = VectorSums.from_parts([(part.sums, part.vectors, rows) for part, rows, _ in parts])
        file_sums = VectorSums.from_parts([(part.file_sums, part.file_vectors, files) for part, _, files in parts])
        return SegmentVectors._large(vectors, file_vectors, sums, file_sums)

    @staticmethod
    def _small(vectors: StoredVectors, file_vectors: StoredVectors) -> SegmentVectors:
        """Makes vectors without leading components: ``cosines`` reads all vectors in full."""
        none = np.empty((vectors.shape[1], 0), np.float32)
        unknown = VectorSums.unknown()
        return SegmentVectors(vectors, file_vectors, none, none[:0], none[:0], unknown, unknown)

    @staticmethod
    def _large(
        vectors: StoredVectors, file_vectors: StoredVectors, sums: VectorSums, file_sums: VectorSums
    ) -> SegmentVectors:
        _, directions = np.linalg.eigh(sums.outer)
        basis = np.ascontiguousarray(directions[:, ::-1][:, :_LEADING])
        leading, file_leading = _product(vectors, basis), _product(file_vectors, basis)
        return SegmentVectors(vectors, file_vectors, basis, leading, file_leading, sums, file_sums)

    def __getstate__(self) -> dict[str, Any]:
        return state_of(self) | {"_float32": []}

    @property
    def exact(self) -> bool:
        """Whether there are no leading components, so that ``cosines`` are exact in any case."""
        return not self.basis.shape[1]

    @property
    def bytes_per_query(self) -> int:
        """Bytes that ``cosines`` reads at least."""
        return self.vectors.size * 4 if self.exact else self.leading.nbytes

    def prepare(self) -> None:
        """Makes float32 copies of the vectors if there are fewer than ``FEW_ROWS`` rows.

        Products are faster with the copies, which take as much memory as everything else of the segment.
        """
        if len(self.vectors) < FEW_ROWS and not self._float32:
            self._float32[:] = to_float32(self.vectors), to_float32(self.file_vectors)

    def cosines(self, query: Vectors, into: Vectors, *, exact: bool) -> bool:
        """Fills ``into``, shape (rows,), with the cosines of all rows to ``query``. Returns whether they are exact.

        ``query``: shape (dimensions,). Without ``exact`` the cosines are those of the leading components, if there are
        any.
        """
        if not exact and not self.exact:
            np.matmul(self.leading, query @ self.basis, out=into)
            return False
        if self._float32:
            np.matmul(self._float32[0], query, out=into)
        else:
            _fill(into, self.vectors, query)
        return True

    def file_cosines(self, query: Vectors, into: Vectors, *, exact: bool) -> bool:
        """Fills ``into``, shape (files,), with the cosines of all files; otherwise as ``cosines``."""
        if not exact and not self.exact:
            np.matmul(self.file_leading, query @ self.basis, out=into)
            return False
        if self._float32:
            np.matmul(self._float32[1], query, out=into)
        else:
            _fill(into, self.file_vectors, query)
        return True

    def cosine_moments(self, query: Vectors, left_out: NDArray[np.int64] = NO_ROWS) -> tuple[float, float]:
        """Returns the sum of the exact cosines of all rows but ``left_out``, and the sum of their squares."""
        return _cosine_moments(self.sums, self.vectors, query, left_out)

    def file_cosine_moments(self, query: Vectors, left_out: NDArray[np.int64] = NO_ROWS) -> tuple[float, float]:
        """Returns the same sums as ``cosine_moments``, over all files but ``left_out``."""
        return _cosine_moments(self.file_sums, self.file_vectors, query, left_out)

    def exact_cosines(self, rows: NDArray[np.integer], query: Vectors) -> Vectors:
        """Returns the cosines of some rows to ``query``, in the order given; shape (len(rows),)."""
        cosines: Vectors = to_float32(self.vectors[rows]) @ query
        return cosines

    def exact_file_cosines(self, files: NDArray[np.integer], query: Vectors) -> Vectors:
        """Returns the cosines of some files to ``query``, in the order given; shape (len(files),)."""
        cosines: Vectors = to_float32(self.file_vectors[files]) @ query
        return cosines


def _is_small(rows: int, dimensions: int) -> bool:
    return rows < _LEAST_ROWS or dimensions <= _LEADING


def _cosine_moments(
    sums: VectorSums, vectors: StoredVectors, query: Vectors, left_out: NDArray[np.int64]
) -> tuple[float, float]:
    if not sums.are_known:
        cosines = to_float32(vectors) @ query
        cosines[left_out] = 0
        return float(cosines.sum()), float(np.dot(cosines, cosines))
    total, squares = sums.cosine_moments(query)
    if len(left_out):
        cosines = to_float32(vectors[left_out]) @ query
        total, squares = total - float(cosines.sum()), squares - float(np.dot(cosines, cosines))
    return total, squares


def _fill(into: Vectors, vectors: StoredVectors, query: Vectors) -> None:
    """Fills ``into`` with the products of all vectors with ``query``."""
    for start in range(0, len(vectors), _BLOCK_ROWS):
        np.matmul(to_float32(vectors[start : start + _BLOCK_ROWS]), query, out=into[start : start + _BLOCK_ROWS])


def _product(vectors: StoredVectors, basis: Vectors) -> Vectors:
    product = np.empty((len(vectors), basis.shape[1]), np.float32)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        np.matmul(to_float32(vectors[start : start + _BLOCK_ROWS]), basis, out=product[start : start + _BLOCK_ROWS])
    return product


def state_of(value: Any) -> dict[str, Any]:
    """Returns the fields of a dataclass as the state to be pickled.

    Cached attributes are left out, because another thread may add to them while this one pickles.
    """
    return {each.name: getattr(value, each.name) for each in fields(value)}
