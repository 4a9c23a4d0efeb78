"""Write-behind: keeps one folder's LanceDB tables in step with what is searchable, in a thread of its own."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from conexus.index.analysis import IndexedFile
from conexus.index.segment import MemorySegment
from conexus.index.store import Store, StoredFile, StoreError, exist, remove

#: Seconds between two batches: each makes a new version of the tables.
FLUSH_SECONDS = 2.0
#: A first index hands over more than this at once, which bounds the memory that waiting batches hold.
FLUSH_FILES = 1500
_RETRY_SECONDS = 30.0
_PAUSE_SECONDS, _LONGEST_HOLD_SECONDS = 2.0, 30.0
_LOCK_RETRY_SECONDS = 3.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the tables held when they were opened."""

    segments: list[MemorySegment]
    files: dict[str, StoredFile]


def index_directory(data_directory: Path, folder: str, model: str) -> Path:
    """Where a folder's index lies: one directory for each folder and model."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(folder).name)[:40] or "root"
    key = hashlib.blake2b(f"{folder}\0{model}".encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    return data_directory / "indexes" / f"{name}-{key}"


class Persistence:
    """One folder's tables. Its methods return at once, except ``close``; the work is done by ``executor``'s thread."""

    def __init__(
        self, directory: Path, folder: str, version: str, dimensions: int, executor: ThreadPoolExecutor
    ) -> None:
        self._directory = directory
        self._folder = folder
        self.version = version
        self._dimensions = dimensions
        self._executor = executor
        self._lock: FileLock | None = None
        self._store: Store | None = None
        self._waiting: dict[str, IndexedFile | None] = {}
        self._guard = threading.Lock()
        self._flush: Future[None] | None = None
        self._not_before = 0.0
        self._held_since: float | None = None
        self._next_lock_try = 0.0
        self._claimed = False
        self.role: Literal["writer", "reader"] = "reader"
        #: Why the tables are not kept in step, in words for the user.
        self.problem: str | None = None
        self.size_bytes = 0

    @property
    def exists(self) -> bool:
        """Whether there are tables to load, so that a first answer is worth waiting for them."""
        return exist(self._directory)

    def claim(self) -> None:
        """Take the lock if it is free, without importing lancedb: the tables are opened for the first batch."""
        self._executor.submit(self._claim)

    def open(self) -> Future[Loaded]:
        """Take the lock if it is free, import lancedb, load the tables. Empty where nothing can be had."""
        return self._executor.submit(self._open)

    def _claim(self) -> bool:
        try:
            self._make_directory()
            if self._take_lock():
                self.role = "writer"
        except OSError as error:
            self._cannot_use(error)
            return False
        finally:
            self._claimed = True
        return True

    def _open(self) -> Loaded:
        if not self._claim():
            return Loaded([], {})
        try:
            return self._load()
        except StoreError as error:
            if self.role == "reader":
                self.problem = str(error)
                return Loaded([], {})
            log.warning("%s; it is built anew", error)
        remove(self._directory)
        try:
            return self._load()
        except StoreError as error:
            self.problem = str(error)
            return Loaded([], {})

    def _load(self) -> Loaded:
        self._store = self._connected()
        segments, files = self._store.load()
        self.size_bytes = self._store.size_bytes()
        return Loaded(segments, files)

    def _connected(self) -> Store:
        store = Store(self._directory, self._dimensions)
        if self.role == "writer":
            store.repair()
            description = json.dumps({"folder": self._folder, "version": self.version})
            (self._directory / "folder.json").write_text(description, encoding="utf-8")
        return store

    def _take_lock(self) -> bool:
        lock = FileLock(str(self._directory / "writer.lock"), mode=0o600)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        self._lock = lock
        return True

    def take_over(self) -> Future[dict[str, StoredFile] | None] | None:
        """For a reader, now and then: take the lock if no one holds it; the result is then what the tables hold.

        It becomes the writer by ``accept``.
        """
        if self.role == "writer" or self._lock is not None or time.monotonic() < self._next_lock_try:
            return None
        self._next_lock_try = time.monotonic() + _LOCK_RETRY_SECONDS
        return self._executor.submit(self._take_over)

    def _take_over(self) -> dict[str, StoredFile] | None:
        try:
            self._make_directory()
            if not self._take_lock():
                return None
            self._store = Store(self._directory, self._dimensions)
            self._store.repair()
            return self._store.files()
        except OSError as error:
            self._cannot_use(error)
        except StoreError as error:
            self.problem = str(error)
        return None

    def accept(self) -> None:
        """Be the writer from now on."""
        self.role = "writer"
        self.problem = None

    def _make_directory(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory.chmod(0o700)

    def _cannot_use(self, error: OSError) -> None:
        self.problem = f"the index directory cannot be used: {error.strerror}"

    # --- writing ---

    def put(self, changes: Mapping[str, IndexedFile | None]) -> None:
        """These files' rows shall be these (None: gone). Readers leave that to the writer."""
        if self.role == "writer" or not self._claimed:
            with self._guard:
                self._waiting.update(changes)

    def flush_if_due(self, *, first_index: bool, asked_at: float) -> None:
        """Start writing what waits, unless a batch is under way or was just written.

        During a first index only large batches are written, and then the first one waits for a pause in the questions
        (``asked_at``, on the monotonic clock): importing lancedb takes seconds of the interpreter's time.
        """
        if self.role != "writer":
            if self._claimed:
                self._take_waiting()
            return
        under_way = self._flush is not None and not self._flush.done()
        if under_way or not self._waiting:
            return
        now = time.monotonic()
        if len(self._waiting) < FLUSH_FILES and (
            first_index or now < self._not_before or self._may_wait(now, asked_at)
        ):
            return
        self._flush = self._executor.submit(self._write, self._take_waiting())

    def _may_wait(self, now: float, asked_at: float) -> bool:
        if self._store is not None:
            return False
        if self._held_since is None:
            self._held_since = now
        quiet = now - max(asked_at, self._held_since)
        return quiet < _PAUSE_SECONDS and now - self._held_since < _LONGEST_HOLD_SECONDS

    def _take_waiting(self) -> dict[str, IndexedFile | None]:
        with self._guard:
            batch, self._waiting = self._waiting, {}
        return batch

    def _write(self, batch: dict[str, IndexedFile | None]) -> None:
        try:
            store = self._store = self._store or self._connected()
            store.write(batch, self.version)
        except StoreError as error:
            self.problem = f"{error}; searching goes on from memory"
            log.warning("%s", self.problem)
            self._not_before = time.monotonic() + _RETRY_SECONDS
            with self._guard:
                self._waiting = {**batch, **self._waiting}
            return
        self.problem = None
        self._not_before = time.monotonic() + FLUSH_SECONDS
        self.size_bytes = store.size_bytes()

    def maintain_if_due(self) -> None:
        """Compact the tables if that pays. For a time when nothing else is to be done."""
        store = self._store
        idle = self._flush is None or self._flush.done()
        if store is not None and self.role == "writer" and idle and not self._waiting and store.needs_maintenance():
            self._flush = self._executor.submit(store.maintain)

    def clear(self) -> Future[None]:
        """Forget the persisted rows."""
        self._take_waiting()
        return self._executor.submit(self._clear)

    def _clear(self) -> None:
        if self.role != "writer":
            return
        self._store = None
        remove(self._directory)
        try:
            self._store = Store(self._directory, self._dimensions)
        except StoreError as error:
            self.problem = str(error)

    def close(self, *, write: bool = True) -> None:
        """Write what waits and give up the lock.

        Without ``write``, tables that were not opened yet are not opened for that: a first index that is broken off
        need not keep its user waiting.
        """
        self._executor.submit(self._close, write).result()

    def _close(self, write: bool) -> None:
        if self.role == "writer" and self._waiting and (write or self._store is not None):
            self._write(self._take_waiting())
        self._store = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        self.role = "reader"
