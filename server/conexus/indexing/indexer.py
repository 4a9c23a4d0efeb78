"""Keeps every session's snapshot equal to the workspace: the indexer thread, its commands, and its steps."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from conexus import audit, limits
from conexus.config import Settings
from conexus.embedding.transformer.deferred import DeferredEmbedder
from conexus.indexing.bulk_reader import INLINE_SECONDS, Bulk
from conexus.indexing.commands import (
    CandidatesReady,
    Cause,
    Clear,
    CloseSession,
    Command,
    Configure,
    FolderBuilt,
    Hint,
    IndicesMade,
    MergeFinished,
    ModelReady,
    OpenSession,
    Reindex,
    Rescan,
    SegmentsLoaded,
    SetDocuments,
    SetFolders,
    SetPaused,
    Store,
    TablesOpened,
    VectorsMade,
    Verify,
    WriteFinished,
    in_words,
)
from conexus.indexing.event_loop import Loop
from conexus.indexing.maintenance import Maintenance
from conexus.indexing.memory_limits import MemoryLimits
from conexus.indexing.publish import Publisher, publish_state
from conexus.indexing.request_gate import RequestGate
from conexus.indexing.scans import Found, Scanning
from conexus.indexing.session_index import SessionClient, SessionIndex
from conexus.indexing.state import FolderState, IndexerState
from conexus.indexing.worker_tasks import Task
from conexus.indexing.workspace import Workspace
from conexus.indexing.workspace_folder import WorkspaceFolder
from conexus.limits import Limit
from conexus.owned import hand_over
from conexus.processes.memory import private_bytes, trim
from conexus.processes.workers import WorkerProcesses
from conexus.segments.snapshot import FileKey, Searchable
from conexus.timing import Deadline
from conexus.values import Event, Progress, SettingsFileChanged, StatusChanged
from conexus.workspace.documents import Documents
from conexus.workspace.scan import CONSENT

if TYPE_CHECKING:
    from conexus.embedding.embedder import Embedder, LoadingEmbedder

log = logging.getLogger(__name__)

#: Seconds until whole segment files are checked again, after a check found no damage.
_VERIFY_SECONDS = 60.0
#: Largest number of quarantined files that the status names.
_MOST_NAMED = 20
#: Seconds between two looks at the memory of this process; and the share of the limit below which indexing goes on.
_MEMORY_SECONDS, _ENOUGH = 1.0, 0.9


class Indexer:
    """Owns the indexes of all folders and sessions, in a thread of its own.

    Every change is a command or a step of that thread, so there is one order of events and no lock around an index.
    Any thread may call the methods of the first part, which post commands and return at once, except ``stop`` and the
    ``wait`` methods. Readers take the states that are published (``SessionClient.published``, ``state``) and never
    wait. All other methods run in the indexer thread.
    """

    def __init__(
        self,
        settings: Settings,
        data_directory: Path,
        load_embedder: Callable[[], Embedder],
        load_chosen_model: Callable[[Settings], LoadingEmbedder],
        processes: WorkerProcesses,
        prepare: Callable[[Searchable, bool, Settings], None],
    ) -> None:
        """``load_embedder`` returns the shipped model, ``load_chosen_model`` the model that ``settings.model`` names.

        ``settings`` apply until the first session is opened. ``processes`` may be starting already; ``stop`` ends them.
        ``prepare`` gets each ``Searchable`` before it is published, whether it is complete, and the settings; it runs
        in the indexer thread.
        """
        #: Requests in flight.
        self.requests = RequestGate()
        #: What is the same for all sessions, as of the latest moment between two steps.
        self.state = IndexerState()
        #: Whether the clients want indexing to pause. Any thread sets it, so that the status says so at once.
        self.paused = False
        self._clients: tuple[SessionClient, ...] = ()
        self._clients_changing = threading.Lock()
        self._problem: str | None = None
        self._load_embedder, self._prepare = load_embedder, prepare
        self._data_directory = data_directory
        self._loop = Loop[Command](
            "conexus-indexer",
            start=self._begin,
            handle=self._handle,
            in_words=in_words,
            step=self._step,
            has_news=lambda: self._bulk.has_results,
            idle=self._report,
            failed=self._verify,
            settled=lambda: self.state.quiescent,
        )
        self._publisher = Publisher(self._prepare_session)
        self._bulk = Bulk(processes, self._loop.wake, MemoryLimits.of(settings).workers_mib)
        self._scanning = Scanning()
        self._maintenance = Maintenance(
            self._bulk, self._publisher, self.requests, partial(self._loop.post, awaited=False)
        )
        self._workspace = Workspace(
            settings,
            data_directory,
            load_chosen_model,
            self._loop,
            self._bulk,
            self._scanning,
            self._publisher,
            self._maintenance,
            on_settings_file=lambda root: self._notify(SettingsFileChanged(root), root),
        )
        self._folders, self._refresher = self._workspace.folders, self._workspace.refresher
        #: When a scan is due, or files can be read.
        self._work_due = Deadline()
        #: When the memory of this process is examined next; whether it is above ``server_memory_mib``.
        self._memory_due = Deadline()
        self._over_memory = False
        #: When whole segment files may be checked again, in seconds on the monotonic clock.
        self._verify_due = 0.0
        self._reported: object = None

    # --- any thread ---

    def start(self) -> None:
        """Starts the indexer thread, once."""
        self._loop.begin()

    def stop(self) -> None:
        """Ends the thread after its current step, writes what waits and stops all helpers. Blocks until then."""
        self._loop.stop()
        for command in self._loop.dropped:
            if isinstance(command, FolderBuilt):
                command.folder.close()
        self._shut_down()

    def open_session(self, client: SessionClient, settings: Settings) -> None:
        """Begins a session."""
        with self._clients_changing:
            self._clients = (*self._clients, client)
        client.published.state = replace(client.published.state, indexer=self.state)
        self._loop.post(OpenSession(client, settings))

    def close_session(self, client: SessionClient) -> None:
        """Ends a session. Its folders are closed unless another session has them."""
        with self._clients_changing:
            self._clients = tuple(each for each in self._clients if each is not client)
        self._loop.post(CloseSession(client))

    def set_folders(self, client: SessionClient, roots: Sequence[str]) -> None:
        """Sets a session's folders: absolute paths, none below another."""
        self._loop.post(SetFolders(client, tuple(roots)))

    def configure(self, client: SessionClient, settings: Settings) -> None:
        """Sets a session's settings; the changes that follow from them are made in the background."""
        self._loop.post(Configure(client, settings))

    def set_documents(self, client: SessionClient, documents: Documents, changed: Iterable[str]) -> None:
        """Sets a session's open documents, of which those in ``changed`` were opened, edited or closed."""
        self._loop.post(SetDocuments(client, documents, tuple(changed)))

    def hint(self, paths: Iterable[str], cause: Cause) -> None:
        """Reports that these absolute paths, or something below them, may have changed."""
        self._loop.post(Hint(tuple(paths), cause))

    def reindex(self, roots: Sequence[str], paths: Sequence[str]) -> None:
        """Rebuilds the rows of these folders and of these paths."""
        self._loop.post(Reindex(tuple(roots), tuple(paths)))

    def set_paused(self, paused: bool) -> None:
        """Pauses or resumes scans and the reading of files in bulk; open documents and hints are still handled."""
        self.paused = paused
        self._loop.post(SetPaused(paused))

    def clear(self, roots: Sequence[str]) -> None:
        """Deletes the stored rows of these folders and rebuilds them."""
        self._loop.post(Clear(tuple(roots)))

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
        return self._loop.wait(lambda: begun.is_set() and self.state.stored, timeout)

    @property
    def quiescent(self) -> bool:
        """Whether every hint given so far is searchable and each folder was compared with the disk once."""
        return self._loop.holds(self._is_quiescent)

    def wait(self, timeout: float | None = None) -> bool:
        """Blocks until the indexer is quiescent.

        Returns False on time-out, or if the indexer was stopped before. ``timeout`` is in seconds.
        """
        return self._loop.wait(self._is_quiescent, timeout)

    def _is_quiescent(self) -> bool:
        return self.state.quiescent and not self._loop.busy

    # --- commands ---

    def _handle(self, command: Command) -> None:
        match command:
            case OpenSession(client=client, settings=settings):
                self._workspace.open_session(client, settings)
            case CloseSession(client=client):
                self._workspace.close_session(client)
            case SetFolders(client=client, roots=roots):
                self._workspace.set_folders(client, roots)
                self._reported = None  # the session's client has not heard of anything yet
            case Configure(client=client, settings=settings):
                self._workspace.set_settings(client, settings)
            case SetDocuments(client=client, documents=documents, changed=changed):
                self._workspace.set_documents(client, documents, changed)
            case Hint(paths=paths):
                self._refresher.hint(paths)
            case Reindex(roots=roots, paths=paths):
                self._reindex(roots, paths)
            case Clear(roots=roots):
                folders = self._present(roots)
                for folder in folders:
                    audit.record("indexCleared", index=folder.stored.directory.name)
                self._make_anew(folders)
            case SetPaused(paused=paused):
                self._set_paused(paused)
            case Verify(done=done):
                try:
                    self._verify()
                finally:
                    if done is not None:
                        done.set()
            case Store(begun=begun):
                self._maintenance.storing = True
                self.state = replace(self.state, stored=False)
                begun.set()
            case Rescan(root=root):
                if root in self._folders.by_root:
                    self._folders.by_root[root].scan_due = 0.0
            case SegmentsLoaded():
                if self._folders.load(command):
                    self._publisher.mark_dirty(command.folder.root)
                    # The text of saved documents is in the folder's index from now on.
                    self._refresher.hint_all_documents(command.folder.root)
            case TablesOpened():
                self._folders.compare(command)
            case ModelReady():
                self._workspace.switch.build_all(command, self._folders.by_root)
            case FolderBuilt():
                self._workspace.install(command)
            case VectorsMade():
                self._workspace.switch.take(command)
            case MergeFinished(root=root, name=name):
                self._maintenance.merging.finished(root, name)
            case IndicesMade(root=root, state=state, made=made):
                self._maintenance.search_modes.indices_made(root, state, made=made)
            case CandidatesReady(root=root, state=state, ready=ready):
                self._maintenance.search_modes.candidates_ready(root, state, ready=ready)
            case WriteFinished(root=root):
                if root in self._folders.by_root:
                    self._folders.by_root[root].write_behind.collect()

    def _set_paused(self, paused: bool) -> None:
        if paused:
            self._bulk.interrupt()
            self._scanning.interrupt()

    def _reindex(self, roots: Sequence[str], paths: Sequence[str]) -> None:
        self._refresher.renew(paths)
        for folder in self._present(roots):
            audit.record("indexRebuilt", index=folder.stored.directory.name, reason="requested")
            folder.rules.forget()
            folder.renew("")
            folder.complete = False
            folder.scan_due = 0.0

    def _present(self, roots: Iterable[str]) -> list[WorkspaceFolder]:
        return [self._folders.by_root[root] for root in roots if root in self._folders.by_root]

    def _verify(self) -> None:
        """Rebuilds the indexes whose segment files were overwritten, after a failure or if a file was touched."""
        if self._is_untouched() and time.monotonic() < self._verify_due:
            return
        damaged = [folder for folder in self._folders.by_root.values() if not folder.index.is_whole()]
        if not damaged:
            # The failure is a defect in our code, and the next request may cause it again.
            self._verify_due = time.monotonic() + _VERIFY_SECONDS
            return
        for folder in damaged:
            log.warning("files of the index of %s were overwritten; it is rebuilt", folder.root)
            audit.record("indexRebuilt", index=folder.stored.directory.name, reason="files were overwritten")
        # The whole indexes, because vectors of overwritten rows may have been reused for rows that are intact.
        self._make_anew(damaged)
        self._publish()

    def _make_anew(self, folders: Iterable[WorkspaceFolder]) -> None:
        """Drops everything that is searchable and stored of some folders. A scan has every file read again."""
        for folder in folders:
            folder.make_anew()
            self._workspace.forget(folder.root)
            for session in self._workspace.sessions.values():
                session.forget(folder.root)
            self._refresher.hint_all_documents(folder.root)

    def _is_untouched(self) -> bool:
        return all(folder.index.is_untouched() for folder in self._folders.by_root.values())

    # --- the loop ---

    def _begin(self) -> bool:
        try:
            embedder = self._load_embedder()
        except Exception as error:
            log.exception("the model cannot be loaded")
            self._problem = str(error)
            self.state = replace(self.state, problem=self._problem)
            for client in self._clients:
                client.published.state = replace(client.published.state, indexer=self.state)
            self._notify(StatusChanged())
            return False
        self._loop.watch(
            self._refresher.edits.due,
            self._refresher.files.due,
            self._publisher.due,
            self._work_due,
            self._bulk.retry.next_try,
            self._memory_due,
            *self._maintenance.deadlines,
        )
        self._workspace.begin(embedder)
        return True

    def _plan(self) -> None:
        """Sets when scans and the reading of files go on."""
        due = [self._scanning.due(folder) for folder in self._folders.by_root.values() if folder.loaded]
        if self._bulk.can_work(workers=self._may_use_workers()):
            due.append(0.0)
        if self._rests or not due:
            self._work_due.clear()
        else:
            self._work_due.set_in(max(0.0, min(due) - time.monotonic()))

    def _step(self) -> None:
        self._folders.try_again()
        if not self._is_untouched():
            self._verify()
        self._look_at_memory()
        if self._refresher.edits.due.is_due():
            until = time.monotonic() + INLINE_SECONDS
            self._refresher.refresh_edits(lambda: time.monotonic() < until and not self._loop.waiting)
            self._publish_changes()
        if self._refresher.files.due.is_due() and self._refresher.refresh_files(self._slice(), defer=self._over_memory):
            self._publish_changes()
        for done in self._bulk.results():
            self._refresher.add(done)
        if not self._rests:
            self._scan()
            self._work_off()
        if self._bulk.idle:
            self._end_of_bulk()
        if self._publisher.due.is_due():
            self._publish()
        folders, settings = list(self._folders.by_root.values()), self._workspace.settings
        self._maintenance.run_due(folders, settings.memory_mib << 20)
        self._maintenance.clean_if_due(folders, self._data_directory, settings)
        self._plan()

    @property
    def _rests(self) -> bool:
        """Whether no file is read and no folder is scanned now."""
        return self.paused or self._over_memory

    def _look_at_memory(self) -> None:
        """Stops the reading of files while this process uses more memory than it may, at most once a second."""
        if self._memory_due.is_set and not self._memory_due.is_due():
            return
        self._memory_due.set_in(_MEMORY_SECONDS)
        most = self._memory.server_mib << 20
        used = private_bytes(os.getpid())
        if used > most and not self._over_memory:
            # Before anything is stopped: caches may be all that is too much.
            self._maintenance.drop_caches()
            used = private_bytes(os.getpid())
        over = used > most * (_ENOUGH if self._over_memory else 1)
        if over and not self._over_memory:
            limits.hit(Limit.SERVER_MEMORY)
            self._bulk.interrupt()
            self._scanning.interrupt()
        self._over_memory = over

    @property
    def _memory(self) -> MemoryLimits:
        return self._workspace.memory

    def _indexing_problem(self) -> str | None:
        """Returns why some files are not indexed at present, in words for the user; None if nothing prevents it."""
        if self._over_memory:
            return f"more than {self._memory.server_mib} MiB are in use; no more files are indexed until less are"
        if self._bulk.cannot_run:
            return f"worker processes cannot run here, so {self._bulk.stranded} files are not indexed"
        return None

    def _slice(self) -> Callable[[], bool]:
        """Starts a time slice. Returns a function that says whether there is time left.

        The slice ends after ``INLINE_SECONDS``, when an edit is due, when a command waits, or when the loop stops.
        """
        until = min(time.monotonic() + INLINE_SECONDS, self._refresher.edits.due.at)
        return lambda: time.monotonic() < until and not self._loop.waiting and not self._loop.stopping

    def _scan(self) -> None:
        now, has_time = time.monotonic(), self._slice()
        for folder in self._folders.by_root.values():
            if folder.loaded and self._scanning.due(folder) <= now:
                for found in self._scanning.go_on(folder, has_time, self._maintenance.active_at):
                    self._scanned(folder, found)

    def _scanned(self, folder: WorkspaceFolder, found: Found) -> None:
        refused = found.scan.refused
        if found.below and refused is not None:
            # The folder may have to be refused as a whole: a scan of it decides.
            folder.scan_due = 0.0
        elif not found.below and refused != folder.refused:
            folder.refused = refused
            if refused is not None:
                reason = "needs allowLargeFolders" if refused.endswith(CONSENT) else "unreadable"
                audit.record("indexRefused", index=folder.stored.directory.name, reason=reason)
            self._folders.watch(folder)
            self._refresher.hint_all_documents(folder.root)
        if refused is None:
            self._refresher.compare(folder, found)

    def _work_off(self) -> None:
        workers = self._may_use_workers()
        if self._bulk.idle and not self._bulk.can_work(workers=workers):
            return
        self._maintenance.note_activity()
        self._bulk.work_off(self._task, self._read_queued, self._size_of, lambda: self._loop.waiting, workers=workers)
        self._notify(Progress("Indexing", self._bulk.done, self._bulk.done + self._bulk.pending))

    def _task(self, root: str, paths: tuple[str, ...], memory: int) -> Task:
        folder = self._folders.by_root[root]
        into = folder.stored.path_of(folder.stored.new_name())
        return Task(root, paths, folder.bounds, into, folder.stored.version, memory, folder.index.stored(paths))

    def _read_queued(self, key: FileKey) -> None:
        self._refresher.refresh_file(key, scanned=True)

    def _size_of(self, key: FileKey) -> int:
        root, path = key
        folder = self._folders.by_root.get(root)
        return 0 if folder is None else folder.size_of(path)

    def _may_use_workers(self) -> bool:
        """Returns whether worker processes may read files. They have the shipped model alone."""
        return not any(isinstance(folder.embedder, DeferredEmbedder) for folder in self._folders.by_root.values())

    def _end_of_bulk(self) -> None:
        for root, folder in self._folders.by_root.items():
            changes = folder.index.changes
            again = folder.keep_within(last=True)
            self._bulk.add((root, path) for path in again)
            if again or folder.index.changes != changes:
                self._publisher.mark_dirty(root)
        if not self._bulk.idle:
            return
        for folder in self._folders.by_root.values():
            if folder.loaded and not folder.settled and self._scanning.is_scanned(folder):
                folder.stale.clear()
                folder.index.compact_overlay()
                folder.complete = folder.finishing = True
                self._maintenance.all_read()
                self._publisher.mark_dirty(folder.root)
        if self._bulk.done:
            self._notify(Progress("Indexing", self._bulk.done, self._bulk.done))
            self._bulk.done = 0
            trim()
        if not self._refresher.files:
            self._publish_changes()

    # --- publishing ---

    def _publish_changes(self) -> None:
        if self._publisher.waiting:
            self._publish()

    def _publish(self) -> None:
        for root, folder in self._folders.by_root.items():
            if folder.index.flush_overlay():
                self._publisher.mark_dirty(root, content_changed=False)
        embedders = self._workspace.embedders
        events = self._publisher.publish(self._workspace.sessions.values(), self._folders.by_root, embedders)
        self._publish_states()
        for session, event in events:
            _tell(session.client, event)

    def _prepare_session(self, session: SessionIndex, searchable: Searchable) -> None:
        complete = self._all_read() and session.roots is not None
        try:
            self._prepare(searchable, complete, self._workspace.settings)
        except Exception:
            # The first request would derive the data instead; a failure here must not prevent the publication.
            log.exception("the index could not be prepared for queries")
            self.verify()

    def _all_read(self) -> bool:
        return self._bulk.idle and all(folder.settled for folder in self._folders.by_root.values())

    def _publish_states(self) -> None:
        """Publishes how far the index is, as one value for each session."""
        folders = self._folders.by_root.values()
        self.state = IndexerState(
            phase=self._phase(),
            pending=self._refresher.pending + self._bulk.pending + self._workspace.switch.pending,
            quiescent=self._settled(),
            stored=not self._maintenance.storing,
            storing_problem=next((each.write_behind.problem for each in folders if each.write_behind.problem), None),
            embedded_chunks=self._workspace.embedded_chunks(),
            indexing_problem=self._indexing_problem(),
            problem=self._problem,
            model_problem=self._workspace.switch.problem,
        )
        for session in self._workspace.sessions.values():
            publish_state(session, self._folders.by_root, self.state, self._folder_state, all_read=self._bulk.idle)

    def _folder_state(self, folder: WorkspaceFolder) -> FolderState:
        return FolderState(
            folder.root,
            complete=folder.complete,
            skipped=folder.skipped(),
            quarantined=tuple(islice(folder.left_out.quarantined, _MOST_NAMED)),
            role=folder.stored.role,
            search_mode=self._maintenance.search_mode(folder.root),
            size_bytes=folder.stored.state.size_bytes,
            problem=self._folders.problem(folder),
        )

    def _phase(self) -> str:
        if self._workspace.embedder is None:
            return "starting"
        if self.paused:
            return "paused"
        if self._folders.loading:
            return "loading"
        return "idle" if self._all_read() else "indexing"

    def _settled(self) -> bool:
        """Returns whether the indexer has nothing to do that anyone waits for, if no command waits."""
        if self._refresher.pending or self._publisher.behind or self._workspace.embedder is None:
            return False
        folders = self._folders.by_root.values()
        settled = all(each.settled and not self._scanning.is_awaited(each) for each in folders)
        return self._rests or (
            settled and self._bulk.idle and not self._folders.loading and not self._workspace.switch.pending
        )

    def _report(self) -> None:
        """Publishes the state before the loop waits, and tells the clients if it changed."""
        if self._maintenance.storing and self._settled() and not self._loop.is_awaited:
            self._maintenance.storing = not all(map(_is_stored, self._folders.by_root.values()))
        self._publish_states()
        folders = map(self._folders.problem, self._folders.by_root.values())
        problems = (*folders, self.state.indexing_problem, self.state.problem)
        state = (self.state.phase, self.state.quiescent, self.paused, problems)
        if state != self._reported:
            self._reported = state
            self._notify(StatusChanged())

    def _notify(self, event: Event, root: str | None = None) -> None:
        """Passes an event to the clients, or to those that have a folder."""
        if root is None:
            for client in self._clients:
                _tell(client, event)
        else:
            for session in self._workspace.sessions.values():
                if root in session:
                    _tell(session.client, event)

    # --- the end ---

    def _shut_down(self) -> None:
        """Writes what waits and stops all helpers, after the loop has stopped. The caller owns what the loop owned."""
        hand_over(self._bulk, self._scanning, self._folders, self._maintenance, *self._maintenance.to_hand_over)
        self._maintenance.tables.kill_if_starting()
        self._scanning.interrupt()
        self._bulk.interrupt()
        self._workspace.switch.close()
        self._folders.shut_down()
        self._maintenance.close()
        self._folders.wait_for_watchers()
        if self._workspace.embedder is not None:
            self._workspace.embedder.close()


def _tell(client: SessionClient, event: Event) -> None:
    """Passes an event to a client. A listener that raises harms nobody else."""
    try:
        client.listener(event)
    except Exception:
        log.exception("a listener failed for %s", type(event).__name__)


def _is_stored(folder: WorkspaceFolder) -> bool:
    return bool(folder.write_behind.problem) or folder.write_behind.in_step(folder.index.base)
