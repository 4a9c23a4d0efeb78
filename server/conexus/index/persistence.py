"""Write-behind: keeps one folder's stored index in step with what is searchable, in a thread of its own.

There are two forms of it: segment files, with which a start has the index at once, and LanceDB's tables.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from conexus.array_file import DamagedFile
from conexus.index import manifest, writer_lock
from conexus.index.columns import StoredFile
from conexus.index.folder import Part
from conexus.index.manifest import Listed, LoadedSegment, segment_path
from conexus.index.segment import MemorySegment
from conexus.index.segment_file import load_segment, save_segment
from conexus.index.store import KEEP_SECONDS, StoreError, exist, remove
from conexus.index.store_process import Abandoned, StoredRows, Tables, Written
from conexus.index.writer_lock import WriterLock

#: Seconds between two batches: each makes a new version of the tables.
FLUSH_SECONDS = 2.0
#: Files that are handed to the tables at once: with twice as many their process takes a third more memory.
FLUSH_FILES = 250
#: Seconds between two lists of segments.
LIST_SECONDS = 5.0
#: Versions of the tables that are worth compacting them when nothing else is to be done, and at any time: each takes
#: files, and is longer than the one before.
_MANY_VERSIONS, _MOST_VERSIONS = 40, 80
#: The share of dead rows that is worth it when nothing else is to be done.
_MOST_DEAD = 0.1
#: Seconds between two times that the tables are compacted, at least.
MAINTENANCE_SECONDS = 10.0
#: How long writing rests after it failed, in seconds: each time twice as long.
_FIRST_REST_SECONDS, _LONGEST_REST_SECONDS = 1.0, 30.0
_PAUSE_SECONDS, _LONGEST_HOLD_SECONDS = 2.0, 30.0
_LOCK_RETRY_SECONDS = 1.0

log = logging.getLogger(__name__)

#: Where files are: the segment and the number in it; None for a file that is gone. One that is not to be stored as it
#: is searchable now is left out.
Places = Mapping[str, tuple[MemorySegment, int] | None]
#: Gives the places of files, when they are about to be written.
Locate = Callable[[Iterable[str]], Places]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was stored when the index was opened."""

    segments: list[LoadedSegment]


