"""The vectors of a static model's tokens. Each is converted to float32 when it is first used."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.float16 import to_float32
from conexus.embedding.unit_vectors import Vectors

Places = NDArray[np.intp]


class TokenVectors:
    """A table of token vectors. Safe to use from several threads, because a returned vector never moves.

    Code uses a small part of a vocabulary, and float32 takes twice the memory of the stored vectors. To convert all of
    them would take most of the time that a process needs to start.
    """

    def __init__(self, stored: NDArray[np.floating]) -> None:
        """``stored`` holds the vectors of all tokens, shape (tokens, dimensions)."""
        self._stored = stored
        self._places = np.full(len(stored), -1, np.intp)
        self._lock = threading.Lock()
        self._count = 0
        #: Converted vectors, shape (tokens, dimensions). Only the rows that ``places`` returned hold vectors, and the
        #: system allocates memory for those rows only.
        self.vectors: Vectors = np.empty(stored.shape, np.float32)
        #: Length of each row of ``vectors``, shape (tokens,).
        self.lengths = np.empty(len(stored), np.float32)

    @property
    def tokens(self) -> int:
        """The number of tokens that have a vector."""
        return len(self._stored)

    @property
    def dimensions(self) -> int:
        return int(self._stored.shape[1])

    def places(self, numbers: NDArray[np.integer] | list[int]) -> Places:
        """Returns the rows of ``vectors`` that hold the given tokens' vectors, in the order given."""
        places = self._places.take(numbers)
        if len(places) and places.min() < 0:
            self._learn(np.unique(numbers))
            places = self._places.take(numbers)
        return places

    def of(self, numbers: NDArray[np.integer] | list[int]) -> Vectors:
        """Returns the vectors of the given tokens, in the order given."""
        return self.vectors.take(self.places(numbers), axis=0)

    def _learn(self, numbers: NDArray[np.integer]) -> None:
        with self._lock:
            new = numbers[self._places[numbers] < 0]
            stored = self._stored[new]
            rows = slice(self._count, self._count + len(new))
            found = to_float32(stored) if stored.dtype == np.float16 else stored.astype(np.float32)
            self.vectors[rows] = found
            self.lengths[rows] = np.sqrt(np.einsum("ij,ij->i", found, found))
            self._count = rows.stop
            # Assigned last, because another thread reads a row as soon as it sees the row's number.
            self._places[new] = np.arange(rows.start, rows.stop)
