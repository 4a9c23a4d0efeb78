"""What one connection knows: the client, its folders, settings and open documents, and the engine."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from conexus import escape
from conexus.config import Settings, default_data_directory
from conexus.index.ahead import start_if_needed
from conexus.index.worker_processes import WorkerProcesses
from conexus.lsp import convert, errors, types
from conexus.lsp.announcer import Announcer
from conexus.lsp.client import Client
from conexus.lsp.configuration import SECTION, Configuration, symbols_wanted
from conexus.lsp.events import EventInbox
from conexus.lsp.progress import IndexProgress
from conexus.lsp.protocol import Protocol
from conexus.lsp.registrations import Registrations
from conexus.lsp.workers import Workers
from conexus.values import Event, IndexChanged, Progress, SettingsFileChanged, StatusChanged
from conexus.workspace.documents import Documents
from conexus.workspace.settings_file import SettingsFile, read_settings_file

if TYPE_CHECKING:
    from cattrs import Converter

    from conexus.engine import Engine

logger = logging.getLogger(__name__)

#: How long the engine's start waits for a client that does not answer `workspace/configuration`.
_CONFIGURATION_SECONDS = 3.0

#: How soon a status that is still changing is looked at again.
_RECHECK_SECONDS = 0.25

#: Problems with settings that are shown one by one; a hostile file has thousands.
_MOST_PROBLEMS = 3

#: How long the end waits for an engine that is still being made.
_START_SECONDS = 10.0


class Session:
    """All of it lives on the event loop; only the engine is shared with other threads."""

    client: Client

    def __init__(
        self,
        server: LanguageServer,
        protocol: Protocol,
        processes: WorkerProcesses,
        *,
        watch_parent: Callable[[int], bool],
    ) -> None:
        """``processes``: who will index; their number is what the settings say unasked."""
        self.server = server
        self.protocol = protocol
        self._processes = processes
        #: Ends the server when the process with this id does.
        self.watch_parent = watch_parent
        self.configuration = Configuration()
        self.settings = Settings()
        self.folders: tuple[Path, ...] = ()
        self.documents = Documents()
        #: Documents that the client has open and whose text is not known, as they were last known. Their files answer
        #: until the client sends a whole text.
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
        #: The engine once it runs. Questions wait for it with `started`.
        self.engine: Engine | None = None
        self._started_at = 0.0
        self.failure = ""
        self._settled = False
        self._starting: asyncio.Task[Engine] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._shown: set[str] = set()
        #: One after the other; the last one to be told has the latest folders.
        self._changing_folders = asyncio.Lock()
        self._reading: dict[Path | None, asyncio.Lock] = {}

    # --- life ---

    def introduce(self, client: Client, folders: tuple[Path, ...], options: object) -> None:
        """What `initialize` says. Nothing is sent and nothing heavy is loaded."""
        self.client = client
        self.folders = folders
        self.configuration.initialization_options = options
        # Without conexus.toml: no disk is waited for before the answer.
        self.settings, _ = self.configuration.settings(client)
        self.symbols_offered = symbols_wanted(self.settings, client)

    def start(self) -> asyncio.Task[Engine]:
        """Begin to make the engine, once. Only after `initialize` is answered: importing it takes seconds."""
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._start())
            self._starting.add_done_callback(_look_at)
        return self._starting

    async def started(self) -> Engine:
        """The engine, as soon as it runs.

        Raises:
            JsonRpcException: it could not be started.
        """
        return await asyncio.shield(self.start())

    async def _start(self) -> Engine:
        inbox = EventInbox(asyncio.get_running_loop(), self._handle_event)
        loading = asyncio.create_task(
            asyncio.to_thread(
                _load_engine, self._worker_processes(), self.settings, self.folders, self.protocol.converter
            )
        )
        try:
            # What comes later is taken over when it comes.
            await self._wait_for(self.configure(), self.read_settings_file())
            settings = self.settings
            engine_class = await loading
            engine = await asyncio.to_thread(
                engine_class,
                settings,
                encoding=self.client.encoding,
                listener=inbox.put,
                processes=self._worker_processes(),
            )
        except Exception as error:
            self._processes.close()
            logger.exception("The engine did not start")
            self.failure = f"Conexus could not start ({type(error).__name__}); its log says why."
            self.show(self.failure, lsp.MessageType.Error)
            self.announce_status()
            raise errors.request_failed(self.failure) from error
        if settings != self.settings:
            engine.configure(self.settings)
        for document in self.documents:
            engine.open_document(document.id, document.text, document.version, document.language)
        # What was imported and built by now stays for good. Looking through it for garbage takes 100 ms and more, in
        # which nothing else runs, every few seconds of typing.
        gc.freeze()
        # From here on it is told what changes: nothing is missed while it starts.
        self.engine = engine
        async with self._changing_folders:
            await asyncio.to_thread(engine.start, self.folders)
        self._started_at = time.monotonic()
        self.announce_status()
        return engine

    def _worker_processes(self) -> WorkerProcesses:
        """As many as the settings want now: other ones than were begun, if those are more or fewer."""
        wanted = WorkerProcesses(self.settings.workers)
        if wanted.count != self._processes.count:
            self._processes.close()
            self._processes = wanted
        return self._processes

    def seconds_since_start(self) -> float:
        """How long the engine has been running."""
        return time.monotonic() - self._started_at

    def close(self) -> asyncio.Task[None]:
        """End the work and close the engine, once."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        return self._closing

    async def _close(self) -> None:
        self.progress.close()
        self.announcer.close()
        self.workers.close()
        self.protocol.cancel_background()
        if self._starting is not None:
            await asyncio.wait({self._starting}, timeout=_START_SECONDS)
        if self.engine is not None:
            await asyncio.to_thread(self.engine.close)

    # --- settings ---

    async def configure(self) -> None:
        """Ask the client for its settings, if it lets us, and use what holds then."""
        if self.client.pulls_configuration:
            try:
                answer = await self.server.workspace_configuration_async(
                    lsp.ConfigurationParams(items=[lsp.ConfigurationItem(section=SECTION)])
                )
                self.configuration.of_client = answer[0] if answer else None
            except Exception as error:  # whatever it answered, the engine must start  # noqa: BLE001
                logger.warning("The client did not tell its settings: %s", error)
        self.take_settings()

    async def read_settings_file(self) -> None:
        """Read the first folder's conexus.toml, and use what it says now."""
        folder = self.folders[0] if self.folders else None
        # One reading of a folder after the other: the last one to ask has the latest content.
        async with self._reading.setdefault(folder, asyncio.Lock()):
            file = await asyncio.to_thread(_settings_file_of, folder)
        if folder == (self.folders[0] if self.folders else None):
            self.configuration.file = file
            self.take_settings()

    async def set_folders(self, folders: tuple[Path, ...]) -> None:
        """Use other folders, with the settings of the first."""
        self.folders = folders
        await self._wait_for(self.read_settings_file())
        async with self._changing_folders:
            if self.engine is not None:
                await asyncio.to_thread(self.engine.set_folders, self.folders)

    async def _wait_for(self, *sources: Coroutine[Any, Any, None]) -> None:
        """Wait for settings, but not for long. What comes later is used when it comes."""
        tasks = [self.protocol.spawn(source, "reading the settings") for source in sources]
        _, late = await asyncio.wait(tasks, timeout=_CONFIGURATION_SECONDS)
        if late:
            logger.warning("The client did not answer workspace/configuration, or conexus.toml cannot be read")

    def take_settings(self) -> None:
        """Work out the settings from their layers, tell of what was not understood, and use them."""
        former = self.settings
        self.settings, problems = self.configuration.settings(self.client)
        new = [problem for problem in problems if problem not in self._shown]
        self._shown.update(new)
        for problem in new[:_MOST_PROBLEMS]:
            self.show(problem, lsp.MessageType.Warning)
        if more := new[_MOST_PROBLEMS:]:
            self.show(f"{len(more)} more settings were not taken; the log lists them.", lsp.MessageType.Warning)
            for problem in more:
                logger.warning("%s", problem)
        if self.engine is not None and self.settings != former:
            self.engine.configure(self.settings)
        self.protocol.spawn(
            self.registrations.follow(self.settings, self.client, symbols_offered=self.symbols_offered),
            "registering with the client",
        )

    def tell(self, message: str, kind: lsp.MessageType = lsp.MessageType.Info) -> None:
        """Show the user a message. Nothing else does: foreign text is escaped here."""
        self.server.window_show_message(lsp.ShowMessageParams(type=kind, message=errors.for_client(message)))

    def show(self, message: str, kind: lsp.MessageType) -> None:
        """Show the user a message that he should act on, and log it."""
        logger.log(logging.ERROR if kind is lsp.MessageType.Error else logging.WARNING, "%s", message)
        self.tell(message, kind)
        text = errors.for_client(message)
        self.server.window_log_message(lsp.LogMessageParams(type=kind, message=text))

    # --- what the engine tells ---

    def status(self) -> types.StatusResult:
        """The engine's status, or that there is none yet."""
        if self.engine is not None:
            return convert.status(self.engine.status())
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
            protocol_version=types.PROTOCOL_VERSION,
        )

    def announce_status(self) -> None:
        """Tell the client what changed, and end the bars of work that is done."""
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
                # What the first index left stays for good, too; see `_start`.
                gc.freeze()
        elif self.engine is not None and (self.client.wants_server_status or self.progress.awaits_settling):
            # The engine may be done so soon that it sees no change worth an event; what we told must not stay.
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
                    self.protocol.spawn(self.read_settings_file(), "reading conexus.toml")
            case StatusChanged():
                if self.engine is not None:
                    self.announce_status()


def _settings_file_of(folder: Path | None) -> SettingsFile:
    return SettingsFile() if folder is None else read_settings_file(folder)


def _load_engine(
    processes: WorkerProcesses, settings: Settings, folders: tuple[Path, ...], converter: Converter
) -> type[Engine]:
    # What the engine is made of takes a third of a second to import: meanwhile workers start.
    start_if_needed(processes, settings, folders, default_data_directory())

    from conexus.engine import Engine

    # Made when they are first asked for, which takes 3 ms of the first answer.
    converter.get_structure_hook(types.SearchParams)
    converter.get_unstructure_hook(types.SearchResult)
    return Engine


def _look_at(task: asyncio.Task[Engine]) -> None:
    """Every waiter gets the failure; with none, asyncio would report it a second time."""
    if not task.cancelled():
        task.exception()