class Persistence:
    """One folder's stored index.

    Its methods belong to the indexer's thread and return at once, except ``close``; the work is done by ``executor``'s
    thread, and the tables by ``tables``' process.
    """

    def __init__(
        self,
        directory: Path,
        folder: str,
        version: str,
        dimensions: int,
        executor: ThreadPoolExecutor,
        tables: Tables,
    ) -> None:
        self.directory = directory
        self._folder = folder
        self.version = version
        self.dimensions = dimensions
        self._executor = executor
        self._tables = tables
        self._lock = WriterLock(directory)
        #: Paths alone: what waits keeps no segment from being freed that something newer has replaced.
        self._waiting: dict[str, None] = {}
        self._guard = threading.Lock()
        self._work: Future[None] | None = None
        #: When writing may go on, on the monotonic clock, and how long it rested last.
        self._not_before, self._rest = 0.0, 0.0
        self._next_lock_try = 0.0
        self._next_list = 0.0
        self._next_look = 0.0
        self._held_since = 0.0
        self._claimed = False
        #: Whether the tables were compared with what is searchable since this process writes them.
        self._compared = False
        #: Versions of the tables that lie on disk, and the share of their rows that was replaced or deleted.
        self._versions = 0
        self._dead = 0.0
        #: Whether compacting left what can be dropped a while later.
        self._again = False
        self._written_at = self._maintained_at = -math.inf
        #: The segment files that the list names, and whether it says that LanceDB's indices know their rows.
        self._listed: Mapping[str, bool] = {}
        #: Names of segment files that were part of the index while this process wrote it; and those removed since.
        self._seen: frozenset[str] = frozenset()
        self._removed: frozenset[str] = frozenset()
        self._counter = 0
        self.role: Literal["writer", "reader"] = "reader"
        #: Why the stored index is not kept in step, in words for the user.
        self.problem: str | None = None
        self.size_bytes = 0
        #: Told what the tables hold when they are opened for the first time; called from the executor's thread.
        self.on_opened: Callable[[Mapping[str, StoredFile]], None] = lambda files: None
        #: Told when a piece of writing is done, so that the next one can begin; from the executor's thread.
        self.on_done: Callable[[], None] = lambda: None

    @property
    def exists(self) -> bool:
        """Whether there is anything to load, so that a first answer is worth waiting for it."""
        return manifest.exists(self.directory) or exist(self.directory)

    @property
    def busy(self) -> bool:
        """Whether something is being written."""
        return self._work is not None and not self._work.done()

    @property
    def writes(self) -> bool:
        """Whether something is being written, or will be next."""
        return self.busy or (self.role == "writer" and bool(self._waiting) and self.problem is None)

    def in_step(self, base: Sequence[Part]) -> bool:
        """Whether all is stored that the writer should store; ``base``: the segments as they are now."""
        if self.role != "writer":
            return self._claimed
        return not (self._waiting or self.busy or self._has_unlisted(base)) and self._compared

    def new_name(self) -> str:
        """A name for a segment file that no one else uses."""
        self._counter += 1
        return f"{os.getpid()}-{time.time_ns():x}-{self._counter}"

    def path_of(self, name: str) -> Path:
        """Where a segment file of this index lies."""
        return segment_path(self.directory, name)

    # --- opening ---

    def claim(self) -> None:
        """Take the lock if it is free."""
        self._executor.submit(self._claim)

    def open(self) -> Future[Loaded]:
        """Take the lock if it is free, and load what is stored. Empty where nothing can be had."""
        return self._executor.submit(self._open)

    def _claim(self) -> bool:
        try:
            self._make_directory()
            if self._lock.take():
                self._become_writer()
        except OSError as error:
            self._cannot_use(error)
            return False
        finally:
            self._claimed = True
        return True

    def _become_writer(self) -> None:
        try:
            description = json.dumps({"folder": self._folder, "version": self.version})
            (self.directory / "folder.json").write_text(description, encoding="utf-8", errors="replace")
        except OSError:
            self._release()
            raise
        try:
            named = {each.name: each.indexed for each in manifest.read(self.directory)}
            listed = {name: indexed for name, indexed in named.items() if self.path_of(name).is_file()}
        except (OSError, DamagedFile):
            listed = {}
        manifest.sweep(self.directory, listed.keys())
        self._listed = listed
        self._compared = False
        self.role = "writer"

    def _open(self) -> Loaded:
        try:
            return Loaded(self._load() if self._claim() else [])
        except Abandoned:
            return Loaded([])
        except Exception:
            # Whatever it is that is stored there, the files of the workspace are the truth.
            log.exception("the stored index cannot be loaded; it is built anew")
            return Loaded([])

    def _load(self) -> list[LoadedSegment]:
        try:
            loaded = manifest.load(self.directory)
        except FileNotFoundError:
            loaded = self._load_tables()
        except (OSError, DamagedFile) as error:
            log.warning("%s; the index is loaded from its tables", error)
            loaded = self._load_tables()
        self.size_bytes = _size(self.directory)
        return loaded

    def _load_tables(self) -> list[LoadedSegment]:
        if not exist(self.directory):
            return []
        try:
            loaded = []
            for path, version in self._tables.load(self.directory, self.dimensions, self.directory):
                segment, _ = load_segment(path, verify=False)
                name = path.name.removesuffix(path.suffix)
                loaded.append(LoadedSegment(segment, name, tuple(range(len(segment.files))), version))
        except (StoreError, OSError, DamagedFile) as error:
            log.warning("%s; it is built anew", error)
            if self.role == "writer":
                remove(self.directory)
            return []
        return loaded

    def _release(self) -> None:
        self._lock.release()
        self.role = "reader"

    def take_over_if_due(self) -> None:
        """For a reader, now and then: become the writer if no one holds the lock."""
        if self.role == "reader" and self._claimed and time.monotonic() >= self._next_lock_try:
            self._next_lock_try = time.monotonic() + _LOCK_RETRY_SECONDS
            self._executor.submit(self._take_over)

    def _take_over(self) -> None:
        if self.role == "writer":
            return
        try:
            self._make_directory()
            if self._lock.take():
                self._become_writer()
                self.problem = None
        except OSError as error:
            self._cannot_use(error)

    def _make_directory(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory.chmod(0o700)
        for name in (writer_lock.NAME, "folder.json", manifest.LIST):
            if (self.directory / name).is_dir():
                shutil.rmtree(self.directory / name)

    def _cannot_use(self, error: OSError) -> None:
        self.problem = f"the index directory cannot be used: {error.strerror}"

    # --- writing ---

    def put(self, paths: Iterable[str]) -> None:
        """The stored rows of these files shall be those that are searchable. Readers leave that to the writer."""
        if self.role == "writer" or not self._claimed:
            with self._guard:
                self._waiting.update(dict.fromkeys(paths))

    def should_wait(self, now: float, asked_at: float) -> bool:
        """Whether what waits to be written is to wait on, for a user is asking: not for ever.

        Both on the monotonic clock, in seconds.
        """
        if not self._waiting:
            self._held_since = now
        return now - asked_at < _PAUSE_SECONDS and now - self._held_since < _LONGEST_HOLD_SECONDS

    def flush_if_due(self, base: Sequence[Part], locate: Locate, *, hold: bool, idle: bool) -> None:
        """Start writing what waits, unless something is being written or was just written.

        ``base``: the segments as they are now; ``locate`` is called at once, if at all. With ``hold`` the tables wait
        and segment files alone are written, which have all that a killed process would lose. When ``idle``, the tables
        are opened and compared with what is searchable, once.
        """
        if self.role != "writer":
            if self._claimed:
                self._take_waiting()
            return
        now = time.monotonic()
        if now >= self._next_look and not self.busy:
            self._next_look = now + LIST_SECONDS
            if self._is_lost():
                self._begin(self._begin_anew)
        self._seen = (self._seen - self._removed) | {part.name for part in base if part.name is not None}
        if self.busy or now < self._not_before:
            return
        if now >= self._next_list and self._has_unlisted(base):
            self._next_list = now + LIST_SECONDS
            self._begin(self._list, *_described(base), self._seen)
        elif not hold and (self._waiting or (idle and not self._compared)):
            self._begin(self._write, locate(self._take_waiting(FLUSH_FILES)))

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        self._work = self._executor.submit(self._guarded, work, *arguments)
        self._work.add_done_callback(lambda _: self.on_done())

    def _is_lost(self) -> bool:
        """Whether someone else removed what this process wrote, or the lock, so that another may write too."""
        if not self._lock.held:
            return False
        if self._lock.is_lost():
            return True
        missing = any(not self.path_of(name).is_file() for name in self._listed)
        return missing or (self._compared and not exist(self.directory))

    def _begin_anew(self) -> None:
        """Forget what was stored, and let the lock go, so that whoever takes it stores everything."""
        log.warning("files of the index are gone; it is stored again")
        self._tables.forget(self.directory)
        self._listed = {}
        self._compared = False
        self._release()
        self._next_lock_try = 0.0

    def _has_unlisted(self, base: Sequence[Part]) -> bool:
        return any(part.name is None or self._listed.get(part.name) != part.indexed for part in base)

    def _take_waiting(self, most: int | None = None) -> Sequence[str]:
        with self._guard:
            batch = list(islice(self._waiting, most))
            self._waiting = dict.fromkeys(islice(self._waiting, len(batch), None))
        return batch

    def _guarded(self, work: Callable[..., None], *arguments: object) -> None:
        """Do a piece of work. If it fails, that is said, and it is tried again a little later."""
        try:
            work(*arguments)
        except (StoreError, OSError) as error:
            reason = f"the index cannot be written: {error.strerror}" if isinstance(error, OSError) else str(error)
            self.problem = f"{reason}; searching goes on from memory"
            log.warning("%s", self.problem)
            self._rest_a_while()
            self._next_list = 0.0
            self._compared = False
        except Abandoned:
            log.debug("the server ends before its tables were opened")
        except Exception:
            log.exception("the index could not be stored")
            self._rest_a_while()
        else:
            self.problem = None
            self._rest = 0.0

    def _rest_a_while(self) -> None:
        self._rest = min(max(2 * self._rest, _FIRST_REST_SECONDS), _LONGEST_REST_SECONDS)
        self._not_before = time.monotonic() + self._rest

    def _list(self, parts: Sequence[Part], listed: Sequence[Listed], seen: frozenset[str]) -> None:
        """Write the segments that lie in no file yet, and the list of all; remove those of ``seen`` that it lacks."""
        self._make_directory()
        names = []
        for part, each in zip(parts, listed, strict=True):
            if part.name is None or not segment_path(self.directory, part.name).is_file():
                name = self.new_name()
                save_segment(segment_path(self.directory, name), part.segment, part.version or self.version)
                part.name = name
            names.append(Listed(part.name, each.hidden, each.indexed))
        manifest.write(self.directory, names)
        self._listed = {each.name: each.indexed for each in names}
        self._remove_unused(seen)
        self.size_bytes = _size(self.directory)

    def _remove_unused(self, seen: frozenset[str]) -> None:
        """Remove segment files that were merged into others or have no file left that counts."""
        unused = seen - self._listed.keys()
        for name in unused:
            manifest.remove(self.path_of(name))
        self._removed = unused

    def _write(self, batch: Places) -> None:
        try:
            self._compare()
            if batch:
                rows, gone = _grouped(batch)
                self._count(self._tables.write(self.directory, self.dimensions, self._folder, rows, gone, self.version))
        except StoreError:
            with self._guard:
                self._waiting = {**dict.fromkeys(batch), **self._waiting}
            raise
        self._written_at = time.monotonic()
        if not self._waiting:
            self._not_before = self._written_at + FLUSH_SECONDS

    def _compare(self) -> None:
        """Open the tables; what they hold is compared with what is searchable, by the indexer's thread."""
        if self._compared:
            return
        self._make_directory()
        try:
            opened = self._tables.open(self.directory, self.dimensions, repair=True)
        except StoreError as error:
            log.warning("%s; the tables are built anew", error)
            self._tables.forget(self.directory)
            remove(self.directory)
            opened = self._tables.open(self.directory, self.dimensions, repair=True)
        self._compared = True
        self.size_bytes = opened.size_bytes
        self.on_opened(opened.files)

    def _count(self, written: Written) -> None:
        self.size_bytes = written.size_bytes
        self._versions = written.versions
        self._dead = written.dead

    def maintain_if_due(self, *, quiet: bool) -> None:
        """Compact the tables if that pays; sooner when it is ``quiet``, that is, when nothing else is to be done."""
        now = time.monotonic()
        at_rest = quiet and not self._waiting
        many = self._versions >= (_MANY_VERSIONS if at_rest else _MOST_VERSIONS)
        pays = self._written_at > self._maintained_at and (many or (at_rest and self._dead > _MOST_DEAD))
        again = quiet and self._again and now > self._maintained_at + KEEP_SECONDS
        if self.role == "writer" and not self.busy and (pays or again) and now >= self._not_before:
            # Versions of the last moments are kept, and compacting makes one that has all the old files.
            self._again = pays
            self._begin(self._maintain)

    def _maintain(self) -> None:
        self._count(self._tables.maintain(self.directory, self.dimensions, KEEP_SECONDS))
        self._maintained_at = time.monotonic()
        self._not_before = self._maintained_at + MAINTENANCE_SECONDS

    def clear(self) -> Future[None]:
        """Forget what is stored."""
        self._take_waiting()
        return self._executor.submit(self._clear)

    def _clear(self) -> None:
        if self.role == "writer":
            self._tables.forget(self.directory)
            remove(self.directory)
            self._compared = False
            self._listed = {}

    def close(self, base: Sequence[Part], locate: Locate) -> None:
        """Write what waits and give up the lock.

        The process of the tables is not started for that, which takes seconds: the next start compares them.
        """
        self._executor.submit(self._close, *_described(base), locate(self._take_waiting())).result()

    def _close(self, parts: Sequence[Part], listed: Sequence[Listed], batch: Places) -> None:
        if self.role == "writer":
            self._guarded(self._list, parts, listed, self._seen)
            if batch and self._tables.running:
                self._guarded(self._write, batch)
        own = f"{os.getpid()}-"
        for part in parts:
            if part.name is not None and part.name.startswith(own) and part.name not in self._listed:
                manifest.remove(segment_path(self.directory, part.name))
        self._release()


def _described(base: Sequence[Part]) -> tuple[Sequence[Part], Sequence[Listed]]:
    """The segments, and which of their files count now; names are not known for all."""
    hidden = (
        tuple(facts.path for number, facts in enumerate(part.segment.files) if number not in part.files)
        if len(part.files) < len(part.segment.files)
        else ()
        for part in base
    )
    return tuple(base), [Listed(part.name or "", paths, part.indexed) for part, paths in zip(base, hidden, strict=True)]


def _grouped(batch: Places) -> tuple[tuple[StoredRows, ...], tuple[str, ...]]:
    """The files of a batch by their segments, and what is gone."""
    segments: dict[MemorySegment | Path, list[int]] = {}
    for place in batch.values():
        if place is not None:
            segment, number = place
            segments.setdefault(segment.path or segment, []).append(number)
    rows = tuple(StoredRows(segment, tuple(sorted(numbers))) for segment, numbers in segments.items())
    return rows, tuple(path for path, place in batch.items() if place is None)


def _size(directory: Path) -> int:
    size = 0
    for path in directory.rglob("*"):
        try:
            size += path.stat().st_size
        except OSError:
            continue
    return size
