"""Runs LanceDB in a process of its own, the store process, which ends when nothing is to be written.

LanceDB takes seconds to import and some 200 MB. So the server neither waits for it nor grows with it, and a fault in
native code ends the store process alone.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from conexus.arrays.file import DamagedFile
from conexus.embedding.unit_vectors import Vectors
from conexus.processes.child import begin_child, lower_priority, spawn_context
from conexus.segments.file import load_segment, save_segment
from conexus.segments.segment import MemorySegment
from conexus.segments.snapshot import ChunkRefs
from conexus.storage.lance.candidates import TableSearch
from conexus.storage.lance.schema import Files, StoredFile
from conexus.storage.lance.tables import Batch, Store, StoreError

log = logging.getLogger(__name__)

#: Seconds without work after which the process ends.
_IDLE_SECONDS = 20.0
#: Most seconds that a call may take before the process is considered hung and is ended: by default, and by method.
#: Making the indices of a million rows takes two minutes.
_CALL_SECONDS = 600.0
_CALLS_SECONDS = {"candidates": 20.0, "prepare": 120.0, "forget": 60.0, "index": 3600.0}


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Some files of a segment: the segment (or the path of its file), and the files' ascending numbers in it."""

    segment: Path | MemorySegment
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """What the tables hold when they are opened."""

    files: Mapping[str, StoredFile]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Written:
    """The state of the tables on disk after a change."""

    size_bytes: int
    versions: int
    #: ``Store.dead_share``.
    dead: float


class _HungError(Exception):
    """A call took longer than it may."""


class ShutDown(Exception):
    """The process was killed before it had answered a call, because the server is shutting down."""


