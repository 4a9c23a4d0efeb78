"""Composes the language server. This is the only module that knows all its parts."""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from conexus import __version__, audit
from conexus.logs import log_to_stderr
from conexus.lsp import types
from conexus.lsp.connection import Connection
from conexus.lsp.methods import (
    code_action,
    configuration,
    documents,
    execute_command,
    file_operations,
    lifecycle,
    progress,
    reindex,
    related,
    search,
    status,
    watched_files,
    workspace_folders,
    workspace_symbol,
)
from conexus.lsp.protocol import Protocol, Stage
from conexus.lsp.stdio import Stdio
from conexus.lsp.structuring import make_converter
from conexus.lsp.watchdog import watch_process
from conexus.prewarm import WorkerProcesses

logger = logging.getLogger(__name__)

#: Number that is added to a signal's number to make the exit code of a process that the signal ended, by convention.
_SIGNALLED = 128

_SWITCH_SECONDS = 0.0005

#: Seconds after which the process ends even if native code still runs, from the moment when the end was requested.
_LAST_SECONDS = 20.0

_METHODS: Mapping[str, Callable[..., Any]] = {
    lsp.INITIALIZE: lifecycle.initialize,
    lsp.INITIALIZED: lifecycle.initialized,
    lsp.SHUTDOWN: lifecycle.shutdown,
    lsp.SET_TRACE: lambda _session, _params: None,
    lsp.TEXT_DOCUMENT_DID_OPEN: documents.did_open,
    lsp.TEXT_DOCUMENT_DID_CHANGE: documents.did_change,
    lsp.TEXT_DOCUMENT_DID_SAVE: documents.did_save,
    lsp.TEXT_DOCUMENT_DID_CLOSE: documents.did_close,
    lsp.TEXT_DOCUMENT_CODE_ACTION: code_action.code_action,
    lsp.WINDOW_WORK_DONE_PROGRESS_CANCEL: progress.work_done_progress_cancel,
    lsp.WORKSPACE_DID_CHANGE_CONFIGURATION: configuration.did_change_configuration,
    lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES: watched_files.did_change_watched_files,
    lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS: workspace_folders.did_change_workspace_folders,
    lsp.WORKSPACE_DID_CREATE_FILES: file_operations.did_create_files,
    lsp.WORKSPACE_DID_RENAME_FILES: file_operations.did_rename_files,
    lsp.WORKSPACE_DID_DELETE_FILES: file_operations.did_delete_files,
    lsp.WORKSPACE_EXECUTE_COMMAND: execute_command.execute_command,
    lsp.WORKSPACE_SYMBOL: workspace_symbol.workspace_symbol,
    types.SEARCH: search.search,
    types.RELATED: related.related,
    types.STATUS: status.status,
    types.REINDEX: reindex.reindex,
}


def serve(stdio: Stdio, processes: WorkerProcesses, client_process_id: int | None = None) -> int:
    """Serves one client over standard input and output until it leaves.

    ``processes`` are the worker processes for indexing. They may be starting already, and end with the server. The
    server also ends when the process ``client_process_id`` ends.

    Returns the exit code: 0 after `shutdown` and `exit`, 1 if the client left without them, 128 + n for signal n.
    """
    log_to_stderr(logging.INFO, "%(asctime)s %(levelname)s %(name)s: %(message)s")
    # pygls logs whole messages at INFO, and thereby the user's files.
    logging.getLogger("pygls").setLevel(logging.WARNING)
    # A query takes the interpreter's lock some fifty times. While another thread imports or chunks, each time would
    # otherwise cost Python's default of 5 ms.
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        return asyncio.run(_serve(stdio, processes, client_process_id))
    finally:
        processes.close()
        stdio.close()
        audit.close()


async def _serve(stdio: Stdio, processes: WorkerProcesses, client_process_id: int | None) -> int:
    audit.record("serverStarted", version=__version__)
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(code: int) -> None:
        if not ended.done():
            ended.set_result(code)

    server = LanguageServer("Conexus", __version__, protocol_cls=Protocol, converter_factory=make_converter)
    protocol = cast("Protocol", server.protocol)
    protocol.stdio = stdio
    protocol.on_unreadable = lambda message: documents.lose_all(connection, message)
    protocol.on_exit = lambda: end(0 if protocol.stage is Stage.SHUT_DOWN else 1)
    parent_gone = partial(end, 1)
    connection = Connection(server, protocol, processes, watch_parent=lambda pid: watch_process(pid, parent_gone))
    for method, handler in _METHODS.items():
        server.feature(method)(partial(handler, connection))
    for number in (signal.SIGTERM, signal.SIGINT):
        _on_signal(loop, number, partial(end, _SIGNALLED + number))
    if client_process_id is not None and not watch_process(client_process_id, parent_gone):
        parent_gone()
    stdio.listen(loop, protocol.receive, partial(end, 1))

    code = await ended
    audit.record("serverStopped", code=code)
    last_resort = threading.Timer(_LAST_SECONDS, os._exit, (code,))
    last_resort.daemon = True
    last_resort.start()
    closing = connection.close()
    protocol.cancel_requests()
    await asyncio.wait({closing})
    await protocol.drain()
    return code


def _on_signal(loop: asyncio.AbstractEventLoop, number: int, action: Callable[[], None]) -> None:
    try:
        loop.add_signal_handler(number, action)
    except NotImplementedError:  # Windows
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(action))
