"""Applies pending changes (edits, file hints, scan differences, worker results) to the folder indexes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from conexus.arrays.file import DamagedFile
from conexus.config import SETTINGS_FILE
from conexus.embedding.embedder import Embedder
from conexus.indexing.bulk_reader import Bulk, Done
from conexus.indexing.hints import TYPED_EVERY_SECONDS, TYPED_QUIET_SECONDS, Hints
from conexus.indexing.orphan_buffers import OrphanBuffers
from conexus.indexing.publish import Publisher
from conexus.indexing.scans import Found, Scanning
from conexus.indexing.workspace_folder import TrackedFolder
from conexus.owned import owned
from conexus.processes.workers import INLINE_FILES
from conexus.segments.snapshot import FileKey
from conexus.storage.manifest import remove_segment
from conexus.workspace.documents import Document

log = logging.getLogger(__name__)


@owned(shared={"open_in", "pending"})
class Refresher:
    """The indexer thread owns it. Other threads may read ``pending``, ``documents`` and ``orphans``."""

    def __init__(
        self,
        folders: Mapping[str, TrackedFolder],
        bulk: Bulk,
        scanning: Scanning,
        publisher: Publisher,
        *,
        on_hint: Callable[[], None],
        on_refreshed: Callable[[TrackedFolder, str], None],
    ) -> None:
        """``folders``: the folders by root; always the present ones, because the mapping is shared.

        ``on_refreshed`` gets each path that was refreshed, whether or not it had changed.
        """
        self._folders, self._bulk, self._scanning, self._publisher = folders, bulk, scanning, publisher
        self._on_hint, self._on_refreshed = on_hint, on_refreshed
        #: Open buffers by their identity.
        self.documents: dict[str, Document] = {}
        #: The index of the buffers that belong to no folder; None until there is a model.
        self.orphans: OrphanBuffers | None = None
        #: Hints for open buffers, and hints for files. They are kept apart so that an edit waits for no file.
        self._typed, self._told = Hints(TYPED_QUIET_SECONDS, TYPED_EVERY_SECONDS), Hints()

    @property
    def pending(self) -> int:
        """Number of hints that wait."""
        return len(self._typed) + len(self._told)

    @property
    def typed_due(self) -> float:
        """When ``refresh_typed`` is due, in seconds on the monotonic clock; inf if no hint waits."""
        return self._typed.due

    @property
    def told_due(self) -> float:
        """When ``refresh_told`` is due, in seconds on the monotonic clock; inf if no hint waits."""
        return self._told.due

    @property
    def is_told(self) -> bool:
        """Whether hints for files wait."""
        return bool(self._told)

    def begin(self, embedder: Embedder) -> None:
        """Starts indexing the buffers that belong to no folder, with the model that was loaded."""
        self.orphans = OrphanBuffers(embedder)

    def forget(self, root: str) -> None:
        """Drops the waiting hints of a folder."""
        self._typed.forget(root)
        self._told.forget(root)

    def open_in(self, tracked: TrackedFolder) -> set[str]:
        """Returns the paths of a folder's files that are open."""
        return {path for path in map(tracked.relative, self.documents) if path is not None}

    # --- hints ---

    def hint(self, paths: Iterable[str]) -> None:
        """Adds hints: these absolute paths or open buffers, or something below them, may have changed."""
        for path in paths:
            tracked, relative = self._locate(path)
            hints = self._typed if path in self.documents else self._told
            hints.add((tracked.root if tracked else "", relative))
            self._on_hint()

    def renew(self, paths: Iterable[str]) -> None:
        """Has the rows of all files at or below these absolute paths rebuilt, although nothing changed."""
        for path in paths:
            tracked, relative = self._locate(path)
            if tracked is not None:
                tracked.renew(relative)
            self.hint([path])

    def _locate(self, path: str) -> tuple[TrackedFolder | None, str]:
        for tracked in self._folders.values():
            relative = tracked.relative(path)
            if relative is not None:
                return tracked, relative
        return None, path

    def refresh_typed(self) -> None:
        """Refreshes all buffers that hints name."""
        for key in self._typed.take():
            self.refresh(key)

    def refresh_told(self, has_time: Callable[[], bool]) -> bool:
        """Refreshes the files that hints name, at least one, while there is time. Returns False if the time ended."""
        defer = len(self._told) > INLINE_FILES
        while self._told:
            self.refresh(self._told.take_first(), defer=defer)
            if not has_time():
                return False
        return True

    def refresh(self, key: FileKey, *, defer: bool = False) -> None:
        """Brings the rows of one path in line with its present state: a buffer, a file, or nothing.

        A directory is left to a scan. With ``defer``, a file is not read here but queued in ``Bulk``.
        """
        root, path = key
        tracked = self._folders.get(root)
        if tracked is None:
            self._refresh_orphan(path, wanted=True)
            return
        if tracked.rules.forget(path):
            tracked.scan_due = 0.0
        absolute = tracked.absolute(path)
        self._bulk.supersede(key)
        self._scanning.touch(root, path)
        changes = tracked.index.changes
        document = self.documents.get(absolute)
        in_folder = tracked.refused is None and tracked.allows(path, is_directory=False)
        self._refresh_orphan(absolute, wanted=not in_folder)
        tracked.unsaved.discard(path)
        if document is not None and in_folder:
            tracked.read_buffer(path, document)
        elif tracked.loaded and tracked.refused is None:
            to_read = tracked.refresh(path, self.documents, defer=defer)
            if to_read is None:
                self._scanning.ask(tracked, path)
            else:
                self._bulk.add((root, each) for each in to_read)
        if tracked.index.changes != changes:
            self._publisher.changed(root)
        self._on_refreshed(tracked, path)

    def _refresh_orphan(self, identity: str, *, wanted: bool) -> None:
        document = self.documents.get(identity) if wanted else None
        if self.orphans is not None and self.orphans.refresh(identity, document):
            self._publisher.changed("")

    # --- many files ---

    def compare(self, tracked: TrackedFolder, found: Found) -> None:
        """Brings a folder, or a part of it, in line with what a scan found."""
        relatives = ((identity, tracked.relative(identity)) for identity in self.documents)
        opened = {path: identity for identity, path in relatives if path is not None}
        differences = tracked.differences(found.scan, frozenset(opened), below=found.below)
        changed, gone = ([path for path in each if not found.may_be_outdated(path)] for each in differences)
        if not found.below:
            self._bulk.scanned(tracked.root)
            if tracked.complete and (SETTINGS_FILE in changed or SETTINGS_FILE in gone):
                self.hint([tracked.absolute(SETTINGS_FILE)])  # ``on_refreshed`` reports it when the hint is handled
        if gone:
            tracked.remove(gone)
            self._publisher.changed(tracked.root)
        self._bulk.add((tracked.root, path) for path in changed if path not in opened)
        # The truth of an open file is its buffer, so it is not compared with the disk; but stale rows must be rebuilt.
        self.hint(opened[path] for path in changed if path in opened and path in tracked.stale)

    def add(self, done: Done) -> None:
        """Adds the files that a worker read to their folder's index."""
        tracked = self._folders.get(done.folder)
        if tracked is None:
            return
        # The truth of an open file is its buffer.
        current = {path for path in done.current if tracked.absolute(path) not in self.documents}
        try:
            tracked.add(done.read, current)
        except (OSError, DamagedFile) as error:
            log.warning("what a worker read is lost, and read again: %s", error)
            if isinstance(done.read.segment, Path):
                remove_segment(done.read.segment)
            self._bulk.add((done.folder, path) for path in current)
        self._publisher.changed(done.folder)
        for path in current if done.doubtful else ():
            if tracked.differs(path):
                self.refresh((done.folder, path), defer=True)
