"""Finds candidates by LanceDB's indices, for an index that is too large for each query to score every row."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from conexus.embedding.embedder import Vectors
from conexus.index.row_ids import ChunkRefs
from conexus.index.store import StoreError
from conexus.index.store_process import Tables

log = logging.getLogger(__name__)

_ANY_WORDS = ("the", "get", "set", "name", "test", "error", "file", "read")

#: Candidates requested from each index: by vectors, by words of the code, by words of names. Of the 10 or 20 results
#: that are shown, nearly all are among the first hundreds by vector or by words. The vector index is quantised to 4
#: bits, so it must return twice as many.
NEAREST, BY_WORDS, BY_NAMES = 1200, 600, 300


class CandidateSource(Protocol):
    """Finds candidates of one folder."""

    def candidates(self, vector: Vectors | None, words: Sequence[str]) -> ChunkRefs | None:
        """Returns chunks that may answer a query; None if the source fails. Blocks for milliseconds."""
        ...


@dataclass(slots=True)
class LanceCandidates:
    """Asks a process that reads the tables while another process writes them. Safe to use from several threads."""

    tables: Tables
    directory: Path
    #: Whether the latest call for candidates failed: of several failures in a row only the first is logged.
    _failed: bool = False

    def prepare(self) -> bool:
        """Opens the tables again, because they may have been rebuilt. Returns False if that fails.

        Takes a second or more.
        """
        try:
            self.tables.prepare(self.directory)
        except StoreError as error:
            log.warning("%s; every row is scored", error)
            return False
        return True

    def answer_any(self, dimensions: int) -> bool:
        """Makes one query, so that the process loads what all queries need of the indices.

        Returns False if the query fails.
        """
        anywhere = np.full(dimensions, dimensions**-0.5, np.float32)
        return self.candidates(anywhere, _ANY_WORDS) is not None

    def candidates(self, vector: Vectors | None, words: Sequence[str]) -> ChunkRefs | None:
        try:
            found = self.tables.candidates(self.directory, vector, tuple(words), (NEAREST, BY_WORDS, BY_NAMES))
        except StoreError as error:
            if not self._failed:
                log.warning("%s; every row is scored", error)
            self._failed = True
            return None
        self._failed = False
        return found
