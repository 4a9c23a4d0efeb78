"""The vectors of a static model's tokens, each made ready when it is first met."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from conexus.embedding.embedder import Vectors
from conexus.embedding.float16 import to_float32

Places = NDArray[np.intp]


class TokenVectors:
    """Safe in several threads: what was handed out never moves.

    Code has a small part of a vocabulary, and float32 takes twice the memory of what is stored: to convert all of it
    would be most of a process's start.
    """

    def __init__(self, stored: NDArray[np.floating]) -> None:
        """``stored``: shape (tokens, dimensions)."""
        self._stored = stored
        self._places = np.full(len(stored), -1, np.intp)
        self._lock = threading.Lock()
        self._count = 0
        #: Shape (tokens, dimensions). Only rows at ``places`` hold anything: the system gives memory to those alone.
        self.vectors: Vectors = np.empty(stored.shape, np.float32)
        #: Of each row of ``vectors``.
        self.lengths = np.empty(len(stored), np.float32)

    @property
    def tokens(self) -> int:
        """How many tokens have a vector."""
        return len(self._stored)

    @property
    def dimensions(self) -> int:
        return int(self._stored.shape[1])

    def places(self, numbers: NDArray[np.integer] | list[int]) -> Places:
        """Where in ``vectors`` those of some tokens are, in the order given."""
        places = self._places.take(numbers)
        if len(places) and places.min() < 0:
            self._learn(np.unique(numbers))
            places = self._places.take(numbers)
        return places

    def of(self, numbers: NDArray[np.integer] | list[int]) -> Vectors:
        """The vectors of some tokens, in the order given."""
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
            # Last, for whoever sees a place looks there.
            self._places[new] = np.arange(rows.start, rows.stop)
