"""Runs the store process and the candidates process: receives requests, handles each, and sends the answers."""

from __future__ import annotations

import contextlib
import logging
import os
from multiprocessing.connection import Connection
from pathlib import Path
from typing import assert_never

from conexus.arrays.file import DamagedFile
from conexus.processes.child import begin_child
from conexus.segments.file import load_segment, save_segment
from conexus.segments.segment import MemorySegment
from conexus.storage.index_directory import size_bytes
from conexus.storage.lance.candidates import TableSearch
from conexus.storage.lance.requests import (
    Answered,
    AnyRequest,
    CloseTables,
    CompactTables,
    Failed,
    FindCandidates,
    LoadedFile,
    LoadRows,
    MakeIndices,
    OpenedTables,
    OpenTables,
    PrepareSearch,
    TablesState,
    WriteRows,
)
from conexus.storage.lance.schema import Files
from conexus.storage.lance.tables import Batch, LanceTables, StoreError
from conexus.storage.manifest import segment_path

log = logging.getLogger(__name__)


def serve(connection: Connection) -> None:
    """Answers requests until the other end of the connection is closed. The process runs nothing else."""
    begin_child()
    server = LanceServer()
    while True:
        try:
            request: AnyRequest = connection.recv()
        except (EOFError, OSError):
            return
        outcome = server.outcome_of(request)
        with contextlib.suppress(OSError):
            connection.send(outcome)


class LanceServer:
    """Keeps the open tables of all index directories. Owned by the main thread of its process."""

    def __init__(self) -> None:
        self._tables: dict[Path, LanceTables] = {}
        self._searches: dict[Path, TableSearch] = {}

    def outcome_of(self, request: AnyRequest) -> Answered | Failed:
        """Handles a request. After a failure the tables are closed: the next request starts from what is on disk."""
        try:
            return Answered(self.handle(request))
        except Exception as error:
            if not isinstance(error, (StoreError, OSError, DamagedFile)):
                log.exception("the tables failed")
            self._close(request.directory)
            return Failed(_message(error))

    def handle(self, request: AnyRequest) -> object:
        """Returns the answer to a request. Raises StoreError, OSError or DamagedFile if it fails."""
        match request:
            case OpenTables(directory, dimensions):
                self._close(directory)
                tables = self._opened(directory, dimensions)
                tables.repair()
                return OpenedTables(tables.files(), size_bytes(directory))
            case WriteRows(directory, dimensions, folder, rows, gone, version):
                tables = self._opened(directory, dimensions)
                files = tuple(Files(_segment(each.segment), each.numbers) for each in rows)
                tables.write(Batch(folder, files, gone), version)
                return _state(directory, tables)
            case LoadRows(directory, dimensions):
                return _load(directory, self._opened(directory, dimensions))
            case CompactTables(directory, dimensions, keep_seconds):
                tables = self._opened(directory, dimensions)
                tables.compact(keep_seconds)
                return _state(directory, tables)
            case MakeIndices(directory, dimensions):
                tables = self._opened(directory, dimensions)
                tables.make_indices()
                return _state(directory, tables)
            case PrepareSearch(directory):
                self._close(directory)
                self._search(directory).prepare()
                return None
            case FindCandidates(directory, vector, words, nearest, by_words, by_names):
                return self._search(directory).find_candidates(
                    vector, words, nearest=nearest, by_words=by_words, by_names=by_names
                )
            case CloseTables(directory):
                self._close(directory)
                return None
            case _:
                assert_never(request)

    def _opened(self, directory: Path, dimensions: int) -> LanceTables:
        if directory not in self._tables:
            self._tables[directory] = LanceTables(directory, dimensions)
        return self._tables[directory]

    def _search(self, directory: Path) -> TableSearch:
        if directory not in self._searches:
            self._searches[directory] = TableSearch(directory)
        return self._searches[directory]

    def _close(self, directory: Path) -> None:
        self._tables.pop(directory, None)
        search = self._searches.pop(directory, None)
        if search is not None:
            search.close()


def _load(directory: Path, tables: LanceTables) -> tuple[LoadedFile, ...]:
    loaded: list[LoadedFile] = []
    for number, (segment, version) in enumerate(tables.load()):
        # The name begins with the server's process number, as the names of all its segment files do.
        name = f"{os.getppid()}-loaded-{number}"
        save_segment(segment_path(directory, name), segment, version)
        loaded.append(LoadedFile(name, version))
    return tuple(loaded)


def _state(directory: Path, tables: LanceTables) -> TablesState:
    return TablesState(size_bytes(directory), tables.versions(), tables.dead_share())


def _segment(given: Path | MemorySegment) -> MemorySegment:
    return given if isinstance(given, MemorySegment) else load_segment(given, verify=False)[0]


def _message(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"the index cannot be written: {error.strerror or type(error).__name__}"
    return str(error) or type(error).__name__
