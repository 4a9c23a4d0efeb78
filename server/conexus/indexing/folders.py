"""Opens, closes and watches workspace folders, and replaces a folder's index by one of another model."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from pathlib import Path

from conexus.config import Settings
from conexus.embedding.embedder import Embedder
from conexus.indexing.commands import Command, Hint, Rescan, SegmentsLoaded, TablesOpened, WriteFinished
from conexus.indexing.event_loop import Loop
from conexus.indexing.maintenance import Maintenance
from conexus.indexing.workspace_folder import WorkspaceFolder, open_folder
from conexus.owned import hand_over, owned
from conexus.storage.index_directory import has_stored_index
from conexus.storage.manifest import LoadedSegment
from conexus.timing import Backoff
from conexus.workspace.watcher import Watcher

log = logging.getLogger(__name__)

#: Seconds until the start of a folder's threads is tried again: the first delay and the longest.
_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS = 0.1, 10.0
_NO_THREADS = (
    "The system starts no more threads or processes for this user, so the folder is not indexed or not watched yet."
    " Raise the limit (`ulimit -u`), or end other programs."
)


@owned(shared={"allows"})
class Folders:
    """The folders of all sessions, each once. The indexer thread owns it."""

    def __init__(self, loop: Loop[Command], maintenance: Maintenance, data_directory: Path) -> None:
        self._loop, self._maintenance, self._data_directory = loop, maintenance, data_directory
        self.by_root: dict[str, WorkspaceFolder] = {}
        #: The server's own watchers by root. They stay when a chosen model's index replaces a folder's index.
        self._watchers: dict[str, Watcher] = {}
        #: Number of folders whose stored index is being loaded.
        self.loading = 0
        #: Folders for which the system started no thread; and when that is tried again.
        self._waiting: dict[str, WorkspaceFolder] = {}
        self._retry = Backoff(_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS)

    def new(self, root: str, settings: Settings, embedder: Embedder) -> WorkspaceFolder:
        """Returns a folder with an empty index, which is not opened yet."""
        folder = open_folder(
            root, settings, embedder, self._data_directory, self._maintenance.threads, self._maintenance.tables
        )
        former = self.by_root.get(root)
        if former is not None:
            folder.left_out.take_quarantined(former.left_out)
        folder.stored.on_opened = lambda files: self._loop.post(TablesOpened(folder, files))
        folder.write_behind.on_done = lambda: self._loop.post(WriteFinished(root), awaited=False)
        return folder

    def open(self, root: str, settings: Settings, embedder: Embedder) -> None:
        """Opens a folder. Posts ``SegmentsLoaded`` if it has a stored index."""
        folder = self.by_root[root] = self.new(root, settings, embedder)
        self._begin(folder)

    def try_again(self) -> None:
        """Opens and watches the folders for which the system had started no thread, if it is time."""
        if self._waiting and self._retry.may_try():
            waiting, self._waiting = self._waiting, {}
            self._retry.next_try.clear()
            for root, folder in waiting.items():
                if self.by_root.get(root) is folder:
                    self.watch(folder) if folder.loaded else self._begin(folder)
            if not self._waiting:
                self._retry.succeeded()

    def _begin(self, folder: WorkspaceFolder) -> None:
        try:
            self._load_or_claim(folder)
        except RuntimeError as error:
            self._wait(folder, error)

    def _wait(self, folder: WorkspaceFolder, error: RuntimeError) -> None:
        """Has a folder opened or watched later. Without this, a workspace would stay empty until the next start."""
        log.warning("%s: %s", folder.root, error)
        self._waiting[folder.root] = folder
        self._retry.failed()
        self._loop.watch(self._retry.next_try)

    def _load_or_claim(self, folder: WorkspaceFolder) -> None:
        """Starts the folder's store thread. Raises RuntimeError if the system starts no thread."""
        # Of an index that this engine has just closed, the first manifest may still have to be written.
        if has_stored_index(folder.stored.directory) or folder.reopened:
            opened: Future[list[LoadedSegment]] = folder.write_behind.open()
            self.loading += 1
            opened.add_done_callback(lambda future: self._loop.post(SegmentsLoaded(folder, tuple(future.result()))))
        else:
            folder.write_behind.claim()
            folder.adopted = True
            self._ready(folder)

    def load(self, loaded: SegmentsLoaded) -> bool:
        """Makes searchable what was stored of a folder. Returns whether the folder is still open."""
        self.loading -= 1
        if self.by_root.get(loaded.folder.root) is not loaded.folder:
            return False
        loaded.folder.load(loaded.segments)
        self._ready(loaded.folder)
        return True

    def compare(self, opened: TablesOpened) -> None:
        """Compares the tables of a folder that is searched. A folder that the embed thread builds opens none."""
        if self.by_root.get(opened.folder.root) is opened.folder:
            opened.folder.compare(opened.files)

    def install(self, successor: WorkspaceFolder) -> WorkspaceFolder | None:
        """Has a folder's new index searched from now on. Returns the former folder; None if the folder is not open.

        A scan finds what changed while the new index was built.
        """
        former = self.by_root.get(successor.root)
        if former is None:
            return None
        successor.settings, successor.rules = former.settings, former.rules
        former.close()
        self.by_root[successor.root] = successor
        self._ready(successor)
        return former

    def close(self, root: str) -> WorkspaceFolder:
        """Closes a folder, and returns it. The store thread writes what waits."""
        folder = self.by_root.pop(root)
        self._stop_watching(root)
        folder.close()
        return folder

    def configure(self, folder: WorkspaceFolder, settings: Settings) -> None:
        """Applies settings to a folder. A scan brings its index in line with them."""
        folder.configure(settings)
        folder.scan_due = 0.0
        self.watch(folder)

    def problem(self, folder: WorkspaceFolder) -> str | None:
        """Returns why a folder is not indexed, stored or watched as it should be, in words for the user."""
        if folder.root in self._waiting:
            return _NO_THREADS
        watcher = self._watchers.get(folder.root)
        degraded = None if watcher is None else watcher.degraded
        return folder.refused or folder.write_behind.problem or degraded or folder.rules.problem

    def shut_down(self) -> None:
        """Closes all folders. The caller owns what the indexer thread owned."""
        for watcher in self._watchers.values():
            watcher.stop()
        for folder in self.by_root.values():
            hand_over(folder, folder.index, folder.write_behind)
            folder.close()

    def wait_for_watchers(self) -> None:
        """Waits until the watchers' processes have ended."""
        for watcher in self._watchers.values():
            watcher.wait()

    def allows(self, root: str, path: str, *, is_directory: bool) -> bool:
        """Returns whether the present ignore rules of a folder let a path in. The watcher thread calls it."""
        folder = self.by_root.get(root)
        return folder is not None and folder.allows(path, is_directory)

    def _ready(self, folder: WorkspaceFolder) -> None:
        folder.loaded = True
        self._loop.watch(*folder.write_behind.deadlines)
        self.watch(folder)

    def watch(self, folder: WorkspaceFolder) -> None:
        """Starts or stops the server's own watcher of a folder, as the folder's settings say."""
        root = folder.root
        if folder.wants_watcher and root not in self._watchers:
            watcher = Watcher(
                Path(root),
                lambda paths: self._loop.post(Hint(tuple(str(Path(root, path)) for path in paths), "watcher")),
                lambda reason: self._loop.post(Rescan(root, reason)),
                lambda path, is_directory: self.allows(root, path, is_directory=is_directory),
                most_directories=folder.settings.max_watched_directories,
            )
            try:
                watcher.start()
            except RuntimeError as error:
                self._wait(folder, error)
            else:
                self._watchers[root] = watcher
        elif not folder.wants_watcher:
            self._stop_watching(root)

    def _stop_watching(self, root: str) -> None:
        watcher = self._watchers.pop(root, None)
        if watcher is not None:
            watcher.stop()
