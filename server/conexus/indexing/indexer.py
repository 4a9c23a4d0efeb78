"""Keeps the searchable snapshot equal to the workspace: the work of the indexer thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from conexus.config import SETTINGS_FILE, Settings
from conexus.embedding.transformer.deferred import DeferredEmbedder
from conexus.indexing.bulk_reader import INLINE_SECONDS, Bulk
from conexus.indexing.commands import (
    ChangeDocument,
    Clear,
    CloseDocument,
    Command,
    Configure,
    Finished,
    Hint,
    OpenDocument,
    Reindex,
    Rescan,
    SetFolders,
    SetPaused,
    Store,
    Verify,
    in_words,
)
from conexus.indexing.event_loop import Loop
from conexus.indexing.maintenance import Maintenance
from conexus.indexing.model_switch import Takeover
from conexus.indexing.publish import Publisher
from conexus.indexing.refresh import Refresher
from conexus.indexing.request_gate import RequestGate
from conexus.indexing.scans import Found, Scanning
from conexus.indexing.search_mode import Tier
from conexus.indexing.worker_tasks import Task
from conexus.indexing.workspace_folder import TrackedFolder, track
from conexus.owned import hand_over
from conexus.processes.memory import trim
from conexus.processes.workers import WorkerProcesses
from conexus.segments.snapshot import Searchable
from conexus.storage.lance.schema import StoredFile
from conexus.storage.manifest import LoadedSegment
from conexus.workspace.documents import Document
from conexus.workspace.watcher import Watcher

if TYPE_CHECKING:
    from conexus.embedding.embedder import Embedder, LoadingEmbedder

log = logging.getLogger(__name__)

#: Seconds until whole segment files are checked again, after a check found no damage.
_VERIFY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Counts:
    """The progress of the indexer at one moment."""

    phase: str
    pending: int
    indexed_files: int
    total_files: int
    complete: bool


class Sync:
    """Handles the commands of ``loop``, whose thread, the indexer thread, owns it.

    Every change of the index is a command or a step of that loop, so there is one order of events and no lock around
    the index itself. Readers take ``searchable`` and never wait. Other threads may read the public attributes and call
    ``counts``, ``embedded_chunks``, ``is_quiescent``, ``tier`` and ``watching_problem``; ``close`` is called after the
    loop has stopped.
    """

    def __init__(
        self,
        settings: Settings,
        data_directory: Path,
        load_embedder: Callable[[], Embedder],
        load_slow: Callable[[Settings], LoadingEmbedder],
        processes: WorkerProcesses,
        *,
        prepare: Callable[[Searchable], None],
        on_publish: Callable[[int, tuple[str, ...]], None],
        on_progress: Callable[[int, int], None],
        on_status: Callable[[], None],
        on_settings_file: Callable[[str], None],
    ) -> None:
        """``load_embedder`` returns the shipped model, ``load_slow`` the model that ``settings.model`` names.

        ``processes`` may be starting already; ``close`` ends them. The callbacks run in the indexer thread: ``prepare``
        and ``on_publish`` as in ``Publisher``; ``on_progress`` gets the number of files done and of all files;
        ``on_status`` gets nothing; ``on_settings_file`` gets the folder whose conexus.toml may have changed.
        """
        self.settings = settings
        self.folders: dict[str, TrackedFolder] = {}
        #: The server's own watchers by root. They stay when a chosen model's index replaces a folder's index.
        self._watchers: dict[str, Watcher] = {}
        #: Whether the workspace folders are known, even if there are none.
        self._has_folders = False
        #: Why nothing can be indexed, in words for the user.
        self.problem: str | None = None
        self.paused = False
        self._data_directory = data_directory
        self._load_embedder = load_embedder
        self._on_progress, self._on_status, self._on_settings_file = on_progress, on_status, on_settings_file
        self._publisher = Publisher(prepare, on_publish)
        self._embedder: Embedder | None = None
        self.loop = Loop[Command](
            "conexus-indexer",
            start=self._begin,
            handle=self.handle,
            in_words=in_words,
            step=self._step,
            patience=self._patience,
            has_news=lambda: self._bulk.has_results,
            idle=self._report,
            failed=self._verify,
            settled=self.is_quiescent,
        )
        self._bulk = Bulk(processes, self.loop.wake)
        #: Requests in flight.
        self.requests = RequestGate()
        self._scanning = Scanning()
        self._refresher = Refresher(
            self.folders,
            self._bulk,
            self._scanning,
            self._publisher,
            on_hint=self._note_activity,
            on_refreshed=self._refreshed,
        )
        self.hint = self._refresher.hint
        self._maintenance = Maintenance(
            self._bulk,
            self._publisher,
            self.requests,
            partial(self.loop.post, awaited=False),
            self._refresher.open_in,
        )
        self._takeover = Takeover(load_slow, self.loop.post, self._tracked, self._install, data_directory)
        self._loading = 0
        #: When whole segment files may be checked again, in seconds on the monotonic clock.
        self._verify_due = 0.0
        #: Number of chunks that the shipped model embedded in folders that were closed or that it no longer answers
        #: for.
        self._embedded_before = 0
        self._reported: tuple[object, ...] = ()

    @property
    def searchable(self) -> Searchable:
        """What readers use, as it is now."""
        return self._publisher.searchable

    @property
    def documents(self) -> Mapping[str, Document]:
        """Open buffers by their identity. Only the indexer thread changes them."""
        return self._refresher.documents

    @property
    def dirty_buffers(self) -> int:
        """Number of open buffers whose text differs from the disk."""
        return sum(len(tracked.unsaved) for tracked in list(self.folders.values()))

    @property
    def model_problem(self) -> str | None:
        """Why the model that the user chose does not answer, in words for the user."""
        return self._takeover.problem

    def counts(self) -> Counts:
        """Returns the progress of the indexer. Any thread may call it."""
        folders = list(self.folders.values())
        buffers = self._refresher.orphans
        orphans = buffers.index.files if buffers is not None else 0
        indexed = sum(tracked.index.files for tracked in folders) + orphans
        total = sum(max(tracked.total_files - len(tracked.read_skipped), tracked.index.files) for tracked in folders)
        complete = self._has_folders and all(tracked.settled for tracked in folders) and self._bulk.idle
        pending = self._refresher.pending + self._bulk.pending + self._takeover.pending
        return Counts(self._phase(), pending, indexed, total + orphans, complete)

    def embedded_chunks(self) -> int:
        """Returns the number of chunks that the answering model embedded since the start, without reused vectors."""
        if self._takeover.embedder is not None:
            return self._takeover.embedded
        orphans = self._refresher.orphans.embedded if self._refresher.orphans is not None else 0
        return self._embedded_before + orphans + sum(map(self._embedded_in, list(self.folders.values())))

    def _embedded_in(self, tracked: TrackedFolder) -> int:
        return tracked.embedded if tracked.embedder is self._embedder else 0

    def close(self) -> None:
        """Writes what waits and stops all helpers, after the loop has stopped. The caller owns what the loop owned."""
        hand_over(self._bulk, self._scanning, self._maintenance, *self._maintenance.owned)
        for tracked in self.folders.values():
            hand_over(tracked, tracked.index, tracked.persistence)
        self._maintenance.tables.kill_if_starting()
        self._scanning.interrupt()
        self._bulk.interrupt()
        self._takeover.close()
        for watcher in self._watchers.values():
            watcher.stop()
        for tracked in self.folders.values():
            tracked.close()
        self._maintenance.close()
        for watcher in self._watchers.values():
            watcher.wait()
        if self._embedder is not None:
            self._embedder.close()

    # --- commands ---

    def handle(self, command: Command) -> None:
        """Executes a command."""
        match command:
            case OpenDocument(document=document):
                self._open_document(document)
            case ChangeDocument(identity=identity, text=text, version=version):
                if (former := self.documents.get(identity)) is not None:
                    self._open_document(Document(identity, text, version, former.language))
            case CloseDocument(identity=identity):
                self._refresher.documents.pop(identity, None)
                self.hint([identity])
            case Hint(paths=paths):
                self.hint(paths)
            case Rescan(root=root):
                if root in self.folders:
                    self.folders[root].scan_due = 0.0
            case SetFolders(roots=roots):
                self._set_folders(roots)
            case Configure(settings=settings):
                self._configure(settings)
            case SetPaused(paused=paused):
                self._set_paused(paused)
            case Reindex(folders=folders, paths=paths):
                self._reindex(folders, paths)
            case Clear():
                self._clear()
            case Verify(done=done):
                self._verify()
                if done is not None:
                    done.set()
            case Store(begun=begun):
                self._maintenance.storing = True
                begun.set()
            case Finished(take=take):
                take()

    def _open_document(self, document: Document) -> None:
        self._refresher.documents[document.id] = document
        self.hint([document.id])

    def _set_paused(self, paused: bool) -> None:
        self.paused = paused
        if paused:
            self._bulk.interrupt()
            self._scanning.interrupt()

    def _clear(self) -> None:
        for tracked in self.folders.values():
            tracked.persistence.clear()
        self._reindex((), ())

    def _verify(self) -> None:
        """Rebuilds the indexes whose segment files were overwritten, after a failure or if a file was touched."""
        if self._is_untouched() and time.monotonic() < self._verify_due:
            return
        damaged = [tracked for tracked in self.folders.values() if not tracked.index.is_whole()]
        if not damaged:
            # The failure is a defect in our code, and the next request may cause it again.
            self._verify_due = time.monotonic() + _VERIFY_SECONDS
            return
        for tracked in damaged:
            log.warning("files of the index of %s were overwritten; it is rebuilt", tracked.root)
            # The whole index, because vectors of overwritten rows may have been reused for rows that are intact.
            tracked.make_anew()
            self._forget(tracked.root)
        self.hint(self.documents)
        self._publish()

    def _is_untouched(self) -> bool:
        return all(tracked.index.is_untouched() for tracked in self.folders.values())

    # --- the loop ---

    @property
    def is_stored(self) -> bool:
        """Whether everything that was to be stored is stored or cannot be stored. Any thread may read it."""
        return not self._maintenance.storing

    def is_quiescent(self) -> bool:
        if self.loop.busy or self._refresher.pending or self._publisher.behind or self._embedder is None:
            return False
        settled = all(each.settled and not self._scanning.is_awaited(each) for each in self.folders.values())
        return self.paused or (settled and self._bulk.idle and not self._loading and not self._takeover.pending)

    def _phase(self) -> str:
        if self._embedder is None:
            return "starting"
        if self.paused:
            return "paused"
        if self._loading:
            return "loading"
        settled = self._bulk.idle and all(tracked.settled for tracked in self.folders.values())
        return "idle" if settled else "indexing"

    def _begin(self) -> bool:
        try:
            self._embedder = self._load_embedder()
        except Exception as error:
            log.exception("the model cannot be loaded")
            self.problem = str(error)
            self._on_status()
            return False
        self._refresher.begin(self._embedder)
        self._choose_model()
        return True

    def _patience(self) -> float:
        """Returns the seconds until something is due that wakes the loop by no event of its own."""
        now = time.monotonic()
        due = [now + (0.1 if self._maintenance.storing else 2.0), self._publisher.due]
        due += [self._refresher.typed_due, self._refresher.told_due]
        if self._maintenance.rest_due > now:
            due.append(self._maintenance.rest_due)
        if not self.paused:
            if self._bulk.can_work(workers=self._may_use_workers()):
                due.append(now)
            due += [self._scanning.due(tracked) for tracked in self.folders.values() if tracked.loaded]
        return max(0.0, min(due) - now)

    def _step(self) -> None:
        if not self._is_untouched():
            self._verify()
        now = time.monotonic()
        if now >= self._refresher.typed_due:
            self._refresher.refresh_typed()
            self._publish_changes()
        if now >= self._refresher.told_due and self._refresher.refresh_told(self._slice()):
            self._publish_changes()
        for done in self._bulk.results():
            self._refresher.add(done)
        if not self.paused:
            self._scan()
            self._work_off()
        if self._bulk.idle:
            self._end_of_bulk()
        if now >= self._publisher.due:
            self._publish()
        self._maintenance.run_due(list(self.folders.values()), self.settings.memory_mib << 20)

    def _end_of_bulk(self) -> None:
        for tracked in self.folders.values():
            if tracked.loaded and not tracked.settled and self._scanning.is_scanned(tracked):
                tracked.stale.clear()
                tracked.index.rest(self._refresher.open_in(tracked))
                tracked.complete = tracked.finishing = True
                self._maintenance.all_read()
                self._publisher.changed(tracked.root)
        if self._bulk.done:
            self._on_progress(self._bulk.done, self._bulk.done)
            self._bulk.done = 0
            trim()
        if not self._refresher.is_told:
            self._publish_changes()

    def _report(self) -> None:
        if self._maintenance.storing and self.is_quiescent():
            self._maintenance.storing = not all(map(_is_stored, self.folders.values()))
        problems = tuple((tracked.refused, tracked.persistence.problem) for tracked in self.folders.values())
        state = (self._phase(), self.is_quiescent(), self.problem, problems)
        if state != self._reported:
            self._reported = state
            self._on_status()

    # --- folders ---

    def _set_folders(self, roots: Sequence[str]) -> None:
        for root in [root for root in self.folders if root not in roots]:
            former = self.folders.pop(root)
            self._embedded_before += self._embedded_in(former)
            self._stop_watching(root)
            former.close()
            self._forget(root)
            self._refresher.forget(root)
        for root in roots:
            if root not in self.folders:
                self._track(root)
        self._has_folders = True
        self.hint(self.documents)

    def _track(self, root: str) -> None:
        tracked = self._tracked(root, self._model())
        self.folders[root] = tracked
        # Of an index that this engine has just closed, the first manifest may still have to be written.
        if tracked.stored.exists or tracked.reopened:
            self._loading += 1
            opened: Future[list[LoadedSegment]] = tracked.persistence.open()
            opened.add_done_callback(
                lambda future: self.loop.post(
                    Finished(f"loading the index of {root}", lambda: self._opened(tracked, future.result()))
                )
            )
        else:
            tracked.persistence.claim()
            tracked.adopted = True
            self._ready(tracked)
        self._takeover.build(root)

    def _tracked(self, root: str, embedder: Embedder) -> TrackedFolder:
        maintenance = self._maintenance
        tracked = track(root, self.settings, embedder, self._data_directory, maintenance.threads, maintenance.tables)
        tracked.stored.on_opened = lambda rows: self.loop.post(
            Finished(f"opening the tables of {root}", lambda: self._tables_opened(tracked, rows))
        )
        tracked.persistence.on_done = lambda: self.loop.post(
            Finished(f"writing the index of {root}", lambda: None), awaited=False
        )
        return tracked

    def _install(self, successor: TrackedFolder) -> bool:
        """Has a folder's new index searched from now on. Returns whether the folder is still open.

        A scan finds what changed while the new index was built.
        """
        former = self.folders.get(successor.root)
        if former is None:
            return False
        successor.settings, successor.rules = former.settings, former.rules
        self._embedded_before += self._embedded_in(former)
        former.close()
        self._forget(former.root)
        self.folders[successor.root] = successor
        self._ready(successor)
        self.hint(self.documents)
        return True

    def _forget(self, root: str) -> None:
        """Drops everything that is under way for a folder's present index."""
        self._scanning.forget(root)
        self._bulk.forget(root)
        self._maintenance.forget(root)
        self._publisher.changed(root)

    def _refreshed(self, tracked: TrackedFolder, path: str) -> None:
        if path == SETTINGS_FILE:
            self._on_settings_file(tracked.root)
        self._fill(tracked, path)

    def _fill(self, tracked: TrackedFolder, path: str) -> None:
        self._takeover.fill(tracked, path, lambda: self._filled(tracked, path))

    def _filled(self, tracked: TrackedFolder, path: str) -> None:
        """Has the new vectors of a file stored and published. Until now the file was searchable by words alone."""
        tracked.persistence.put([path])
        self._publisher.changed(tracked.root)

    def _choose_model(self) -> None:
        self._takeover.choose(self.settings, lambda: self.folders)

    # --- tables ---

    def _opened(self, tracked: TrackedFolder, loaded: Sequence[LoadedSegment]) -> None:
        self._loading -= 1
        if self.folders.get(tracked.root) is not tracked:
            return
        buffers = list(tracked.index.paths())
        tracked.load(loaded)
        self.hint([tracked.absolute(path) for path in buffers])  # the stored rows now hide the rows of open buffers
        self._publisher.changed(tracked.root)
        self._ready(tracked)

    def _tables_opened(self, tracked: TrackedFolder, rows: Mapping[str, StoredFile]) -> None:
        """Compares the tables of a folder that is searched. A folder that the embed thread builds opens none."""
        if self.folders.get(tracked.root) is tracked:
            tracked.compare(rows)

    def _ready(self, tracked: TrackedFolder) -> None:
        tracked.loaded = True
        self._watch(tracked)

    # --- watching ---

    def _watch(self, tracked: TrackedFolder) -> None:
        """Starts or stops the server's own watcher of a folder, as the folder's settings say."""
        root = tracked.root
        if tracked.wants_watcher and root not in self._watchers:
            watcher = Watcher(
                Path(root),
                lambda paths: self.loop.post(Hint(tuple(str(Path(root, path)) for path in paths), "watcher")),
                lambda reason: self.loop.post(Rescan(root, reason)),
                lambda path, is_directory: self._allows(root, path, is_directory=is_directory),
            )
            self._watchers[root] = watcher
            watcher.start()
        elif not tracked.wants_watcher:
            self._stop_watching(root)

    def _stop_watching(self, root: str) -> None:
        watcher = self._watchers.pop(root, None)
        if watcher is not None:
            watcher.stop()

    def _allows(self, root: str, path: str, *, is_directory: bool) -> bool:
        """Returns whether the present ignore rules let a path in. The watcher thread calls it."""
        tracked = self.folders.get(root)
        return tracked is not None and tracked.allows(path, is_directory)

    def watching_problem(self, root: str) -> str | None:
        """Returns why changes in a folder are noticed late, in a sentence for the user; None if they are not."""
        watcher = self._watchers.get(root)
        return None if watcher is None else watcher.degraded

    def _configure(self, settings: Settings) -> None:
        former, self.settings = self.settings, settings
        if settings.workers != former.workers:
            self._bulk.set_workers(settings.workers)
        if _model_settings(settings) != _model_settings(former):
            # A folder with an index by the shipped model keeps it, and it answers until the chosen model takes over.
            self._takeover.close()
            roots = list(self.folders)
            self._set_folders([root for root, tracked in self.folders.items() if tracked.embedder is self._embedder])
            self._set_folders(roots)
            self._choose_model()
        for tracked in self.folders.values():
            tracked.configure(settings)
            self._scanning.forget(tracked.root)
            tracked.scan_due = 0.0
            self._watch(tracked)

    # --- many files ---

    def _slice(self) -> Callable[[], bool]:
        """Starts a time slice. Returns a function that says whether there is time left.

        The slice ends after ``INLINE_SECONDS``, when an edit is due, when a command waits, or when the loop stops.
        """
        until = min(time.monotonic() + INLINE_SECONDS, self._refresher.typed_due)
        return lambda: time.monotonic() < until and not self.loop.waiting and not self.loop.stopping

    def _scan(self) -> None:
        now, has_time = time.monotonic(), self._slice()
        for tracked in self.folders.values():
            if tracked.loaded and self._scanning.due(tracked) <= now:
                for found in self._scanning.go_on(tracked, has_time, self._maintenance.active_at):
                    self._scanned(tracked, found)

    def _scanned(self, tracked: TrackedFolder, found: Found) -> None:
        if found.scan.refused is None:
            self._refresher.compare(tracked, found)
        elif found.below:
            # The folder may have to be refused as a whole: a scan of it decides.
            tracked.scan_due = 0.0
            return
        tracked.refused = found.scan.refused

    def _reindex(self, folders: Sequence[str], paths: Sequence[str]) -> None:
        self._refresher.renew(paths)
        for tracked in self.folders.values():
            if tracked.root in folders or not (folders or paths):
                tracked.rules.forget()
                tracked.renew("")
                tracked.complete = False
                tracked.scan_due = 0.0

    def _work_off(self) -> None:
        if self._bulk.idle:
            return
        self._note_activity()
        self._bulk.work_off(
            self._task, self._refresher.refresh, lambda: self.loop.waiting, workers=self._may_use_workers()
        )
        self._on_progress(self._bulk.done, self._bulk.done + self._bulk.pending)

    def _note_activity(self) -> None:
        self._maintenance.active_at = time.monotonic()

    def _task(self, root: str, paths: tuple[str, ...]) -> Task:
        tracked = self.folders[root]
        into = tracked.stored.path_of(tracked.stored.new_name())
        return Task(root, paths, self.settings.max_file_bytes, into, tracked.index.stored(paths))

    def _may_use_workers(self) -> bool:
        """Returns whether worker processes may read files. They have the shipped model alone."""
        return not any(isinstance(tracked.embedder, DeferredEmbedder) for tracked in self.folders.values())

    # --- publishing ---

    def tier(self, folder: str) -> Tier:
        """Returns where a folder's candidates come from."""
        return self._maintenance.tier(folder)

    def _publish_changes(self) -> None:
        if self._publisher.waiting:
            self._publish()

    def _publish(self) -> None:
        for root, tracked in self.folders.items():
            if tracked.index.seal(self._refresher.open_in(tracked)):
                self._publisher.changed(root)
        indexes = [tracked.index for tracked in self.folders.values()]
        chosen = self._takeover.embedder
        embedders = (self._model(),) if chosen is None else (self._model(), chosen)
        if self._refresher.orphans is not None:
            indexes.append(self._refresher.orphans.index)
        self._publisher.publish(indexes, embedders)

    def _model(self) -> Embedder:
        if self._embedder is None:
            raise RuntimeError("the thread runs only with a model")
        return self._embedder


def _is_stored(tracked: TrackedFolder) -> bool:
    return bool(tracked.persistence.problem) or tracked.persistence.in_step(tracked.index.base)


def _model_settings(settings: Settings) -> tuple[object, ...]:
    """Returns the settings that decide which model answers and how it runs."""
    return settings.model, settings.model_memory_mib, settings.model_timeout_seconds
