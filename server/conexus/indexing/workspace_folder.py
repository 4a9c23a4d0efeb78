"""One workspace folder as the indexer keeps it: what is searchable, what is stored, what differs from the disk."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from conexus import limits
from conexus.config import STATIC, Settings
from conexus.embedding.embedder import Embedder
from conexus.embedding.unit_vectors import Vectors
from conexus.indexing.folder_budget import BEYOND_CHUNKS, BEYOND_SIZE, within_size
from conexus.indexing.folder_index import FolderIndex
from conexus.indexing.worker_tasks import QUARANTINE, FileBounds, Job, Outcome, Read, read_and_analyse
from conexus.indexing.write_behind import Places, StoreThreads, WriteBehind
from conexus.limits import Limit
from conexus.owned import owned
from conexus.segments.analysis import IndexedFile, analysis_version
from conexus.segments.file import load_segment
from conexus.segments.segment import MemorySegment
from conexus.segments.snapshot import Fresh
from conexus.storage.folder_store import FolderStore
from conexus.storage.index_directory import index_directory
from conexus.storage.lance.process import LanceProcess
from conexus.storage.lance.schema import StoredFile
from conexus.storage.manifest import LoadedSegment, remove_segment
from conexus.workspace.ignore import TOO_DEEP, IgnoreRules
from conexus.workspace.inside import Inside
from conexus.workspace.paths import relative_path
from conexus.workspace.read import TOO_LARGE, VANISHED, Skipped, read_text, state_of
from conexus.workspace.scan import Entry, Scan
from conexus.workspace.secret_files import MAY_HOLD_SECRETS, SECRETS_VERSION, is_data

#: The limits that make a scan leave files out, by reason.
_LIMITS_OF_SCANS = {BEYOND_SIZE: Limit.FOLDER_SIZE, TOO_DEEP: Limit.DEPTH, TOO_LARGE: Limit.FILE_SIZE}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that could not be indexed, and its state on disk at that moment."""

    reason: str
    size: int
    mtime_ns: int
    #: Number of its chunks, if it was left out for them.
    chunks: int = 0


class LeftOutFiles:
    """Files that were left out when they were read, by path, and their number by reason."""

    def __init__(self) -> None:
        self._files: dict[str, LeftOut] = {}
        #: Paths of the files that are left out because the folder has too many chunks.
        self.beyond_chunks: dict[str, int] = {}
        #: Paths of the files that made a worker fail, or needed too much memory.
        self.quarantined: dict[str, None] = {}
        self.by_reason: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._files)

    def get(self, path: str) -> LeftOut | None:
        """Returns why and in which state a file was left out; None if it was not."""
        return self._files.get(path)

    def drop_reason(self, reason: str) -> None:
        """Drops the paths that were left out for a reason."""
        self.drop_if(lambda path: self._files[path].reason == reason)

    def put(self, path: str, left_out: LeftOut) -> None:
        """Adds a file that was left out, or replaces what is known of it."""
        self.drop(path)
        self._files[path] = left_out
        self.by_reason[left_out.reason] += 1
        if left_out.reason in QUARANTINE:
            self.quarantined[path] = None
        elif left_out.reason == BEYOND_CHUNKS:
            self.beyond_chunks[path] = left_out.chunks

    def take_quarantined(self, other: LeftOutFiles) -> None:
        """Adds the quarantined files of another index of the same folder."""
        for path in other.quarantined:
            self.put(path, other._files[path])

    def drop(self, path: str) -> None:
        """Drops a path; does nothing for one that is not left out."""
        left_out = self._files.pop(path, None)
        if left_out is not None:
            self.by_reason[left_out.reason] -= 1
            self.quarantined.pop(path, None)
            self.beyond_chunks.pop(path, None)

    def drop_if(self, condition: Callable[[str], bool]) -> None:
        """Drops the paths for which a condition holds."""
        for path in [path for path in self._files if condition(path)]:
            self.drop(path)


