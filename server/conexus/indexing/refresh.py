"""Applies pending changes (edits, file hints, scan differences, worker results) to the indexes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from conexus import limits
from conexus.arrays.file import DamagedFile
from conexus.chunking import TooManyChunks, language_of_document
from conexus.config import SETTINGS_FILE
from conexus.embedding.embedder import Embedder
from conexus.embedding.unit_vectors import Vectors
from conexus.indexing.bulk_reader import Bulk, Done
from conexus.indexing.commands import WantedVectors
from conexus.indexing.hints import TYPED_EVERY_SECONDS, TYPED_QUIET_SECONDS, Hints, common_directory
from conexus.indexing.publish import Publisher
from conexus.indexing.scans import Found, Scanning
from conexus.indexing.session_index import SessionIndex
from conexus.indexing.workspace_folder import WorkspaceFolder
from conexus.limits import Limit
from conexus.owned import owned
from conexus.processes.workers import INLINE_FILES
from conexus.segments.snapshot import FileKey
from conexus.storage.manifest import remove_segment
from conexus.workspace.documents import Document
from conexus.workspace.inside import Inside
from conexus.workspace.read import Text, read_text
from conexus.workspace.secret_files import has_secret_name, holds_secrets

log = logging.getLogger(__name__)

#: Most hints of files that wait. If more come, the directory that contains all of these files is scanned instead: that
#: takes less time than to look at each of them, and no more memory.
_MOST_HINTS = 5_000


@owned()
class Refresher:
    """Brings the indexes in line with files and open documents. The indexer thread owns it.

    The truth of a folder's index is the disk. The truth of a session's documents is their text, as the client sent it.
    """

    def __init__(
        self,
        folders: Mapping[str, WorkspaceFolder],
        sessions: Mapping[str, SessionIndex],
        bulk: Bulk,
        scanning: Scanning,
        publisher: Publisher,
        *,
        on_hint: Callable[[], None],
        on_settings_file: Callable[[str], None],
        fill: Callable[[WantedVectors], None],
    ) -> None:
        """``folders`` by root and ``sessions`` by name are always the present ones, because the mappings are shared.

        ``on_settings_file`` gets the root of a folder whose conexus.toml was refreshed, whether or not it had changed.
        ``fill`` has the vectors made that a refreshed file lacks.
        """
        self._folders, self._sessions = folders, sessions
        self._bulk, self._scanning, self._publisher = bulk, scanning, publisher
        self._on_hint, self._on_settings_file, self._fill = on_hint, on_settings_file, fill
        #: The shipped model, which embeds documents of no folder; None until it is loaded.
        self._embedder: Embedder | None = None
        #: Number of chunks of such documents that were embedded.
        self.embedded = 0
        #: Documents by session and identity, and files by folder and path. They are kept apart, so that an edit waits
        #: for no file.
        self.edits = Hints(TYPED_QUIET_SECONDS, TYPED_EVERY_SECONDS)
        self.files = Hints()

    @property
    def pending(self) -> int:
        """Number of hints that wait."""
        return len(self.edits) + len(self.files)

    def begin(self, embedder: Embedder) -> None:
        """Starts indexing documents of no folder, with the shipped model."""
        self._embedder = embedder

    # --- hints ---

    def hint(self, paths: Iterable[str]) -> None:
        """Adds hints: these absolute paths, or something below them, may have changed."""
        for path in paths:
            for root, folder in self._folders.items():
                relative = folder.relative(path)
                if relative is not None:
                    self.files.add((root, relative))
                    if len(self.files) > _MOST_HINTS:
                        self._scan_instead()
            for name, session in self._sessions.items():
                if path in session.documents:
                    self.edits.add((name, path))
            self._on_hint()

    def _scan_instead(self) -> None:
        """Has one scan find what all hints of files name, because there are too many to look at each file."""
        by_folder: dict[str, list[str]] = {}
        while self.files:
            root, path = self.files.take_first()
            by_folder.setdefault(root, []).append(path)
        for root, paths in by_folder.items():
            folder = self._folders.get(root)
            if folder is None:
                continue
            directory = common_directory(paths)
            forgot = [path for path in paths if folder.rules.forget(path)]
            if forgot:
                directory = ""
                self.hint_all_documents(root)
            # What was read or scanned before may be out of date.
            self._bulk.supersede((root, directory))
            self._scanning.touch(root, directory)
            self._scanning.ask(folder, directory)
            if SETTINGS_FILE in paths:
                self._on_settings_file(root)

    def hint_documents(self, session: SessionIndex, identities: Iterable[str]) -> None:
        """Adds hints: these documents of a session were opened, edited or closed."""
        for identity in identities:
            self.edits.add((session.client.name, identity))
            self._on_hint()

    def hint_all_documents(self, root: str | None = None) -> None:
        """Adds a hint for each open document of all sessions, or of the sessions that have a folder."""
        for session in self._sessions.values():
            if root is None or root in session:
                self.hint_documents(session, [document.id for document in session.documents])

    def renew(self, paths: Iterable[str]) -> None:
        """Has the rows of all files at or below these absolute paths rebuilt, although nothing changed."""
        for path in paths:
            for folder in self._folders.values():
                relative = folder.relative(path)
                if relative is not None:
                    folder.renew(relative)
            self.hint([path])

    # --- documents ---

    def refresh_edits(self, has_time: Callable[[], bool]) -> None:
        """Refreshes the documents that hints name, at least one, while there is time.

        The document that was edited last is first, so that typing waits for no other document.
        """
        while self.edits:
            name, identity = self.edits.take_last()
            session = self._sessions.get(name)
            if session is not None:
                self.refresh_document(session, identity)
            if not has_time():
                return

    def refresh_document(self, session: SessionIndex, identity: str) -> None:
        """Has a session find a document's text, or the file on disk if the document is closed or saved."""
        document = session.documents.get(identity)
        if document is not None and document.is_larger_than(session.settings.max_file_bytes):
            # As a file it would be left out, too.
            limits.hit(Limit.FILE_SIZE)
            document = None
        if document is not None and not session.settings.index_secrets and _may_hold_secrets(document):
            document = None
        in_folder = False
        for root in session.roots or ():
            folder = self._folders.get(root)
            path = None if folder is None else folder.relative(identity)
            if folder is None or not path:
                continue
            if document is not None and folder.refused is None and folder.allows(path, is_directory=False):
                self._show(session, folder, path, document)
                in_folder = True
            else:
                self._hide(session, root, path)
                self.files.add((root, path))
        if document is not None and not in_folder and self._embedder is not None:
            try:
                self.embedded += session.show("", identity, document, self._embedder, None, {})
            except TooManyChunks:
                session.hide("", identity)
            self._publisher.mark_session_dirty(session, "")
        else:
            self._hide(session, "", identity)

    def _hide(self, session: SessionIndex, root: str, path: str) -> None:
        if session.hide(root, path):
            self._publisher.mark_session_dirty(session, root)

    def _show(self, session: SessionIndex, folder: WorkspaceFolder, path: str, document: Document) -> None:
        """Has a session find a document's text in place of a file, unless the document is saved.

        A saved document is indexed as its file, for all sessions, so that its rows equal those of a fresh index.
        """
        root = folder.root
        with Inside(root) as inside:
            disk = read_text(inside, path, folder.settings.max_file_bytes)
        if folder.loaded and isinstance(disk, Text) and disk.text == document.text:
            self.refresh_file((root, path))
            facts = folder.index.facts(path)
            if facts is not None and facts.digest == disk.digest:
                self._hide(session, root, path)
                return
        if session.has_shown(root, path, document, folder.embedder, disk):
            return
        known, plain = folder.index.vectors(path), self._bulk.is_quarantined((root, path))
        try:
            folder.embedded += session.show(root, path, document, folder.embedder, disk, known, plain=plain)
        except TooManyChunks:
            self._hide(session, root, path)
            return
        self._publisher.mark_session_dirty(session, root)
        index = session.buffers[root]
        if (fresh := index.fresh(path)) is not None:
            self._fill(WantedVectors(index, fresh.file, folder, session))

    # --- files ---

    def refresh_files(self, has_time: Callable[[], bool], *, defer: bool = False) -> bool:
        """Refreshes the files that hints name, at least one, while there is time. Returns False if the time ended.

        ``defer`` as in ``refresh_file``.
        """
        defer = defer or len(self.files) > INLINE_FILES
        while self.files:
            self.refresh_file(self.files.take_first(), defer=defer)
            if not has_time():
                return False
        return True

    def refresh_file(self, key: FileKey, *, defer: bool = False, scanned: bool = False) -> None:
        """Brings the rows of one path in line with the disk: a file, or nothing. A directory is left to a scan.

        With ``defer``, a file is not read here but queued in ``Bulk``. ``scanned``: whether it was queued before, so
        that it is known that the folder has room for it.
        """
        root, path = key
        folder = self._folders.get(root)
        if folder is None:
            return
        if folder.rules.forget(path):
            folder.scan_due = 0.0
            self.hint_all_documents(root)
        self._bulk.supersede(key)
        self._scanning.touch(root, path)
        if folder.loaded and folder.refused is None:
            changes = folder.index.changes
            defer = defer or self._bulk.is_quarantined(key)
            to_read = folder.refresh(path, defer=defer, scanned=scanned, known=self._vectors_of_documents(folder, path))
            if to_read is None:
                self._scanning.ask(folder, path)
            else:
                self._bulk.add((root, each) for each in to_read)
            if folder.index.changes != changes:
                self._publisher.mark_dirty(root)
                self._hint_documents_of(folder, (path,))
                if (fresh := folder.index.fresh(path)) is not None:
                    self._fill(WantedVectors(folder.index, fresh.file, folder))
        if path == SETTINGS_FILE:
            self._on_settings_file(root)

    def _vectors_of_documents(self, folder: WorkspaceFolder, path: str) -> dict[int, Vectors]:
        """Returns the vectors of documents that are about to be saved: they need not be made again."""
        known: dict[int, Vectors] = {}
        for session in self._sessions.values():
            index = session.buffers.get(folder.root)
            if index is not None and index.model == folder.index.model:
                known.update(index.vectors(path))
        return known

    def _hint_documents_of(self, folder: WorkspaceFolder, paths: Collection[str]) -> None:
        """Adds hints for open documents whose files changed on disk: their text may differ from the file now."""
        for session in self._sessions.values():
            for document in session.documents if folder.root in session else ():
                if folder.relative(document.id) in paths:
                    self.edits.add((session.client.name, document.id))

    # --- many files ---

    def compare(self, folder: WorkspaceFolder, found: Found) -> None:
        """Brings a folder, or a part of it, in line with what a scan found."""
        differences = folder.differences(found.scan, below=found.below)
        changed, gone = ([path for path in each if not found.may_be_outdated(path)] for each in differences)
        if not found.below:
            self._bulk.scanned(folder.root)
            if folder.complete and (SETTINGS_FILE in changed or SETTINGS_FILE in gone):
                self.hint([folder.absolute(SETTINGS_FILE)])  # ``refresh_file`` reports it when the hint is handled
        if gone:
            folder.remove(gone)
            self._publisher.mark_dirty(folder.root)
            self._hint_documents_of(folder, set(gone))
        self._bulk.add((folder.root, path) for path in changed)

    def add(self, done: Done) -> None:
        """Adds the files that a worker read to their folder's index."""
        folder = self._folders.get(done.folder)
        if folder is None:
            return
        try:
            folder.add(done.read, done.current)
        except (OSError, DamagedFile) as error:
            log.warning("what a worker read is lost, and read again: %s", error)
            if isinstance(done.read.segment, Path):
                remove_segment(done.read.segment)
            self._bulk.add((done.folder, path) for path in done.current)
        folder.keep_within(last=False)
        self._publisher.mark_dirty(done.folder)
        self._hint_documents_of(folder, done.current)
        for path in done.current if done.doubtful else ():
            if folder.differs(path):
                self.refresh_file((done.folder, path), defer=True)


def _may_hold_secrets(document: Document) -> bool:
    path = document.id.replace("\\", "/")
    language = language_of_document(document.language, path, document.text)
    return has_secret_name(path, path.rpartition("/")[2]) or holds_secrets(path, language, document.text)
