"""The handle of the indexer's thread, for all other threads."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from conexus.config import Settings
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
        self._loop.post(lambda: self.sync.set_folders(folders))

    def configure(self, settings: Settings) -> None:
        """Take over settings; what they change is done in the background."""
        self._loop.post(lambda: self.sync.configure(settings))

    def hint(self, paths: Iterable[str]) -> None:
        """These absolute paths, or something below them, may have changed."""
        kept = tuple(paths)
        self._loop.post(lambda: self.sync.hint(kept))

    def open_document(self, document: Document) -> None:
        """A buffer's text is the truth from now on."""
        self._loop.post(lambda: self.sync.open_document(document))

    def change_document(self, identity: str, text: str, version: int | None) -> None:
        """The whole new text of an open buffer; unknown buffers are ignored."""
        self._loop.post(lambda: self.sync.change_document(identity, text, version))

    def close_document(self, identity: str) -> None:
        """The disk is the truth again."""
        self._loop.post(lambda: self.sync.close_document(identity))

    def reindex(self, folders: Sequence[str], paths: Sequence[str]) -> None:
        """Make these folders' (all, if none is named) or only these paths' rows anew."""
        self._loop.post(lambda: self.sync.reindex(folders, paths))

    def set_paused(self, paused: bool) -> None:
        """While paused, files are left alone; open buffers stay live."""
        self.sync.paused = paused  # seen in the status at once
        self._loop.post(lambda: self.sync.set_paused(paused))

    def clear(self) -> None:
        """Forget the stored rows and build everything anew."""
        self._loop.post(self.sync.clear)

    def verify(self) -> None:
        """An answer failed unexpectedly: make anew what lies in files that were overwritten."""
        self._loop.post(self.sync.verify)

    def wait_verified(self, timeout: float | None = None) -> bool:
        """Block until what lies in files that were overwritten is not searchable any more; False as in ``wait``."""
        verified = threading.Event()

        def verify() -> None:
            self.sync.verify()
            verified.set()

        self._loop.post(verify)
        return self._loop.wait(verified.is_set, timeout)

    def wait_stored(self, timeout: float | None = None) -> bool:
        """Block until all that is searchable is stored; False on time-out or when stopped before."""
        asked = threading.Event()

        def store() -> None:
            self.sync.store()
            asked.set()

        self._loop.post(store)
        return self._loop.wait(lambda: asked.is_set() and self.sync.is_stored, timeout)

    @property
    def quiescent(self) -> bool:
        """Whether every hint given so far is searchable and each folder was compared with the disk once."""
        return self._loop.holds(self.sync.is_quiescent)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until quiescent; False on time-out or when stopped before."""
        return self._loop.wait(self.sync.is_quiescent, timeout)
