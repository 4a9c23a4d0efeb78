"""Keeps the state of one connection: the client, its folders, settings and open documents, and the engine."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from conexus import audit, escape, limits
from conexus.config import Settings, audit_place, default_data_directory, record_changes
from conexus.lsp import convert, errors, types
from conexus.lsp.announcer import Announcer
from conexus.lsp.client import Client
from conexus.lsp.configuration import SECTION, Configuration, symbols_wanted
from conexus.lsp.events import EventInbox
from conexus.lsp.progress import IndexProgress
from conexus.lsp.protocol import Protocol
from conexus.lsp.registrations import Registrations
from conexus.lsp.workers import Workers
from conexus.prewarm import WorkerProcesses, start_if_needed
from conexus.timing import SingleFlight
from conexus.values import Event, IndexChanged, Progress, SettingsFileChanged, StatusChanged
from conexus.workspace.documents import Document, Documents
from conexus.workspace.settings_file import SettingsFile, read_settings_file

if TYPE_CHECKING:
    from cattrs import Converter

    from conexus.engine import Engine
    from conexus.session import Session

logger = logging.getLogger(__name__)

#: Seconds that the engine's start waits for a client that does not answer `workspace/configuration`, and for the disk.
_CONFIGURATION_SECONDS = 3.0

#: Seconds after which a status that is still changing is checked again.
_RECHECK_SECONDS = 0.25

#: Maximum number of problems with settings that are shown one by one. A hostile file has thousands.
_MOST_PROBLEMS = 3
#: Maximum number of messages that are remembered, so that none is shown twice. Further problems are not shown.
_MOST_SHOWN = 1000

#: Seconds that `close` waits for an engine that is still starting.
_START_SECONDS = 10.0


class Connection:
    """The state of one connection. Only the event loop uses it; only the engine is shared with other threads."""

    client: Client

    def __init__(
        self,
        server: LanguageServer,
        protocol: Protocol,
        processes: WorkerProcesses,
        *,
        watch_parent: Callable[[int], bool],
    ) -> None:
        """``processes`` are the worker processes for indexing; their number is that of the default settings."""
        self.server = server
        self.protocol = protocol
        self._processes = processes
        #: Function that ends the server when the process with the given id ends; False if there is no such process.
        self.watch_parent = watch_parent
        self.configuration = Configuration()
        self.settings = Settings()
        #: The settings as they were recorded in the audit log; None until it is kept.
        self._recorded: Settings | None = None
        self.folders: tuple[Path, ...] = ()
        #: The open documents until the engine runs, which has them from then on.
        self._early_documents = Documents()
        #: Open documents whose text is not known, with the last text that was known. Until the client sends a whole
        #: text, their files on disk are searched.
        self.lost = Documents()
        self.workers = Workers()
        self.progress = IndexProgress(server, protocol, offered=lambda: self.client.shows_progress)
        self.announcer = Announcer(
            protocol,
            wants_index=lambda: self.client.wants_index_changed,
            wants_status=lambda: self.client.wants_server_status,
        )
        self.registrations = Registrations(server)
        self.symbols_offered = False
        self._recheck: asyncio.TimerHandle | None = None
        #: The engine's session of this connection, once the engine runs. Requests wait for it with `started`.
        self.session: Session | None = None
        self._engine: Engine | None = None
        self._started_at = 0.0
        self.failure = ""
        self._settled = False
        self._starting: asyncio.Task[Session] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._shown: set[str] = set()
        #: Lets one change of folders at a time reach the engine, so that the last one has the latest folders.
        self._changing_folders = asyncio.Lock()
        # Whatever number of notifications a client sends, one piece of each work is under way, and one waits.
        self._pulling: SingleFlight[bool] = SingleFlight()
        self._rereading: SingleFlight[bool] = SingleFlight()
        self._moving: SingleFlight[bool] = SingleFlight()
        self._reading: dict[Path | None, asyncio.Lock] = {}

    # --- life ---

    def introduce(self, client: Client, folders: tuple[Path, ...], options: object) -> None:
        """Stores what `initialize` says. Sends nothing and loads nothing heavy."""
        self.client = client
        self.folders = folders
        self.configuration.initialization_options = options
        # Without conexus.toml, because the answer must not wait for a disk.
        self.settings, _ = self.configuration.settings(client)
        self.protocol.configure(self.settings)
        self.symbols_offered = symbols_wanted(self.settings, client)

    def start(self) -> asyncio.Task[Session]:
        """Begins to start the engine, once. Call it after `initialize` is answered, because the import takes long."""
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._start())
            self._starting.add_done_callback(_look_at)
        return self._starting

    async def started(self) -> Session:
        """Returns the engine's session as soon as the engine runs.

        Raises:
            JsonRpcException: the engine could not be started.
        """
        return await asyncio.shield(self.start())

    async def _start(self) -> Session:
        try:
            return await self._start_engine()
        except Exception as error:
            if self._closing is None:
                logger.exception("The engine did not start")
                self.failure = f"Conexus could not start ({type(error).__name__}); its log says why."
            if self.session is not None:
                self._early_documents, self.session = self.session.documents, None
            self._processes.close()
            if self._closing is None:
                self.show(self.failure, lsp.MessageType.Error)
                self.announce_status()
            await self._close_engine()
            raise errors.request_failed(self.failure or "Conexus is shutting down.") from error

    async def _start_engine(self) -> Session:
        """Returns a session of a new engine, with the settings, documents and folders that the client sent.

        Raises any error of the engine or the disk, and RuntimeError if the connection closes meanwhile.
        """
        inbox = EventInbox(asyncio.get_running_loop(), self._handle_event)
        loading = asyncio.create_task(
            asyncio.to_thread(
                _load_engine, self._worker_processes(), self.settings, self.folders, self.protocol.converter
            )
        )
        # Settings that arrive later are applied when they arrive.
        await self._wait_for(self.configure(), self.read_settings_file())
        self._keep_audit()
        settings = self.settings
        engine_class = await loading
        self._engine = await asyncio.to_thread(engine_class, settings, processes=self._worker_processes())
        if self._closing is not None:
            # `_close` may have waited for `_START_SECONDS` and found no engine to close.
            raise RuntimeError("the connection was closed while the engine started")
        session = self._engine.open_session(encoding=self.client.encoding, listener=inbox.put)
        if settings != self.settings:
            session.configure(self.settings)
        session.put_documents(*self._early_documents)
        self._early_documents = Documents()
        # All objects that exist now stay for good. A search for garbage among them takes 100 ms and more, during which
        # nothing else runs, every few seconds of typing.
        gc.freeze()
        # From here on, the engine is notified of changes, so that none is missed while it starts.
        self.session = session
        async with self._changing_folders:
            await asyncio.to_thread(session.set_folders, self.folders)
        self._started_at = time.monotonic()
        self.announce_status()
        return session

    def _worker_processes(self) -> WorkerProcesses:
        """Returns as many worker processes as the settings want now.

        Processes that were begun before are replaced if there are more or fewer of them.
        """
        wanted = WorkerProcesses(self.settings.workers)
        if wanted.count != self._processes.count:
            self._processes.close()
            self._processes = wanted
        return self._processes

    def seconds_since_start(self) -> float:
        """Returns for how many seconds the engine has been running."""
        return time.monotonic() - self._started_at

    def close(self) -> asyncio.Task[None]:
        """Ends the work and closes the engine, once."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        return self._closing

    async def _close(self) -> None:
        self.progress.close()
        self.announcer.close()
        self.workers.close()
        self.protocol.cancel_background()
        if self._recorded is None:
            self._keep_audit()
        if self._starting is not None:
            await asyncio.wait({self._starting}, timeout=_START_SECONDS)
        await self._close_engine()

    async def _close_engine(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await asyncio.to_thread(engine.close)

    # --- documents ---

    @property
    def documents(self) -> Documents:
        """The open documents as the client sent them last."""
        return self._early_documents if self.session is None else self.session.documents

    def admits(self, document: Document) -> bool:
        """Returns whether there is room for a document beside the other open ones."""
        number, size_bytes = self.documents.size_with(document)
        return number <= self.settings.max_documents and size_bytes <= self.settings.max_documents_mib << 20

    def put_document(self, document: Document) -> None:
        """Adds an open document, or replaces its text."""
        if self.session is None:
            self._early_documents = self._early_documents.put(document)
        else:
            self.session.put_documents(document)

    def close_document(self, *documents: str) -> None:
        """Closes documents: their files are searched again."""
        if self.session is None:
            self._early_documents = self._early_documents.close(*documents)
        else:
            self.session.close_document(*documents)

    # --- settings ---

    async def configure(self) -> None:
        """Asks the client for its settings, if it supports that, and applies the settings.

        Returns at once if the client is being asked: it will be asked again after its answer.
        """
        self._pulling.request(True)
        while self._pulling.should_start():
            try:
                await self._pull()
            finally:
                self._pulling.finished()
            self.take_settings()

    async def _pull(self) -> None:
        if not self.client.pulls_configuration:
            return
        try:
            answer = await self.server.workspace_configuration_async(
                lsp.ConfigurationParams(items=[lsp.ConfigurationItem(section=SECTION)])
            )
            self.configuration.of_client = answer[0] if answer else None
        except Exception as error:  # whatever it answered, the engine must start  # noqa: BLE001
            logger.warning("The client did not send its settings: %s", error)

    def settings_file_changed(self) -> None:
        """Begins to read conexus.toml again."""
        self._rereading.request(True)
        if self._rereading.under_way is None:
            self.protocol.spawn(self._reread(), "reading conexus.toml")

    async def _reread(self) -> None:
        while self._rereading.should_start():
            try:
                await self.read_settings_file()
            finally:
                self._rereading.finished()

    async def read_settings_file(self) -> None:
        """Reads the first folder's conexus.toml, and applies the settings."""
        folder = self.folders[0] if self.folders else None
        # The file is read by one caller at a time, so that the last caller gets the latest content.
        async with self._reading.setdefault(folder, asyncio.Lock()):
            file = await asyncio.to_thread(_settings_file_of, folder)
        if folder == (self.folders[0] if self.folders else None):
            self.configuration.file = file
            self.take_settings()

    async def set_folders(self, folders: tuple[Path, ...]) -> None:
        """Changes the folders, and applies the settings of the first."""
        self.folders = folders
        self._moving.request(True)
        while self._moving.should_start():
            try:
                await self._wait_for(self.read_settings_file())
                async with self._changing_folders:
                    if self.session is not None:
                        await asyncio.to_thread(self.session.set_folders, self.folders)
            finally:
                self._moving.finished()

    async def _wait_for(self, *sources: Coroutine[Any, Any, None]) -> None:
        """Waits for settings, at most ``_CONFIGURATION_SECONDS``. Later settings are applied when they arrive."""
        tasks = [self.protocol.spawn(source, "reading the settings") for source in sources]
        _, late = await asyncio.wait(tasks, timeout=_CONFIGURATION_SECONDS)
        if late:
            logger.warning("The client did not answer workspace/configuration, or conexus.toml cannot be read")

    def take_settings(self) -> None:
        """Merges the layers of the settings, reports what was not understood, and applies the settings."""
        former = self.settings
        self.settings, problems = self.configuration.settings(self.client)
        new = [problem for problem in problems if problem not in self._shown][: _MOST_SHOWN - len(self._shown)]
        self._shown.update(new)
        for problem in new[:_MOST_PROBLEMS]:
            audit.record("settingRefused", reason=problem)
            self.show(problem, lsp.MessageType.Warning)
        if more := new[_MOST_PROBLEMS:]:
            self.show(f"{len(more)} more settings were not accepted; the log lists them.", lsp.MessageType.Warning)
            for problem in more:
                logger.warning("%s", problem)
        self.protocol.configure(self.settings)
        if self.session is not None and self.settings != former:
            self.session.configure(self.settings)
        if self._recorded is not None:
            self._keep_audit()
        self.protocol.spawn(
            self.registrations.follow(self.settings, self.client, symbols_offered=self.symbols_offered),
            "registering with the client",
        )

    def _keep_audit(self) -> None:
        """Has the audit log kept as the settings say, and records how they changed."""
        former, self._recorded = self._recorded, self.settings
        place = audit_place(self.settings, "serve")
        if place is not None and (former is None or place != audit_place(former, "serve")):
            audit.keep(place)
        record_changes(former or Settings(), self.settings, self.configuration.layers())
        if place is None:
            audit.keep(None)  # only now, so that this change is recorded, too

    def show_once(self, message: str) -> None:
        """Shows the user a message that needs action, unless it was shown before."""
        if message not in self._shown and len(self._shown) < _MOST_SHOWN:
            self._shown.add(message)
            self.show(message, lsp.MessageType.Warning)

    def tell(self, message: str, kind: lsp.MessageType = lsp.MessageType.Info) -> None:
        """Shows the user a message. Every message is shown by this method, because foreign text is escaped here."""
        self.server.window_show_message(lsp.ShowMessageParams(type=kind, message=errors.for_client(message)))

    def show(self, message: str, kind: lsp.MessageType) -> None:
        """Shows the user a message that needs action, and logs it."""
        logger.log(logging.ERROR if kind is lsp.MessageType.Error else logging.WARNING, "%s", message)
        self.tell(message, kind)
        self.server.window_log_message(lsp.LogMessageParams(type=kind, message=errors.for_client(message)))

    # --- status and events of the engine ---

    def status(self) -> types.StatusResult:
        """Returns the engine's status, or a status that says that there is no engine yet."""
        if self.session is not None:
            status = self.session.status()
            message = " ".join(filter(None, (status.message, self.configuration.note)))
            return convert.status(replace(status, message=message))
        return types.StatusResult(
            quiescent=False,
            health="error" if self.failure else "ok",
            message=self.failure or "Starting",
            files=0,
            chunks=0,
            pending=0,
            dirty_buffers=0,
            embedded_chunks=0,
            generation=0,
            model=types.ModelStatus(name=escape.message(self.settings.model), dimensions=0, fingerprint=""),
            folders=[],
            phase="failed" if self.failure else "starting",
            paused=False,
            memory_bytes=0,
            index_bytes=0,
            role="reader",
            limits=limits.counts(),
            protocol_version=types.PROTOCOL_VERSION,
        )

    def announce_status(self) -> None:
        """Sends the client a changed status, and ends the progress bars of work that is done."""
        if self._recheck is not None:
            self._recheck.cancel()
            self._recheck = None
        if self._closing is not None:
            return
        status = self.status()
        self.announcer.status(status)
        if status.quiescent or self.failure:
            self.progress.settle()
            if not self._settled:
                self._settled = True
                # Objects that the first index left stay for good, too; see `_start`.
                gc.freeze()
        elif self.session is not None and (self.client.wants_server_status or self.progress.awaits_settling):
            # The engine may be done so soon that it sends no event. The status that we sent must not stay.
            self._recheck = asyncio.get_running_loop().call_later(_RECHECK_SECONDS, self.announce_status)

    def _handle_event(self, event: Event) -> None:
        if self._closing is not None:
            return
        match event:
            case Progress():
                self.progress.update(event)
            case IndexChanged():
                self.announcer.index_changed(event)
            case SettingsFileChanged():
                if self.folders and event.folder == str(self.folders[0]):
                    self.settings_file_changed()
            case StatusChanged():
                if self.session is not None:
                    self.announce_status()


def _settings_file_of(folder: Path | None) -> SettingsFile:
    return SettingsFile() if folder is None else read_settings_file(folder)


def _load_engine(
    processes: WorkerProcesses, settings: Settings, folders: tuple[Path, ...], converter: Converter
) -> type[Engine]:
    # Importing the engine takes a third of a second. Worker processes start at the same time.
    start_if_needed(processes, settings, folders, default_data_directory())

    from conexus.engine import Engine

    # The converter makes these functions when they are first requested, which would take 3 ms of the first answer.
    converter.get_structure_hook(types.SearchParams)
    converter.get_unstructure_hook(types.SearchResult)
    return Engine


def _look_at(task: asyncio.Task[Session]) -> None:
    """Reads a task's failure. Every waiter gets it, but without a waiter, asyncio would report it a second time."""
    if not task.cancelled():
        task.exception()
