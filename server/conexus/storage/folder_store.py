"""One folder's index on disk: segment files and their manifest, LanceDB's tables, and the lock of their writer.

A start has the index at once with the segment files. The tables hold the same rows for LanceDB's indices and for other
programs. Both can be rebuilt from the files of the workspace, which are the truth.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Literal

from conexus import audit, own_files
from conexus.arrays.file import DamagedFile
from conexus.config import STATIC
from conexus.owned import owned
from conexus.segments.analysis import model_of
from conexus.segments.file import load_segment, save_segment
from conexus.segments.segment import MemorySegment
from conexus.storage import manifest
from conexus.storage.index_directory import (
    DESCRIPTION_FILE,
    LOCK_FILE,
    MANIFEST_FILE,
    Description,
    has_stored_index,
    has_tables,
    mark_used,
    remove_tables,
    size_bytes,
    write_description,
)
from conexus.storage.lance.process import LanceProcess, NeedsMemory
from conexus.storage.lance.requests import CompactTables, LoadRows, OpenTables, StoredRows, TablesState, WriteRows
from conexus.storage.lance.schema import StoredFile
from conexus.storage.lance.tables import StoreError
from conexus.storage.manifest import LoadedSegment, ManifestEntry, segment_path
from conexus.storage.writer_lock import WriterLock

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Save:
    """A segment for the manifest, and the name of the file that it is stored in or is to be written to."""

    segment: MemorySegment
    name: str
    #: Version of everything that made its rows, see ``analysis_version``.
    version: str
    #: Paths of its files that are not live any more.
    hidden: tuple[str, ...] = ()
    #: Whether LanceDB's indices cover its rows.
    indexed: bool = False


@dataclass(frozen=True, slots=True)
class StoreState:
    """The state on disk, as the store thread knows it. Each change makes a new value, so any thread may read it."""

    role: Literal["writer", "reader"] = "reader"
    #: Whether this process has tried to become the writer.
    claimed: bool = False
    #: Why the stored index cannot be kept up to date, in words for the user.
    problem: str | None = None
    size_bytes: int = 0
    #: Segment name -> whether LanceDB's indices cover it, as in the manifest on disk.
    listed: Mapping[str, bool] = field(default_factory=dict)
    #: Names of segment files that were removed when the manifest was written last.
    removed: frozenset[str] = frozenset()
    #: Whether the tables were compared with the searchable index since this process became the writer or last failed to
    #: write.
    compared: bool = False
    #: Number of the tables' versions on disk; share of their rows that were replaced or deleted, 0..1.
    versions: int = 0
    dead: float = 0.0


@owned(shared={"has_process", "is_lost", "lists", "new_name", "path_of", "release", "role"})
class FolderStore:
    """One folder's index on disk. The index directory's store thread owns it.

    Any thread may use the members that are ``shared``. Most of them only read: ``state`` is replaced as a whole, and
    ``directory`` never changes. ``new_name`` advances a counter that nothing else uses, and ``next`` of a counter is
    atomic. ``release`` may be called when there is no store thread any more, so that no other thread uses the lock.

    They raise OSError if the disk fails, StoreError if the tables fail, and ShutDown if the server is shutting down.
    """

    def __init__(
        self,
        directory: Path,
        folder: str,
        version: str,
        dimensions: int,
        process: LanceProcess,
        model: str = STATIC,
    ) -> None:
        """``version``: of everything that makes its rows, see ``analysis_version``.

        ``model``: ``static`` or a fingerprint, as ``index_directory`` got it.
        """
        self.directory = directory
        self.version = version
        self.dimensions = dimensions
        self._folder = folder
        self._description = Description(folder, os.path.realpath(folder), model, version)
        self._process = process
        self._lock = WriterLock(directory)
        self._numbers = count(1)
        #: What is on disk. The store thread replaces it as a whole.
        self.state = StoreState()
        #: Called in the store thread with what the tables hold, whenever ``compare`` opens them.
        self.on_opened: Callable[[Mapping[str, StoredFile]], None] = lambda files: None

    # --- asked in any thread ---

    @property
    def role(self) -> Literal["writer", "reader"]:
        """Role of this process: ``writer`` if it writes the index, else ``reader``."""
        return self.state.role

    @property
    def has_process(self) -> bool:
        """Whether the store process runs, which takes seconds to start."""
        return self._process.running

    def new_name(self) -> str:
        """Returns a name for a segment file that no one else uses."""
        return f"{os.getpid()}-{time.time_ns():x}-{next(self._numbers)}"

    def path_of(self, name: str) -> Path:
        """Returns the path of a segment file of this index."""
        return segment_path(self.directory, name)

    def lists(self, segments: Iterable[tuple[str | None, bool]]) -> bool:
        """Returns whether the manifest on disk names all of these segments.

        ``segments`` are pairs of a segment's name, None if it has none yet, and whether LanceDB's indices cover it.
        """
        listed = self.state.listed
        return all(name is not None and listed.get(name) == indexed for name, indexed in segments)

    def is_lost(self) -> bool:
        """Returns whether someone removed what this process wrote, or the lock, so that another process may write."""
        state = self.state
        if not self._lock.held:
            return False
        if self._lock.is_lost():
            return True
        missing = any(not self.path_of(name).is_file() for name in state.listed)
        missing = missing or (state.compared and not has_tables(self.directory))
        # The store thread may be removing files now. It changes the state before it removes the first one.
        return missing and self.state is state

    # --- opening ---

    def claim(self) -> bool:
        """Becomes the writer if no other process is the writer. Returns whether the index directory can be used."""
        try:
            self._check()
        except OSError as error:
            self._cannot_use(error)
            return False
        else:
            # An index that cannot be written, as in the image of a container, is read all the same.
            with self._problems():
                self._claim()
            return True
        finally:
            self._change(claimed=True)

    def take_over(self) -> None:
        """Becomes the writer if this process is a reader and no other process is the writer any more."""
        with self._problems():
            if self.state.role == "reader" and self._claim():
                self._change(problem=None)

    def _claim(self) -> bool:
        """Becomes the writer if no other process is the writer. Returns whether this process is the writer now."""
        if self.state.role == "reader":
            self._make_directory()
            if self._lock.take():
                self._become_writer()
        return self.state.role == "writer"

    @contextmanager
    def _problems(self) -> Iterator[None]:
        """Records that the index directory cannot be used if what is done inside raises OSError."""
        try:
            yield
        except OSError as error:
            self._cannot_use(error)

    def _cannot_use(self, error: OSError) -> None:
        refused = isinstance(error, own_files.Untrusted)
        is_read = not refused and has_stored_index(self.directory)
        can = "index is read, but it cannot be written" if is_read else "index directory cannot be used"
        problem = f"the {can}: {error.strerror}"
        if refused and problem != self.state.problem:
            audit.record("indexRefused", index=self.directory.name, reason=str(error.strerror))
        self._change(problem=problem)

    def _check(self) -> None:
        """Raises OSError if others may control the index directory or something in it, or if that cannot be known."""
        own_files.check_directories(*self._place)
        with suppress(FileNotFoundError):
            own_files.check_entries(self.directory)

    @property
    def _place(self) -> tuple[Path, str, str]:
        """The data directory, and the names of the directories on the way from it to the index directory."""
        return self.directory.parents[1], self.directory.parent.name, self.directory.name

    def _become_writer(self) -> None:
        is_new = not has_stored_index(self.directory)
        try:
            write_description(self.directory, self._description)
        except OSError:
            self.release()
            raise
        try:
            named = {each.name: each.indexed for each in manifest.read(self.directory)}
            listed = {name: indexed for name, indexed in named.items() if self.path_of(name).is_file()}
        except (OSError, DamagedFile):
            listed = {}
        try:
            manifest.remove_orphans(self.directory, listed.keys())
        except OSError as error:
            log.warning("files that no index uses cannot be removed: %s", error)
        self._change(listed=listed, compared=False, role="writer")
        if is_new:
            audit.record("indexMade", index=self.directory.name)

    def release(self) -> None:
        """Releases the lock, so that another process may write."""
        if self._lock.held:
            mark_used(self.directory)
        self._lock.release()
        self._change(role="reader")

    def load(self) -> list[LoadedSegment]:
        """Loads the stored segments, from the tables if there is no readable manifest; none if the tables fail, too."""
        try:
            loaded = self._fitting(manifest.load(self.directory))
        except FileNotFoundError:
            loaded = self._load_tables()
        except (OSError, DamagedFile) as error:
            log.warning("%s; the index is loaded from its tables", error)
            audit.record("indexRebuilt", index=self.directory.name, reason="segment files cannot be read")
            loaded = self._load_tables()
        self._change(size_bytes=size_bytes(self.directory))
        return loaded

    def _fitting(self, loaded: Iterable[LoadedSegment]) -> list[LoadedSegment]:
        """Returns the segments whose vectors can be compared with those of their model, or at least with each other."""
        dimensions = {model_of(self.version): self.dimensions}
        return [
            each
            for each in loaded
            if each.segment.vectors.shape[1] == dimensions.setdefault(each.segment.model, each.segment.vectors.shape[1])
        ]

    def _load_tables(self) -> list[LoadedSegment]:
        if not has_tables(self.directory):
            return []
        try:
            loaded = []
            for each in self._process.ask(LoadRows(self.directory, self.dimensions)):
                # The rows may be of anyone's making.
                segment, _ = load_segment(self.path_of(each.name), verify=True)
                loaded.append(LoadedSegment(segment, each.name, tuple(range(len(segment.files))), each.version))
        except (StoreError, OSError, DamagedFile) as error:
            log.warning("%s; it is rebuilt", error)
            if self.state.role == "writer" and not isinstance(error, NeedsMemory):
                remove_tables(self.directory)
            return []
        return loaded

    def _make_directory(self) -> None:
        own_files.make_directories(*self._place)
        own_files.check_entries(self.directory)
        for name in (LOCK_FILE, DESCRIPTION_FILE, MANIFEST_FILE):
            path = self.directory / name
            if path.exists() and not own_files.is_regular(path):
                own_files.remove(path)

    # --- writing ---

    def write_list(self, saves: Sequence[Save], seen: frozenset[str]) -> None:
        """Writes segments that have no file yet, and the manifest; removes files of ``seen`` that it does not name."""
        self._make_directory()
        for each in saves:
            if not self.path_of(each.name).is_file():
                save_segment(self.path_of(each.name), each.segment, each.version)
        manifest.write(self.directory, [ManifestEntry(each.name, each.hidden, each.indexed) for each in saves])
        listed = {each.name: each.indexed for each in saves}
        self._change(listed=listed)
        # These segments were merged into others, or none of their files is live any more.
        unused = seen - listed.keys()
        for name in unused:
            manifest.remove_file(self.path_of(name))
        self._change(removed=unused, size_bytes=size_bytes(self.directory))

    def remove_unlisted(self, names: Iterable[str]) -> None:
        """Removes the segment files among ``names`` that this process wrote and the manifest does not name."""
        try:
            # Another process may be the writer by now, and name segment files that this one wrote.
            listed = {each.name for each in manifest.read(self.directory)}
        except FileNotFoundError:
            listed = set()
        except (OSError, DamagedFile):
            return
        own = f"{os.getpid()}-"
        for name in names:
            if name.startswith(own) and name not in listed:
                manifest.remove_segment(self.path_of(name))

    def write_rows(self, rows: tuple[StoredRows, ...], gone: tuple[str, ...]) -> None:
        """Replaces the rows of these files in the tables, and deletes the rows of files that are ``gone``."""
        request = WriteRows(self.directory, self.dimensions, self._folder, rows, gone, self.version)
        self._set_tables_state(self._process.ask(request))

    def compare(self) -> None:
        """Opens the tables, unless they were compared, and passes what they hold to ``on_opened`` to be compared.

        Tables that cannot be opened are removed and created again.
        """
        if self.state.compared:
            return
        self._make_directory()
        request = OpenTables(self.directory, self.dimensions)
        try:
            opened = self._process.ask(request)
        except NeedsMemory:
            raise
        except StoreError as error:
            log.warning("%s; the tables are rebuilt", error)
            audit.record("indexRebuilt", index=self.directory.name, reason="tables cannot be opened")
            self._process.close_tables(self.directory)
            remove_tables(self.directory)
            opened = self._process.ask(request)
        self._change(compared=True, size_bytes=opened.size_bytes)
        self.on_opened(opened.files)

    def compact_tables(self, keep_seconds: float) -> None:
        """Compacts the tables and drops versions older than ``keep_seconds``."""
        self._set_tables_state(self._process.ask(CompactTables(self.directory, self.dimensions, keep_seconds)))

    def _set_tables_state(self, tables: TablesState) -> None:
        self._change(size_bytes=tables.size_bytes, versions=tables.versions, dead=tables.dead)

    def begin_anew(self) -> None:
        """Forgets what was stored and releases the lock, so that the next writer stores everything."""
        log.warning("files of the index are gone; it is stored again")
        audit.record("indexRebuilt", index=self.directory.name, reason="files are gone")
        self._change(listed={}, compared=False)
        self._process.close_tables(self.directory)
        self.release()

    def fail(self, problem: str) -> None:
        """Records that writing failed: what the tables hold is unknown from then on."""
        self._change(problem=problem, compared=False)

    def succeed(self) -> None:
        """Records that writing succeeded."""
        if self.state.problem is not None:
            self._change(problem=None)

    def _change(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)

    def clear(self) -> None:
        """Removes the tables, and forgets which segment files the manifest names, if this process is the writer.

        The manifest and the segment files stay on disk until ``write_list`` replaces the manifest.
        """
        if self.state.role == "writer":
            # First, so that ``is_lost`` takes none of what is removed for lost.
            self._change(listed={}, compared=False)
            self._process.close_tables(self.directory)
            remove_tables(self.directory)
