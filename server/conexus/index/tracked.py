"""One workspace folder as the indexer keeps it: what is searchable, what is stored, what differs from the disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conexus.chunking import language_of_document
from conexus.config import STATIC, Settings
from conexus.embedding.embedder import Embedder
from conexus.index.analysis import FileFacts, IndexedFile, analyse, analysis_version
from conexus.index.columns import StoredFile
from conexus.index.directory import index_directory
from conexus.index.folder import FolderIndex, Fresh
from conexus.index.manifest import LoadedSegment, remove_segment
from conexus.index.owned import owned
from conexus.index.persistence import Persistence, Places, StoreThreads
from conexus.index.pool import Job, Outcome, Read, read_and_analyse
from conexus.index.segment import MemorySegment
from conexus.index.segment_file import load_segment
from conexus.index.store_process import Tables
from conexus.index.stored_index import StoredIndex
from conexus.workspace.documents import Document
from conexus.workspace.ignore import IgnoreRules
from conexus.workspace.read import TOO_LARGE, VANISHED, Skipped, read_text
from conexus.workspace.scan import Scan


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that could not be indexed, and its state on disk then."""

    reason: str
    size: int
    mtime_ns: int


@owned(shared={"absolute", "allows", "relative", "settled", "skipped"})
@dataclass(slots=True, eq=False, weakref_slot=True)
class TrackedFolder:
    """Owned by the indexer's thread. Paths are relative to ``root``, with ``/``, where nothing else is said."""

    root: str
    settings: Settings
    embedder: Embedder
    index: FolderIndex
    rules: IgnoreRules
    stored: StoredIndex
    persistence: Persistence
    data_directory: Path
    #: Files left out by the latest scan, counted by reason, and those left out when they were read.
    scan_skipped: dict[str, int] = field(default_factory=dict)
    read_skipped: dict[str, LeftOut] = field(default_factory=dict)
    #: Files whose open buffers differ from the disk: they are searched as they are, and not stored.
    unsaved: set[str] = field(default_factory=set)
    #: Files whose rows are to be made anew although the file did not change.
    stale: set[str] = field(default_factory=set)
    #: What was stored is searchable, or nothing was.
    loaded: bool = False
    #: The first reconcile is done: every file was looked at once.
    complete: bool = False
    #: Many files came just now; their segments are yet to be merged.
    finishing: bool = False
    #: Why the folder is not indexed, in words for the user.
    refused: str | None = None
    total_files: int = 0
    #: Chunks of which the embedder was asked for the vector since the folder is tracked.
    embedded: int = 0
    #: When it is scanned next, on the monotonic clock: 0 as soon as may be. While it is scanned: 0 if it is to be
    #: scanned once more, and far away if not.
    scan_due: float = 0.0
    #: In seconds, from the end of the latest scan.
    scan_interval: float = 0.0

    @property
    def settled(self) -> bool:
        """Nothing more is to come that was not announced by a hint."""
        return self.complete or self.refused is not None

    def relative(self, path: str) -> str | None:
        """The relative path of an absolute one; None if it does not lie below the root."""
        if path == self.root:
            return ""
        prefix = self.root.rstrip(os.sep) + os.sep
        return path[len(prefix) :].replace(os.sep, "/") if path.startswith(prefix) else None

    def absolute(self, path: str) -> str:
        return str(Path(self.root, path))

    def configure(self, settings: Settings) -> None:
        """Take over settings; a scan brings the index in line with them."""
        self.settings = settings
        self.rules = _rules(self.root, settings, self.data_directory)

    @property
    def wants_watcher(self) -> bool:
        """Whether changes are to be noticed by a watcher of ours."""
        return self.settings.watcher in {"auto", "server"} and self.refused is None

    def close(self) -> None:
        """Have what waits written and the lock given up. Returns at once."""
        self.index.seal(self.unsaved, all_of_it=True)
        self.persistence.close(self.index.base, self._to_store)

    def store_if_due(self, *, hold: bool, idle: bool) -> None:
        """Start writing what waits; ``hold`` and ``idle`` as in ``Persistence.flush_if_due``."""
        self.persistence.flush_if_due(self.index.base, self._to_store, hold=hold, idle=idle)

    def _to_store(self, paths: Iterable[str]) -> Places:
        # Of an unsaved buffer the disk's state is stored, when it is saved or closed.
        return {
            path: self.index.located(path) if self.index.facts(path) is not None else None
            for path in paths
            if path not in self.unsaved
        }

    def load(self, loaded: Iterable[LoadedSegment]) -> None:
        """Take over what was stored; rows that were made by other versions are to be made anew."""
        for each in loaded:
            present = each.version == self.stored.version
            version = None if present else each.version
            self.index.adopt(each.segment, each.name, each.files, version, indexed=each.indexed and present)
            if not present:
                self.stale.update(each.segment.files[number].path for number in each.files)

    def make_anew(self) -> None:
        """Forget all that is searchable and stored: the next scan has every file read, and no vector is known."""
        self.index = FolderIndex(self.root, self.embedder.fingerprint, self.embedder.dimensions)
        self.persistence.clear()
        self.read_skipped.clear()
        self.unsaved.clear()
        self.stale.clear()
        self.complete = self.finishing = False
        self.scan_due = 0.0

    def renew(self, path: str) -> None:
        """Have the rows of what lies at or below a path made anew when it is looked at next."""
        self.stale.update(self.index.below(path))
        below = f"{path}/" if path else ""
        for each in [each for each in self.read_skipped if each == path or each.startswith(below)]:
            del self.read_skipped[each]

    def compare(self, rows: Mapping[str, StoredFile]) -> None:
        """Have the tables brought in line with what is searchable, given what they hold."""
        version = self.stored.version
        changed = [path for path in rows if self.index.facts(path) is None]
        for path in self.index.paths():
            segment, number = self.index.located(path)
            there = rows.get(path)
            same = (
                there is not None
                and there.facts == segment.files[number]
                and (there.version, there.chunks) == (version, len(segment.rows_of(number)))
            )
            # What is out of date is made anew.
            if not same and path not in self.stale and path not in self.unsaved:
                changed.append(path)
                self.index.not_indexed(path)
        self.persistence.put(changed)

    def allows(self, path: str, is_directory: bool) -> bool:
        """Whether the ignore rules, as they are now, let a path in."""
        return self.rules.allows(path, is_directory)

    def skipped(self) -> dict[str, int]:
        """Files left out, counted by reason."""
        counts = dict(self.scan_skipped)
        for left_out in list(self.read_skipped.values()):
            counts[left_out.reason] = counts.get(left_out.reason, 0) + 1
        return counts

    def differences(self, found: Scan, open_paths: frozenset[str], below: str = "") -> tuple[list[str], list[str]]:
        """Paths to read again, newest first, and paths that are gone, after a scan of what lies ``below`` a path."""
        changed: list[tuple[int, str]] = []
        present = set()
        for entry in found.entries:
            present.add(entry.path)
            known = self.index.facts(entry.path) or self.read_skipped.get(entry.path)
            same = known is not None and (known.size, known.mtime_ns) == (entry.size, entry.mtime_ns)
            if not same or entry.path in self.stale:
                changed.append((-entry.mtime_ns, entry.path))
        gone = [path for path in self.index.below(below) if path not in present and path not in open_paths]
        if not below:
            self.read_skipped = {path: left for path, left in self.read_skipped.items() if path in present}
            self.scan_skipped = dict(found.skipped)
            self.total_files = len(found.entries)
        return [path for _, path in sorted(changed)], gone

    def differs(self, path: str) -> bool:
        """Whether a file is not as it is known, or should not be known."""
        known = self.index.facts(path) or self.read_skipped.get(path)
        state = None if known is None else (known.size, known.mtime_ns)
        return state != self._state(path) or not self.allows(path, is_directory=False)

    def _state(self, path: str) -> tuple[int, int] | None:
        """Size and time of a file; None if it is not there."""
        return _state_of(self._facts(path))

    def _facts(self, path: str) -> os.stat_result | None:
        """What the disk says of a path itself; None if nothing is there."""
        try:
            return os.lstat(self.absolute(path))
        except (OSError, ValueError):
            return None

    # --- changing ---

    def refresh(self, path: str, opened: Mapping[str, object], *, defer: bool) -> list[str] | None:
        """Make a path searchable as it is on disk: a file or nothing. None: it is a directory, which is to be scanned.

        ``opened`` has the open buffers by their absolute path, which are left alone. Returns files that are still to
        be read: with ``defer``, the file itself.
        """
        facts = self._facts(path)
        mode = 0 if facts is None else facts.st_mode
        if stat.S_ISDIR(mode):
            return None
        if stat.S_ISREG(mode) and self.rules.allows(path, is_directory=False):
            self.remove(known for known in self.index.below(path) if known != path)
            if self._is_as_indexed(path, facts):
                return []
            if defer:
                return [path]
            self.read(path)
        else:
            self.remove(known for known in self.index.below(path) if self.absolute(known) not in opened)
        return []

    def _is_as_indexed(self, path: str, now: os.stat_result | None) -> bool:
        """Whether a file's rows are those of its bytes on disk. Editors and builds tell of many that did not change."""
        facts = self.index.facts(path)
        if facts is None or path in self.stale or (facts.size, facts.mtime_ns) != _state_of(now):
            return False
        if self.index.is_of_buffer(path):
            return False
        text = read_text(self.absolute(path), self.settings.max_file_bytes)
        return not isinstance(text, Skipped) and text.digest == facts.digest

    def read(self, path: str) -> None:
        """Make a file searchable as it is on disk."""
        self.stale.discard(path)
        job = Job(self.root, path)
        outcome = read_and_analyse(job, self.settings.max_file_bytes, self.embedder, self.index.vectors(path))
        if isinstance(outcome, IndexedFile):
            self.read_skipped.pop(path, None)
            self.embedded += outcome.embedded
            self.index.replace(path, Fresh(outcome, None))
            self.persistence.put([path])
        else:
            self._leave_out(path, outcome)

    def read_buffer(self, path: str, document: Document) -> None:
        """Make a file searchable as it is in an open buffer.

        Only what is also on disk is stored: the tables hold what the disk holds, so that a crash loses no truth.
        """
        disk = read_text(self.absolute(path), self.settings.max_file_bytes)
        saved = not isinstance(disk, Skipped) and disk.text == document.text
        # A saved file is indexed as its disk state would be, so that the stored row equals a fresh one.
        language = language_of_document("" if saved else document.language, path, document.text)
        facts = FileFacts(path, language, 0, 0, "")
        if not isinstance(disk, Skipped):
            facts = FileFacts(path, language, disk.size, disk.mtime_ns, disk.digest if saved else "")
        file = analyse(facts, document.text, self.embedder, self.index.vectors(path))
        self.stale.discard(path)
        self.read_skipped.pop(path, None)
        self.embedded += file.embedded
        self.index.replace(path, Fresh(file, document.text))
        if saved:
            self.persistence.put([path])
        else:
            self.unsaved.add(path)

    def add(self, read: Read, current: Collection[str]) -> None:
        """Make files searchable that a worker read, those of them that nothing newer is known of."""
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
            self.persistence.add_segment(name)
        for number in numbers:
            path = segment.files[number].path
            self.stale.discard(path)
            self.read_skipped.pop(path, None)
        self.embedded += read.embedded
        self.persistence.put(segment.files[number].path for number in numbers)

    def add_files(self, outcomes: Iterable[tuple[str, Outcome]]) -> None:
        """Make many files searchable that were read in this process."""
        files: list[IndexedFile] = []
        for path, outcome in outcomes:
            self.stale.discard(path)
            if isinstance(outcome, IndexedFile):
                self.read_skipped.pop(path, None)
                files.append(outcome)
            else:
                self._leave_out(path, outcome)
        self.embedded += sum(file.embedded for file in files)
        self.index.add_files(files)
        self.persistence.put(file.facts.path for file in files)

    def remove(self, paths: Iterable[str]) -> None:
        """These files are gone, or are not let in any more."""
        for path in paths:
            self.read_skipped.pop(path, None)
            self.stale.discard(path)
            if self.index.facts(path) is not None:
                self.index.replace(path, None)
                self.persistence.put([path])

    def _leave_out(self, path: str, skipped: Skipped) -> None:
        self.remove([path])
        # What is there again by now was not looked at.
        state = None if skipped.reason == VANISHED else skipped.state or self._state(path)
        if state is None:
            return
        self.read_skipped[path] = LeftOut(skipped.reason, *state)
        if skipped.reason == TOO_LARGE:
            # It grew since the latest scan, or before: the next one counts it, once.
            self.scan_due = 0.0


def track(
    root: str,
    settings: Settings,
    embedder: Embedder,
    data_directory: Path,
    threads: StoreThreads,
    tables: Tables,
) -> TrackedFolder:
    """A folder of which nothing is known yet. The index of two spellings of one folder is the same."""
    # A new release's shipped model replaces the old one's rows; of other models each has an index of its own.
    model = embedder.name if embedder.name == STATIC else embedder.fingerprint
    directory = index_directory(data_directory, os.path.realpath(root), model)
    version = analysis_version(embedder.fingerprint)
    stored = StoredIndex(directory, root, version, embedder.dimensions, tables)
    return TrackedFolder(
        root,
        settings,
        embedder,
        FolderIndex(root, embedder.fingerprint, embedder.dimensions),
        _rules(root, settings, data_directory),
        stored,
        Persistence(stored, threads.of(directory)),
        data_directory,
    )


def _state_of(facts: os.stat_result | None) -> tuple[int, int] | None:
    return None if facts is None else (facts.st_size, facts.st_mtime_ns)


def _rules(root: str, settings: Settings, data_directory: Path) -> IgnoreRules:
    return IgnoreRules(Path(root), exclude=settings.exclude, left_out=[data_directory])
