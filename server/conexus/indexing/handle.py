"""Gives all other threads a handle of the indexer thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from conexus.config import Settings
from conexus.indexing.commands import (
    Cause,
    ChangeDocument,
    Clear,
    CloseDocument,
    Configure,
    Hint,
    OpenDocument,
    Reindex,
    SetFolders,
    SetPaused,
    Store,
    Verify,
)
from conexus.indexing.indexer import Sync
from conexus.workspace.documents import Document


class Indexer:
    """Posts commands to the indexer thread.

    Every method returns at once and takes effect in the order of the calls, except ``stop`` and the ``wait`` methods.
    """

    def __init__(self, sync: Sync) -> None:
        #: State that belongs to the indexer thread; other threads read it.
        self.sync = sync
        self._loop = sync.loop

    def start(self, folders: Sequence[str]) -> None:
        """Starts the indexer thread; ``folders`` are absolute paths, none below another."""
        self.set_folders(folders)
        self._loop.begin()

    def stop(self) -> None:
        """Ends the thread after its current step, writes what waits and stops all helpers. Blocks until then."""
        self._loop.stop()
        self.sync.close()

    def set_folders(self, folders: Sequence[str]) -> None:
        """Sets the workspace's folders: absolute paths, none below another."""
        self._loop.post(SetFolders(tuple(folders)))

    def configure(self, settings: Settings) -> None:
        """Sets the settings; the changes that follow from them are made in the background."""
        self._loop.post(Configure(settings))

    def hint(self, paths: Iterable[str], cause: Cause) -> None:
        """Reports that these absolute paths, or something below them, may have changed."""
        self._loop.post(Hint(tuple(paths), cause))

    def open_document(self, document: Document) -> None:
        """Makes the text of a buffer the truth of its file from now on."""
        self._loop.post(OpenDocument(document))

    def change_document(self, identity: str, text: str, version: int | None) -> None:
        """Replaces the whole text of an open buffer; an unknown buffer is ignored."""
        self._loop.post(ChangeDocument(identity, text, version))

    def close_document(self, identity: str) -> None:
        """Makes the disk the truth of a buffer's file again."""
        self._loop.post(CloseDocument(identity))

    def reindex(self, folders: Sequence[str], paths: Sequence[str]) -> None:
        """Rebuilds the rows of these folders (all, if none is named) or of these paths alone."""
        self._loop.post(Reindex(tuple(folders), tuple(paths)))

    def set_paused(self, paused: bool) -> None:
        """Pauses or resumes scans and the reading of files in bulk; open buffers and hints are still handled."""
        self.sync.paused = paused  # so that the status shows it at once
        self._loop.post(SetPaused(paused))

    def clear(self) -> None:
        """Deletes the stored rows and rebuilds everything."""
        self._loop.post(Clear())

    def verify(self) -> None:
        """Reports that an answer failed unexpectedly.

        If segment files of an index were overwritten, that index is rebuilt.
        """
        self._loop.post(Verify())

    def wait_verified(self, timeout: float | None = None) -> bool:
        """Blocks until the rows of overwritten segment files are not searchable any more.

        Returns False as ``wait`` does.
        """
        verified = threading.Event()
        self._loop.post(Verify(verified))
        return self._loop.wait(verified.is_set, timeout)

    def wait_stored(self, timeout: float | None = None) -> bool:
        """Blocks until everything that is searchable is stored, or it is known that it cannot be stored.

        Returns False on time-out, or if the indexer was stopped before. ``timeout`` is in seconds.
        """
        begun = threading.Event()
        self._loop.post(Store(begun))
        return self._loop.wait(lambda: begun.is_set() and self.sync.is_stored, timeout)

    @property
    def quiescent(self) -> bool:
        """Whether every hint given so far is searchable and each folder was compared with the disk once."""
        return self._loop.holds(self.sync.is_quiescent)

    def wait(self, timeout: float | None = None) -> bool:
        """Blocks until the index is quiescent.

        Returns False on time-out, or if the indexer was stopped before. ``timeout`` is in seconds.
        """
        return self._loop.wait(self.sync.is_quiescent, timeout)
