"""The handle of the indexer's thread, for all other threads."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from conexus.config import Settings
from conexus.index.commands import (
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
from conexus.index.sync import Sync
from conexus.workspace.documents import Document


class Indexer:
    """Every method returns at once and takes effect in the order of the calls, except ``wait`` and ``stop``."""

    def __init__(self, sync: Sync) -> None:
        #: For reading; it belongs to the thread.
        self.sync = sync
        self._loop = sync.loop

    def start(self, folders: Sequence[str]) -> None:
        """Begin; ``folders`` are absolute paths, none below another."""
        self.set_folders(folders)
        self._loop.begin()

    def stop(self) -> None:
        """End the thread after its current step, write what waits and stop all helpers."""
        self._loop.stop()
        self.sync.close()

    def set_folders(self, folders: Sequence[str]) -> None:
        """These are the workspace's folders from now on."""
        self._loop.post(SetFolders(tuple(folders)))

    def configure(self, settings: Settings) -> None:
        """Take over settings; what they change is done in the background."""
        self._loop.post(Configure(settings))

    def hint(self, paths: Iterable[str], cause: Cause) -> None:
        """These absolute paths, or something below them, may have changed."""
        self._loop.post(Hint(tuple(paths), cause))

    def open_document(self, document: Document) -> None:
        """A buffer's text is the truth from now on."""
        self._loop.post(OpenDocument(document))

    def change_document(self, identity: str, text: str, version: int | None) -> None:
        """The whole new text of an open buffer; unknown buffers are ignored."""
        self._loop.post(ChangeDocument(identity, text, version))

    def close_document(self, identity: str) -> None:
        """The disk is the truth again."""
        self._loop.post(CloseDocument(identity))

    def reindex(self, folders: Sequence[str], paths: Sequence[str]) -> None:
        """Make these folders' (all, if none is named) or only these paths' rows anew."""
        self._loop.post(Reindex(tuple(folders), tuple(paths)))

    def set_paused(self, paused: bool) -> None:
        """While paused, files are left alone; open buffers stay live."""
        self.sync.paused = paused  # seen in the status at once
        self._loop.post(SetPaused(paused))

    def clear(self) -> None:
        """Forget the stored rows and build everything anew."""
        self._loop.post(Clear())

    def verify(self) -> None:
        """An answer failed unexpectedly: make anew what lies in files that were overwritten."""
        self._loop.post(Verify())

    def wait_verified(self, timeout: float | None = None) -> bool:
        """Block until what lies in files that were overwritten is not searchable any more; False as in ``wait``."""
        verified = threading.Event()
        self._loop.post(Verify(verified))
        return self._loop.wait(verified.is_set, timeout)

    def wait_stored(self, timeout: float | None = None) -> bool:
        """Block until all that is searchable is stored; False on time-out or when stopped before."""
        begun = threading.Event()
        self._loop.post(Store(begun))
        return self._loop.wait(lambda: begun.is_set() and self.sync.is_stored, timeout)

    @property
    def quiescent(self) -> bool:
        """Whether every hint given so far is searchable and each folder was compared with the disk once."""
        return self._loop.holds(self.sync.is_quiescent)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until quiescent; False on time-out or when stopped before."""
        return self._loop.wait(self.sync.is_quiescent, timeout)
