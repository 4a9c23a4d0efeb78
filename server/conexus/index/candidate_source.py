"""Candidates from LanceDB's indices, for an index that is too large to look at every row of it for each query."""

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

#: Candidates of each leg. Of what is shown, 10 or 20, nearly all are among the first hundreds by vector or by words. Of
#: the nearest twice as many as by words, as their index only knows about how near they are.
NEAREST, BY_WORDS, BY_NAMES = 1200, 600, 300


class CandidateSource(Protocol):
    """Finds candidates of one folder."""

    def candidates(self, vector: Vectors | None, words: Sequence[str]) -> ChunkRefs | None:
        """Chunks that may answer; None if they cannot be had. Blocks for milliseconds."""
        ...


@dataclass(slots=True)
class LanceCandidates:
    """Asks a process that reads the tables while another writes them. Safe in several threads."""

    tables: Tables
    directory: Path
    #: Why candidates could not be had, once, for the log.
    _failed: bool = False

    def prepare(self) -> bool:
        """Open the tables anew, which may have been made again; False if that cannot be. Takes a second or more."""
        try:
            self.tables.prepare(self.directory)
        except StoreError as error:
            log.warning("%s; every row is looked at", error)
            return False
        return True

    def answer_any(self, dimensions: int) -> bool:
        """Have the process load what all questions need of the indices; False if candidates cannot be had."""
        anywhere = np.full(dimensions, dimensions**-0.5, np.float32)
        return self.candidates(anywhere, _ANY_WORDS) is not None

    def candidates(self, vector: Vectors | None, words: Sequence[str]) -> ChunkRefs | None:
        try:
            found = self.tables.candidates(self.directory, vector, tuple(words), (NEAREST, BY_WORDS, BY_NAMES))
        except StoreError as error:
            if not self._failed:
                log.warning("%s; every row is looked at", error)
            self._failed = True
            return None
        self._failed = False
        return found