class Tables:
    """The tables of all folders, in the store process. Any thread may call it.

    Calls block and run one after the other.
    """

    def __init__(self, *, gentle: bool = True) -> None:
        """``gentle``: whether the process has low priority, because no one waits for it."""
        self._gentle = gentle
        self._guard = threading.Lock()
        self._process: Any = None
        self._connection: Connection | None = None
        self._used_at = 0.0
        #: Whether the process has answered a call.
        self._answered = False
        self._shut_down = False

    def open(self, directory: Path, dimensions: int, *, repair: bool) -> Opened:
        """Opens the tables of a directory, or creates them, and returns what they hold.

        Raises StoreError if that fails. With ``repair``, rows that a killed writer left behind are deleted first.
        """
        opened: Opened = self._call("open", directory, dimensions, repair)
        return opened

    def write(
        self,
        directory: Path,
        dimensions: int,
        folder: str,
        rows: tuple[StoredRows, ...],
        gone: tuple[str, ...],
        version: str,
    ) -> Written:
        """Replaces the rows of these files, and deletes the rows of files that are ``gone``.

        Raises StoreError if that fails; the call may be repeated.
        """
        written: Written = self._call("write", directory, dimensions, folder, rows, gone, version)
        return written

    def load(self, directory: Path, dimensions: int, into: Path) -> list[tuple[Path, str]]:
        """Writes everything that the tables hold to segment files in ``into``. Returns each file's path and version.

        Raises StoreError if the tables are damaged.
        """
        loaded: list[tuple[Path, str]] = self._call("load", directory, dimensions, into)
        return loaded

    def maintain(self, directory: Path, dimensions: int, keep_seconds: float) -> Written:
        """Compacts the tables and drops versions older than ``keep_seconds``."""
        written: Written = self._call("maintain", directory, dimensions, keep_seconds)
        return written

    def index(self, directory: Path, dimensions: int) -> Written:
        """Creates the vector and full-text indices, or brings them up to date."""
        written: Written = self._call("index", directory, dimensions)
        return written

    def candidates(
        self, directory: Path, vector: Vectors | None, words: tuple[str, ...], counts: tuple[int, int, int]
    ) -> ChunkRefs:
        """Returns candidates from the indices, see ``TableSearch.candidates``."""
        found: ChunkRefs = self._call("candidates", directory, vector, words, counts)
        return found

    def prepare(self, directory: Path) -> None:
        """Reopens the tables, which may have been replaced, and prepares to find candidates.

        Raises StoreError if that fails.
        """
        self._call("prepare", directory)

    def forget(self, directory: Path) -> None:
        """Closes the tables of a directory, so that they can be removed."""
        if self._connection is not None:
            self._call("forget", directory)

    @property
    def running(self) -> bool:
        return self._connection is not None

    def close_if_idle(self) -> None:
        """Ends the process if it had no work for ``_IDLE_SECONDS``. The next call starts another one."""
        if self.running and time.monotonic() - self._used_at > _IDLE_SECONDS and self._guard.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._guard.release()

    def kill_if_starting(self) -> None:
        """Kills the process if it has not answered a call yet: the server's end would wait for it to import LanceDB.

        Calls raise ``ShutDown`` from then on. The next start stores what they would have stored.
        """
        process = self._process
        if process is not None and process.pid is not None and not self._answered:
            self._shut_down = True
            process.kill()

    def close(self) -> None:
        """Ends the process after its present call."""
        with self._guard:
            self._end()

    def _call(self, method: str, *arguments: Any) -> Any:
        with self._guard:
            if self._shut_down:
                raise ShutDown
            try:
                connection = self._started()
                connection.send((method, arguments))
                if not connection.poll(_CALLS_SECONDS.get(method, _CALL_SECONDS)):
                    raise _HungError
                succeeded, result = connection.recv()
                self._answered = True
            except _HungError:
                log.error("the process that writes the index did not answer `%s` and is ended", method)
                self._process.kill()
                self._end()
                raise StoreError("the process that writes the index did not answer") from None
            except (OSError, EOFError) as error:
                self._end()
                if self._shut_down:
                    raise ShutDown from error
                raise StoreError("the process that writes the index ended") from error
            finally:
                self._used_at = time.monotonic()
        if not succeeded:
            raise StoreError(result)
        return result

    def _started(self) -> Connection:
        if self._connection is None:
            context = spawn_context()
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs,), name="conexus-store", daemon=True)
            try:
                self._process.start()
            finally:
                theirs.close()
            if self._gentle:
                lower_priority(self._process.pid)
        return self._connection

    def _end(self) -> None:
        connection, process = self._connection, self._process
        self._connection = self._process = None
        self._answered = False
        if connection is not None:
            connection.close()
        if process is not None and process.pid is not None:
            process.join(_IDLE_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()


def _serve(connection: Connection) -> None:
    begin_child()
    # Without this, LanceDB writes a warning to standard error for every query, and editors show it.
    os.environ.setdefault("LANCEDB_LOG", "error")
    server = _Server()
    while True:
        try:
            method, arguments = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = (True, getattr(server, method)(*arguments))
        except Exception as error:
            if not isinstance(error, (StoreError, OSError, DamagedFile)):
                log.exception("the tables failed")
            answer = (False, _words(error))
        with contextlib.suppress(OSError):
            connection.send(answer)


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"the index cannot be written: {error.strerror or type(error).__name__}"
    return str(error) or type(error).__name__


class _Server:
    """The methods that the store process runs; each serves the call of the same name in ``Tables``."""

    def __init__(self) -> None:
        self._stores: dict[Path, Store] = {}
        self._searches: dict[Path, TableSearch] = {}

    def open(self, directory: Path, dimensions: int, repair: bool) -> Opened:
        self.forget(directory)
        store = self._store(directory, dimensions)
        if repair:
            store.repair()
        return Opened(store.files(), store.size_bytes())

    def write(
        self,
        directory: Path,
        dimensions: int,
        folder: str,
        rows: tuple[StoredRows, ...],
        gone: tuple[str, ...],
        version: str,
    ) -> Written:
        files = tuple(Files(_segment(each.segment), each.numbers) for each in rows)
        store = self._store(directory, dimensions)
        try:
            store.write(Batch(folder, files, gone), version)
        except Exception:
            # After any failure, the next try starts from what is on disk.
            self.forget(directory)
            raise
        return _written(store)

    def load(self, directory: Path, dimensions: int, into: Path) -> list[tuple[Path, str]]:
        loaded: list[tuple[Path, str]] = []
        for number, (segment, version) in enumerate(self._store(directory, dimensions).load()):
            path = into / f"{os.getppid()}-loaded-{number}.segment"
            save_segment(path, segment, version)
            loaded.append((path, version))
        return loaded

    def maintain(self, directory: Path, dimensions: int, keep_seconds: float) -> Written:
        store = self._store(directory, dimensions)
        store.maintain(keep_seconds)
        return _written(store)

    def index(self, directory: Path, dimensions: int) -> Written:
        store = self._store(directory, dimensions)
        store.index()
        return _written(store)

    def candidates(
        self, directory: Path, vector: Vectors | None, words: tuple[str, ...], counts: tuple[int, int, int]
    ) -> ChunkRefs:
        if directory not in self._searches:
            self._searches[directory] = TableSearch(directory)
        try:
            return self._searches[directory].candidates(vector, words, counts)
        except Exception:
            # As after a failed write: the next try starts from what is on disk.
            self.forget(directory)
            raise

    def prepare(self, directory: Path) -> None:
        self.forget(directory)
        self._searches[directory] = TableSearch(directory)
        self._searches[directory].prepare()

    def forget(self, directory: Path) -> None:
        self._stores.pop(directory, None)
        search = self._searches.pop(directory, None)
        if search is not None:
            search.close()

    def _store(self, directory: Path, dimensions: int) -> Store:
        if directory not in self._stores:
            self._stores[directory] = Store(directory, dimensions)
        return self._stores[directory]


def _written(store: Store) -> Written:
    return Written(store.size_bytes(), store.versions(), store.dead_share())


def _segment(given: Path | MemorySegment) -> MemorySegment:
    return given if isinstance(given, MemorySegment) else load_segment(given, verify=False)[0]