@owned(shared={"absolute", "allows", "relative", "settled"})
@dataclass(slots=True, eq=False, weakref_slot=True)
class WorkspaceFolder:
    """A workspace folder and its index. The indexer thread owns it.

    Paths are relative to ``root``, with ``/``, unless stated otherwise.
    """

    root: str
    settings: Settings
    embedder: Embedder
    index: FolderIndex
    rules: IgnoreRules
    stored: FolderStore
    write_behind: WriteBehind
    data_directory: Path
    #: Number of files that the latest scan left out, by reason; files that were left out when they were read.
    scan_skipped: dict[str, int] = field(default_factory=dict)
    left_out: LeftOutFiles = field(default_factory=LeftOutFiles)
    #: Files whose rows must be rebuilt although the file did not change.
    stale: set[str] = field(default_factory=set)
    #: Whether what was stored is searchable, or nothing was stored.
    loaded: bool = False
    #: Bytes that further files may have together before the folder is scanned and the largest files are left out.
    room: int = 1 << 62
    #: What ``keep_within`` depends on, as of its latest call.
    _kept: tuple[int, int, int] = (0, 0, 0)
    #: Whether the first comparison with the disk is done: every file was checked once.
    complete: bool = False
    #: Whether many files were read just now and their segments are still to be merged.
    finishing: bool = False
    #: Why the folder is not indexed, in words for the user.
    refused: str | None = None
    total_files: int = 0
    #: Number of chunks that the embedder was asked to embed since the folder was opened.
    embedded: int = 0
    #: When the folder is scanned next, in seconds on the monotonic clock; 0: at once. While it is scanned: 0 if it is
    #: to be scanned once more, else inf.
    scan_due: float = 0.0
    #: Seconds from the end of the latest scan to the next one.
    scan_interval: float = 0.0
    #: Whether the base holds what was stored, if anything was.
    adopted: bool = False
    #: Whether everything was dropped since the folder was opened: what was stored before is not loaded any more.
    is_new: bool = False
    #: Whether the index directory was opened before by this engine.
    reopened: bool = False

    @property
    def name(self) -> str:
        """The name of the index directory, which names the folder in the audit log."""
        return self.stored.directory.name

    @property
    def settled(self) -> bool:
        """Whether no more changes are expected, except changes that hints announce."""
        return self.complete or self.refused is not None

    def relative(self, path: str) -> str | None:
        """Returns the relative path of an absolute path, empty for the root; None if the path is not below the root."""
        return relative_path(self.root, path)

    def absolute(self, path: str) -> str:
        """Returns the absolute path of a file of this folder."""
        return str(Path(self.root, path))

    def configure(self, settings: Settings) -> None:
        """Applies settings. A scan brings the index in line with them."""
        if settings.index_secrets != self.settings.index_secrets:
            # Files of data are read again, because only their content tells whether they hold secrets.
            self.stale.update(path for path in self.index.paths() if is_data(path, self._language(path)))
            self.left_out.drop_reason(MAY_HOLD_SECRETS)
            self.stored.version = _version(self.embedder, settings)
        if settings.max_file_chunks != self.settings.max_file_chunks:
            self.renew("")  # which files are cut into runs of lines is not known
        self.settings = settings
        self.rules = _rules(self.root, settings, self.data_directory)

    def _language(self, path: str) -> str:
        facts = self.index.facts(path)
        return "" if facts is None else facts.language

    @property
    def bounds(self) -> FileBounds:
        """How large a file may be."""
        return FileBounds(self.settings.max_file_bytes, self.settings.max_file_chunks, self.settings.index_secrets)

    def size_of(self, path: str) -> int:
        """Returns the size of a file on disk in bytes; 0 if there is none."""
        facts = self._facts(path)
        return 0 if facts is None else facts.st_size

    @property
    def wants_watcher(self) -> bool:
        """Whether the server's own watcher should watch the folder."""
        return self.settings.watcher in {"auto", "server"} and self.refused is None

    def close(self) -> None:
        """Has the store thread write what waits and release the lock. Returns at once."""
        self.index.flush_overlay(small=True)
        self.write_behind.close(self.index.base, self._to_store, whole=self.adopted)

    def store_if_due(self, *, hold: bool, idle: bool) -> None:
        """Starts writing what waits. ``hold`` and ``idle`` as in ``WriteBehind.flush_if_due``."""
        self.write_behind.flush_if_due(self.index.base, self._to_store, hold=hold, idle=idle)

    def _to_store(self, paths: Iterable[str]) -> Places:
        return {path: self.index.located(path) if self.index.facts(path) is not None else None for path in paths}

    def load(self, loaded: Iterable[LoadedSegment]) -> None:
        """Adds what was stored to the index. Rows that were made by another version are to be rebuilt."""
        self.adopted = True
        for each in loaded:
            if each.name is not None:
                self.write_behind.add_segment(each.name)
        for each in () if self.is_new else loaded:
            present = each.version == self.stored.version
            version = None if present else each.version
            self.index.adopt(each.segment, each.name, each.files, version, indexed=each.indexed and present)
            if not present:
                self.stale.update(each.segment.files[number].path for number in each.files)
        # They were stored with another ``max_file_chunks``.
        most = self.settings.max_file_chunks
        self.stale.update(path for path in self.index.paths() if self.index.rows_of(path) > most)

    def make_anew(self) -> None:
        """Drops everything that is searchable and stored. The next scan has every file read; no vector is reused."""
        self.index = FolderIndex(self.root, self.embedder.fingerprint, self.embedder.dimensions)
        self.write_behind.clear()
        self.is_new = True
        self.left_out = LeftOutFiles()
        self.stale.clear()
        self.complete = self.finishing = False
        self.scan_due = 0.0

    def renew(self, path: str) -> None:
        """Has the rows of all files at or below a path rebuilt when the files are next refreshed."""
        self.stale.update(self.index.below(path))
        below = f"{path}/" if path else ""
        self.left_out.drop_if(lambda each: each == path or each.startswith(below))

    def compare(self, rows: Mapping[str, StoredFile]) -> None:
        """Has the tables brought in line with the searchable index. ``rows``: what the tables hold, by path."""
        version = self.stored.version
        changed = [path for path in rows if self.index.facts(path) is None]
        for path in self.index.paths():
            segment, number = self.index.located(path)
            there = rows.get(path)
            same = (
                there is not None
                and there.facts == segment.files[number]
                and (there.version, there.chunks) == (version, len(segment.file_rows(number)))
            )
            # Files that are out of date are rebuilt and stored then.
            if not same and path not in self.stale:
                changed.append(path)
                self.index.not_indexed(path)
        self.write_behind.put_differing(changed)

    def allows(self, path: str, is_directory: bool) -> bool:
        """Returns whether the present ignore rules let a path in."""
        return self.rules.allows(path, is_directory)

    def skipped(self) -> dict[str, int]:
        """Returns the number of files left out, by reason."""
        counts = Counter(self.scan_skipped)
        counts.update(self.left_out.by_reason)
        return {reason: count for reason, count in counts.items() if count}

    def differences(self, found: Scan, below: str = "") -> tuple[list[str], list[str]]:
        """Returns the paths to read again, newest first, and the paths that are gone, after a scan ``below`` a path.

        After a scan of the whole folder, also updates what is known of files that were left out.
        """
        changed: list[tuple[int, str]] = []
        present = set()
        entries: Sequence[Entry] = found.entries
        most, beyond = self.settings.max_folder_mib << 20, 0
        if not below:
            entries, beyond = within_size(found.entries, most)
            self.room = most - sum(entry.size for entry in entries)
        for entry in entries:
            if below and self._is_beyond(entry.path, entry.size):
                continue
            present.add(entry.path)
            known = self.index.facts(entry.path) or self.left_out.get(entry.path)
            same = known is not None and (known.size, known.mtime_ns) == (entry.size, entry.mtime_ns)
            if not same or entry.path in self.stale:
                changed.append((-entry.mtime_ns, entry.path))
        gone = [path for path in self.index.below(below) if path not in present]
        if not below:
            skipped = {**found.skipped, BEYOND_SIZE: beyond}
            for reason, limit in _LIMITS_OF_SCANS.items():
                limits.hit(limit, max(0, skipped.get(reason, 0) - self.scan_skipped.get(reason, 0)))
            self.left_out.drop_if(lambda path: path not in present)
            self.scan_skipped = skipped
            self.total_files = len(entries)
        return [path for _, path in sorted(changed)], gone

    def _is_beyond(self, path: str, size: int) -> bool:
        """Returns whether a file that no scan has seen makes the folder too large. Then a scan chooses the files."""
        if self.index.facts(path) is None and self.left_out.get(path) is None:
            self.room -= size
            if self.room < 0:
                self.scan_due = 0.0
                return True
        return False

    def keep_within(self, *, last: bool) -> list[str]:
        """Leaves files out if the folder has too many chunks, those with the most chunks first.

        The others and the smallest of these files have too many chunks together, so which files are left out depends
        on nothing but the files. ``last``: whether no more files are expected now; else a tenth more is kept, because
        choosing takes time. Returns the files that were left out before and are to be read again.
        """
        most, out = self.settings.max_folder_chunks, self.left_out.beyond_chunks
        state = (self.index.changes, len(out), most)
        if last and state == self._kept:
            return []
        if self.index.chunks > (most if last else most + most // 10):
            ordered = sorted((self.index.rows_of(path), path) for path in self.index.paths())
            while self.index.chunks > most:
                chunks, path = ordered.pop()
                facts = self.index.facts(path)
                self.remove([path])
                if facts is not None:
                    limits.hit(Limit.CHUNKS_OF_FOLDER)
                    self.left_out.put(path, LeftOut(BEYOND_CHUNKS, facts.size, facts.mtime_ns, chunks))
        again: list[str] = []
        if last and out:
            room = most - self.index.chunks
            for chunks, path in sorted((chunks, path) for path, chunks in out.items()):
                room -= chunks
                if room < 0:
                    break
                again.append(path)
            for path in again:
                self.left_out.drop(path)
        self._kept = (self.index.changes, len(out), most)
        return again

    def differs(self, path: str) -> bool:
        """Returns whether a file differs from its known state, or is not let in by the ignore rules."""
        known = self.index.facts(path) or self.left_out.get(path)
        state = None if known is None else (known.size, known.mtime_ns)
        return state != self._state(path) or not self.allows(path, is_directory=False)

    def _state(self, path: str) -> tuple[int, int] | None:
        """Returns the size in bytes and the time of a file; None if it does not exist."""
        return _state_of(self._facts(path))

    def _facts(self, path: str) -> os.stat_result | None:
        """Returns the state of a path itself on disk, without following a link; None if nothing is there."""
        return state_of(self.root, path)

    # --- changing ---

    def refresh(
        self, path: str, *, defer: bool = False, scanned: bool = False, known: Mapping[int, Vectors] | None = None
    ) -> list[str] | None:
        """Brings the rows of a path in line with the disk. Returns None for a directory, which must be scanned.

        Otherwise returns the files that are still to be read: with ``defer``, the file itself if it changed.
        ``scanned``: whether a scan of the folder has found the file. ``known``: vectors by digest that need not be made
        again.
        """
        facts = self._facts(path)
        mode = 0 if facts is None else facts.st_mode
        if stat.S_ISDIR(mode):
            return None
        if stat.S_ISREG(mode) and self.rules.allows(path, is_directory=False):
            self.remove(each for each in self.index.below(path) if each != path)
            if self._is_as_indexed(path, facts):
                return []
            if facts is not None and not scanned and self._is_beyond(path, facts.st_size):
                return []
            if defer:
                return [path]
            self.read(path, known)
        else:
            self.remove(self.index.below(path))
        return []

    def _is_as_indexed(self, path: str, now: os.stat_result | None) -> bool:
        """Returns whether a file's rows are made from its bytes on disk. Many hints name files that did not change."""
        facts = self.index.facts(path)
        if facts is None or path in self.stale or (facts.size, facts.mtime_ns) != _state_of(now):
            return False
        with Inside(self.root) as inside:
            text = read_text(inside, path, self.settings.max_file_bytes)
        return not isinstance(text, Skipped) and text.digest == facts.digest

    def read(self, path: str, known: Mapping[int, Vectors] | None = None) -> None:
        """Reads a file from disk and makes it searchable. ``known`` as in ``refresh``."""
        self.stale.discard(path)
        reuse = {**(known or {}), **self.index.vectors(path)}
        with Inside(self.root) as inside:
            outcome = read_and_analyse(Job(inside, path), self.bounds, self.embedder, reuse)
        if isinstance(outcome, IndexedFile):
            self.left_out.drop(path)
            self.embedded += outcome.embedded
            self.index.replace(path, Fresh(outcome, None))
            self.write_behind.put([path])
        else:
            self._leave_out(path, outcome)

    def add(self, read: Read, current: Collection[str]) -> None:
        """Makes files searchable that a worker read, except files not in ``current``, whose newer state is known.

        Raises OSError or DamagedFile if the worker's segment file cannot be read.
        """
        for path, skipped in read.skipped.items():
            if path in current:
                self.stale.discard(path)
                self._leave_out(path, skipped)
        if read.segment is None:
            return
        if isinstance(read.segment, MemorySegment):
            segment, name = read.segment, None
        else:
            segment, name = load_segment(read.segment, verify=False)[0], read.segment.name.removesuffix(".segment")
        numbers = [number for number, facts in enumerate(segment.files) if facts.path in current]
        if not numbers and isinstance(read.segment, Path):
            remove_segment(read.segment)
        self.index.adopt(segment, name, numbers)
        if name is not None and numbers:
            self.write_behind.add_segment(name)
        for number in numbers:
            path = segment.files[number].path
            self.stale.discard(path)
            self.left_out.drop(path)
        self.embedded += read.embedded
        self.write_behind.put(segment.files[number].path for number in numbers)

    def add_files(self, outcomes: Iterable[tuple[str, Outcome]]) -> None:
        """Makes many files searchable that were read in this process."""
        files: list[IndexedFile] = []
        for path, outcome in outcomes:
            self.stale.discard(path)
            if isinstance(outcome, IndexedFile):
                self.left_out.drop(path)
                files.append(outcome)
            else:
                self._leave_out(path, outcome)
        self.embedded += sum(file.embedded for file in files)
        self.index.add_files(files)
        self.write_behind.put(file.facts.path for file in files)

    def remove(self, paths: Iterable[str]) -> None:
        """Removes files that are gone or are not let in any more."""
        for path in paths:
            self.left_out.drop(path)
            self.stale.discard(path)
            if self.index.facts(path) is not None:
                self.index.replace(path, None)
                self.write_behind.put([path])

    def _leave_out(self, path: str, skipped: Skipped) -> None:
        self.remove([path])
        # A vanished file that exists again by now was not read, so its state is not recorded.
        state = None if skipped.reason == VANISHED else skipped.state or self._state(path)
        if state is None:
            return
        self.left_out.put(path, LeftOut(skipped.reason, *state))
        if skipped.reason == TOO_LARGE:
            # The file grew since the latest scan, or before it: the next scan counts the file, once.
            self.scan_due = 0.0


def open_folder(
    root: str,
    settings: Settings,
    embedder: Embedder,
    data_directory: Path,
    threads: StoreThreads,
    tables: LanceProcess,
) -> WorkspaceFolder:
    """Returns a folder with an empty index. Two spellings of one folder have the same stored index."""
    # The shipped model of a new release replaces the rows of the old one; each other model has an index of its own.
    model = embedder.name if embedder.name == STATIC else embedder.fingerprint
    directory = index_directory(data_directory, os.path.realpath(root), model)
    version = _version(embedder, settings)
    stored = FolderStore(directory, root, version, embedder.dimensions, tables, model)
    reopened = threads.has(directory)
    return WorkspaceFolder(
        root,
        settings,
        embedder,
        FolderIndex(root, embedder.fingerprint, embedder.dimensions),
        _rules(root, settings, data_directory),
        stored,
        WriteBehind(stored, threads.of(directory)),
        data_directory,
        reopened=reopened,
    )


def _state_of(facts: os.stat_result | None) -> tuple[int, int] | None:
    return None if facts is None else (facts.st_size, facts.st_mtime_ns)


def _version(embedder: Embedder, settings: Settings) -> str:
    """Returns a name for everything that determines the rows of a folder."""
    secrets = "in" if settings.index_secrets else SECRETS_VERSION  # pragma: allowlist secret - a version
    return f"secrets {secrets}, {analysis_version(embedder.fingerprint)}"


def _rules(root: str, settings: Settings, data_directory: Path) -> IgnoreRules:
    return IgnoreRules(
        Path(root),
        exclude=settings.exclude,
        left_out=[data_directory],
        max_depth=settings.max_depth,
        index_secrets=settings.index_secrets,
    )
