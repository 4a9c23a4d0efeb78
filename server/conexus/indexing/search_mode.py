"""Decides which folders are too large to score every row, and has LanceDB's indices made for them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal

import numpy as np

from conexus.embedding.unit_vectors import Vectors
from conexus.indexing.commands import CandidatesReady, IndicesMade, Post
from conexus.indexing.folder_index import LiveSegment
from conexus.indexing.workspace_folder import WorkspaceFolder
from conexus.indexing.write_behind import StoreThreads
from conexus.owned import owned
from conexus.segments.snapshot import CandidateSource, ChunkRefs
from conexus.storage.lance.process import LanceProcess, ShutDown
from conexus.storage.lance.requests import FindCandidates, MakeIndices, PrepareSearch
from conexus.storage.lance.tables import StoreError
from conexus.timing import SingleFlight

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
        except ShutDown:
            return False
        return True

    def answer_any(self, dimensions: int) -> bool:
        """Makes one query, so that the process loads what all queries need of the indices.

        Returns False if the query fails.
        """
        anywhere = np.full(dimensions, dimensions**-0.5, np.float32)
        return self.candidates(anywhere, _ANY_WORDS) is not None

    def candidates(self, vector: Vectors | None, words: Sequence[str]) -> ChunkRefs | None:
        """Returns the chunks that the indices find for a query; None if they fail, so that every row is scored."""
        try:
            found = self.tables.ask(FindCandidates(self.directory, vector, tuple(words), NEAREST, BY_WORDS, BY_NAMES))
        except StoreError as error:
            if not self._failed:
                log.warning("%s; every row is scored", error)
            self._failed = True
            return None
        except ShutDown:
            return None
        self._failed = False
        return found


SearchMode = Literal["exact", "indexed"]

#: Share of the memory budget: a folder returns to the mode ``exact`` when all folders take less, so that its mode does
#: not flip back and forth.
_BACK = 0.8
#: Update the LanceDB indices when more than max(20 000, 10 %) of the rows are not covered by them.
_LATE_ROWS, _LATE_SHARE = 20_000, 0.1

_Work = Literal["making the indices", "the first query"]


@dataclass(slots=True)
class _Folder:
    """The state of a folder. Each has a number, so that no result for an earlier state of the folder is taken over."""

    folder: WorkspaceFolder
    number: int
    mode: SearchMode = "exact"
    #: After a failure nothing more is tried.
    work: SingleFlight[_Work] = field(default_factory=SingleFlight)
    #: The base segments when making the indices began.
    parts: tuple[LiveSegment, ...] = ()


@owned(shared={"mode"})
class SearchModes:
    """Decides the search mode of each folder: every row is scored, or LanceDB's indices find candidates.

    The indexer thread owns it.
    """

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
        self._reading = LanceProcess("candidates", low_priority=False)
        self._asking = ThreadPoolExecutor(1, "conexus-candidates")
        self._folders: dict[str, _Folder] = {}
        self._numbers = count()

    def mode(self, folder: str) -> SearchMode:
        """Returns where a folder's candidates come from. Any thread may call it."""
        known = self._folders.get(folder)
        return known.mode if known is not None else "exact"

    def consider(self, folder: WorkspaceFolder, budget: int, total: int, *, idle: bool) -> None:
        """Begins what is due for a folder. ``budget``: bytes that all folders may take; ``total``: bytes they take."""
        base = folder.index.base
        known = self._folders.get(folder.root)
        if known is None:
            known = self._folders[folder.root] = _Folder(folder, next(self._numbers))
        if known.work.under_way or known.work.has_failed or not folder.settled or folder.finishing:
            return
        if known.mode == "indexed" and total < budget * _BACK:
            known.mode = "exact"
            self._use(folder.root, None)
            self._end_if_unused()
        elif total > budget or known.mode == "indexed":
            late = sum(part.rows for part in base if not part.indexed)
            rows = sum(part.rows for part in base)
            if not rows:
                return
            if known.mode == "indexed" and late == rows:
                # The tables were rebuilt: every row is scored until their indices are rebuilt, too.
                known.mode = "exact"
                self._use(folder.root, None)
            if late > max(_LATE_ROWS, _LATE_SHARE * rows) or late == rows:
                if folder.stored.role == "writer" and folder.write_behind.in_step(base) and (idle or late == rows):
                    self._request(known, "making the indices")
            elif known.mode == "exact":
                self._request(known, "the first query")

    def _request(self, known: _Folder, work: _Work) -> None:
        known.work.request(work)
        match known.work.should_start():
            case "making the indices":
                self._make_indices(known)
            case "the first query":
                self._ask_first(known)

    def _make_indices(self, known: _Folder) -> None:
        """Has the store thread make the indices. The tables hold the rows of the present base."""
        known.parts = tuple(known.folder.index.base)
        root, number, stored = known.folder.root, known.number, known.folder.stored

        def work() -> None:
            made = False
            try:
                self._tables.ask(MakeIndices(stored.directory, stored.dimensions))
                made = True
            except StoreError as error:
                log.warning("%s; every row is scored", error)
            finally:
                self._post(IndicesMade(root, number, made))

        self._threads.of(stored.directory).submit(work)

    def indices_made(self, root: str, number: int, *, made: bool) -> None:
        """Takes over the result of making a folder's indices. ``number``: of the state that they were made for."""
        known = self._present(root, number)
        if known is None:
            return
        parts, known.parts = known.parts, ()
        if not made:
            known.work.failed()
            return
        known.work.finished()
        for part in parts:
            part.indexed = True
        self._request(known, "the first query")

    def _ask_first(self, known: _Folder) -> None:
        """Has the candidates process get ready, so that no query waits for it; then the process answers queries."""
        # Tables that answer queries are not reopened, because the queries would wait.
        answers = known.mode == "indexed"
        root, number, dimensions = known.folder.root, known.number, known.folder.stored.dimensions
        candidates = self._candidates(known)

        def work() -> None:
            ready = False
            try:
                ready = (answers or candidates.prepare()) and candidates.answer_any(dimensions)
            finally:
                self._post(CandidatesReady(root, number, ready))

        self._asking.submit(work)

    def candidates_ready(self, root: str, number: int, *, ready: bool) -> None:
        """Has a folder's queries answered by its indices, or every row scored if the first query failed."""
        known = self._present(root, number)
        if known is None:
            return
        if ready:
            known.work.finished()
            known.mode = "indexed"
            self._use(root, self._candidates(known))
        else:
            known.work.failed()
            known.mode = "exact"
            self._use(root, None)
            for part in known.folder.index.base:
                part.indexed = False
            self._end_if_unused()

    def _candidates(self, known: _Folder) -> LanceCandidates:
        return LanceCandidates(self._reading, known.folder.stored.directory)

    def _present(self, root: str, number: int) -> _Folder | None:
        """Returns a folder's state if it is still the one with this number."""
        known = self._folders.get(root)
        return known if known is not None and known.number == number else None

    def forget(self, folder: str) -> None:
        """Drops a folder and its candidate source."""
        if self._folders.pop(folder, None) is not None:
            self._use(folder, None)
            self._end_if_unused()

    def _end_if_unused(self) -> None:
        """Ends the candidates process if no folder needs it. A later query starts another one."""
        used = any(known.mode == "indexed" or known.work.under_way for known in self._folders.values())
        if not used and self._reading.running:
            self._asking.submit(self._reading.close)

    def close(self) -> None:
        """Ends the candidates process. It is not waited for while it imports LanceDB."""
        self._reading.kill_if_starting()
        self._asking.shutdown(wait=True)
        self._reading.close()
