"""Decides which folders are too large to score every row, and has LanceDB's indices made for them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from conexus.embedding.unit_vectors import Vectors
from conexus.indexing.commands import Finished, Post
from conexus.indexing.folder_index import LiveSegment
from conexus.indexing.workspace_folder import TrackedFolder
from conexus.indexing.write_behind import StoreThreads
from conexus.owned import owned
from conexus.segments.snapshot import CandidateSource, ChunkRefs
from conexus.storage.lance.process import LanceProcess
from conexus.storage.lance.requests import FindCandidates, MakeIndices, PrepareSearch
from conexus.storage.lance.tables import StoreError

log = logging.getLogger(__name__)

_ANY_WORDS = ("the", "get", "set", "name", "test", "error", "file", "read")

#: Candidates requested from each index: by vectors, by words of the code, by words of names. Of the 10 or 20 results
#: that are shown, nearly all are among the first hundreds by vector or by words. The vector index is quantised to 4
#: bits, so it must return twice as many.
NEAREST, BY_WORDS, BY_NAMES = 1200, 600, 300


@dataclass(slots=True)
class LanceCandidates:
    """Asks a process that reads the tables while another process writes them. Safe to use from several threads."""

    tables: LanceProcess
    directory: Path
    #: Whether the latest call for candidates failed: of several failures in a row only the first is logged.
    _failed: bool = False

    def prepare(self) -> bool:
        """Opens the tables again, because they may have been rebuilt. Returns False if that fails.

        Takes a second or more.
        """
        try:
            self.tables.ask(PrepareSearch(self.directory))
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
            found = self.tables.ask(FindCandidates(self.directory, vector, tuple(words), NEAREST, BY_WORDS, BY_NAMES))
        except StoreError as error:
            if not self._failed:
                log.warning("%s; every row is scored", error)
            self._failed = True
            return None
        self._failed = False
        return found


Tier = Literal["exact", "indexed"]

#: Share of the memory budget: a folder returns to the tier ``exact`` when all folders take less, so that its tier does
#: not flip back and forth.
_BACK = 0.8
#: Update the LanceDB indices when more than max(20 000, 10 %) of the rows are not covered by them.
_LATE_ROWS, _LATE_SHARE = 20_000, 0.1


@dataclass(slots=True)
class _Folder:
    tier: Tier = "exact"
    #: Whether the indices are being made, or are being asked for the first time.
    busy: bool = False
    failed: bool = False
    #: The base segments when making the indices began.
    parts: tuple[LiveSegment, ...] = field(default_factory=tuple)


@owned(shared={"tier"})
class Tiers:
    """Decides the tier of each folder. The indexer thread owns it."""

    def __init__(
        self,
        tables: LanceProcess,
        threads: StoreThreads,
        post: Post,
        use: Callable[[str, CandidateSource | None], None],
    ) -> None:
        """``tables`` and ``threads`` are the ones that write.

        ``use`` gets a folder and its candidate source from now on; None if every row is scored.
        """
        self._tables, self._threads, self._post, self._use = tables, threads, post, use
        # A process of its own, because a query must not wait for a write.
        self._reading = LanceProcess(low_priority=False)
        self._asking = ThreadPoolExecutor(1, "conexus-candidates")
        self._folders: dict[str, _Folder] = {}

    def tier(self, folder: str) -> Tier:
        """Returns where a folder's candidates come from. Any thread may call it."""
        known = self._folders.get(folder)
        return known.tier if known is not None else "exact"

    def consider(self, tracked: TrackedFolder, budget: int, total: int, *, idle: bool) -> None:
        """Begins what is due for a folder. ``budget``: bytes that all folders may take; ``total``: bytes they take."""
        base = tracked.index.base
        known = self._folders.setdefault(tracked.root, _Folder())
        if known.busy or known.failed or not tracked.settled or tracked.finishing:
            return
        if known.tier == "indexed" and total < budget * _BACK:
            known.tier = "exact"
            self._use(tracked.root, None)
        elif total > budget or known.tier == "indexed":
            late = sum(part.rows for part in base if not part.indexed)
            rows = sum(part.rows for part in base)
            if not rows:
                return
            if known.tier == "indexed" and late == rows:
                # The tables were rebuilt: every row is scored until their indices are rebuilt, too.
                known.tier = "exact"
                self._use(tracked.root, None)
            if late > max(_LATE_ROWS, _LATE_SHARE * rows) or late == rows:
                if tracked.stored.role == "writer" and tracked.persistence.in_step(base) and (idle or late == rows):
                    self._begin(tracked, known, base)
            elif known.tier == "exact":
                self._try(tracked, known)

    def _begin(self, tracked: TrackedFolder, known: _Folder, base: Sequence[LiveSegment]) -> None:
        """Has the store thread make the indices. The tables hold the rows of the present base."""
        known.busy, known.parts = True, tuple(base)
        stored, words = tracked.stored, f"making the indices of {tracked.root}"

        def work() -> None:
            try:
                self._tables.ask(MakeIndices(stored.directory, stored.dimensions))
            except StoreError as error:
                log.warning("%s; every row is scored", error)
                self._post(Finished(words, lambda: self._done(tracked, known, made=False)))
            else:
                self._post(Finished(words, lambda: self._done(tracked, known, made=True)))

        self._threads.of(stored.directory).submit(work)

    def _done(self, tracked: TrackedFolder, known: _Folder, *, made: bool) -> None:
        known.busy, known.failed = False, not made
        if not made or self._folders.get(tracked.root) is not known:
            return
        for part in known.parts:
            part.indexed = True
        known.parts = ()
        self._try(tracked, known)

    def _try(self, tracked: TrackedFolder, known: _Folder) -> None:
        """Has the candidates process get ready, so that no query waits for it; then the process answers queries."""
        known.busy = True
        # Tables that answer queries are not reopened, because the queries would wait.
        answers = known.tier == "indexed"
        candidate_sources = LanceCandidates(self._reading, tracked.stored.directory)

        def work() -> None:
            ready = (answers or candidate_sources.prepare()) and candidate_sources.answer_any(tracked.stored.dimensions)
            self._post(Finished(f"asking the indices of {tracked.root}", lambda: answered(ready)))

        def answered(well: bool) -> None:
            known.busy, known.failed = False, not well
            if well and self._folders.get(tracked.root) is known:
                known.tier = "indexed"
                self._use(tracked.root, candidate_sources)
            elif not well:
                for part in tracked.index.base:
                    part.indexed = False

        self._asking.submit(work)

    def forget(self, folder: str) -> None:
        """Drops a folder and its candidate source."""
        if self._folders.pop(folder, None) is not None:
            self._use(folder, None)

    def close(self) -> None:
        """Ends the candidates process."""
        self._asking.shutdown(wait=True)
        self._reading.close()
