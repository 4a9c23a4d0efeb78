"""One workspace folder as the indexer keeps it: what is searchable, what is stored, what differs from the disk."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from conexus.chunking import canonical_language, language_of
from conexus.config import Settings
from conexus.embedding.embedder import Embedder
from conexus.index.analysis import FileFacts, IndexedFile, analyse
from conexus.index.folder import FolderIndex, Fresh
from conexus.index.persistence import Persistence
from conexus.index.pool import Job, Outcome, read_and_analyse
from conexus.workspace.documents import Document
from conexus.workspace.ignore import IgnoreRules
from conexus.workspace.read import Skipped, read_text
from conexus.workspace.scan import Scan
from conexus.workspace.watch import Watcher


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that could not be indexed, and its state on disk then."""

    reason: str
    size: int
    mtime_ns: int


@dataclass(slots=True)
class TrackedFolder:
    """Owned by the indexer's thread. Paths are relative to ``root``, with ``/``, where nothing else is said."""

    root: str
    settings: Settings
    embedder: Embedder
    index: FolderIndex
    rules: IgnoreRules
    persistence: Persistence
    watcher: Watcher | None = None
    #: Files left out by the latest scan, counted by reason, and those left out when they were read.
    scan_skipped: dict[str, int] = field(default_factory=dict)
    read_skipped: dict[str, LeftOut] = field(default_factory=dict)
    #: Files whose rows are to be made anew although the file did not change.
    stale: set[str] = field(default_factory=set)
    #: What was stored is searchable, or nothing was.
    loaded: bool = False
    #: The first reconcile is done: every file was looked at once.
    complete: bool = False
    #: Why the folder is not indexed, in words for the user.
    refused: str | None = None
    total_files: int = 0
    #: On the monotonic clock, in seconds.
    scan_due: float = 0.0
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

    def allows(self, path: str, is_directory: bool) -> bool:
        """Whether the ignore rules, as they are now, let a path in."""
        return self.rules.allows(path, is_directory)

    def skipped(self) -> dict[str, int]:
        """Files left out, counted by reason."""
        counts = dict(self.scan_skipped)
        for left_out in list(self.read_skipped.values()):
            counts[left_out.reason] = counts.get(left_out.reason, 0) + 1
        return counts

    def below(self, path: str) -> list[str]:
        """Indexed paths at or below a path."""
        if self.index.facts(path) is not None:
            return [path]
        prefix = path + "/" if path else ""
        return [known for known in self.index.paths() if known.startswith(prefix)]

    def differences(self, found: Scan, open_paths: frozenset[str]) -> tuple[list[str], list[str]]:
        """Paths to read again, newest first, and paths that are gone, after a scan of the whole folder."""
        changed: list[tuple[int, str]] = []
        present = set()
        for entry in found.entries:
            present.add(entry.path)
            known = self.index.facts(entry.path) or self.read_skipped.get(entry.path)
            same = known is not None and (known.size, known.mtime_ns) == (entry.size, entry.mtime_ns)
            if not same or entry.path in self.stale:
                changed.append((-entry.mtime_ns, entry.path))
        gone = [path for path in self.index.paths() if path not in present and path not in open_paths]
        self.read_skipped = {path: left for path, left in self.read_skipped.items() if path in present}
        self.scan_skipped = dict(found.skipped)
        self.total_files = len(found.entries)
        return [path for _, path in sorted(changed)], gone

    # --- one file ---

    def read(self, path: str) -> None:
        """Make a file searchable as it is on disk."""
        job = Job(self.root, path)
        outcome = read_and_analyse(job, self.settings.max_file_bytes, self.embedder, self.index.vectors(path))
        if isinstance(outcome, IndexedFile):
            self.read_skipped.pop(path, None)
            self.index.replace(path, Fresh(outcome, None))
            self.persistence.put({path: outcome})
        else:
            self._leave_out(path, outcome.reason)

    def read_buffer(self, path: str, document: Document) -> bool:
        """Make a file searchable as it is in an open buffer. Returns whether that is also what is on disk.

        Only then it is stored: the tables hold what the disk holds, so that a crash loses no truth.
        """
        disk = read_text(self.absolute(path), self.settings.max_file_bytes)
        saved = not isinstance(disk, Skipped) and disk.text == document.text
        # A saved file is indexed as its disk state would be, so that the stored row equals a fresh one.
        language = None if saved else canonical_language(document.language)
        language = language or language_of(path, document.text[:200].split("\n", 1)[0]) or "text"
        facts = FileFacts(path, language, 0, 0, "")
        if not isinstance(disk, Skipped):
            facts = FileFacts(path, language, disk.size, disk.mtime_ns, disk.digest)
        file = analyse(facts, document.text, self.embedder, self.index.vectors(path))
        self.read_skipped.pop(path, None)
        self.index.replace(path, Fresh(file, document.version))
        if saved:
            self.persistence.put({path: file})
        return saved

    def add(self, outcomes: Iterable[tuple[str, Outcome]]) -> None:
        """Make many files searchable that were read elsewhere."""
        files: list[IndexedFile] = []
        for path, outcome in outcomes:
            self.stale.discard(path)
            if isinstance(outcome, IndexedFile):
                self.read_skipped.pop(path, None)
                files.append(outcome)
            else:
                self._leave_out(path, outcome.reason)
        self.index.add_files(files)
        self.persistence.put({file.facts.path: file for file in files})

    def remove(self, paths: Iterable[str]) -> None:
        """These files are gone, or are not let in any more."""
        for path in paths:
            self.read_skipped.pop(path, None)
            if self.index.facts(path) is not None:
                self.index.replace(path, None)
                self.persistence.put({path: None})

    def _leave_out(self, path: str, reason: str) -> None:
        self.remove([path])
        try:
            status = Path(self.absolute(path)).lstat()
        except (OSError, ValueError):
            return
        self.read_skipped[path] = LeftOut(reason, status.st_size, status.st_mtime_ns)
