"""Handles `initialize`, `initialized` and `shutdown`."""

import asyncio
import logging

from lsprotocol import types as lsp

from conexus import __version__
from conexus.lsp.capabilities import server_capabilities
from conexus.lsp.client import client_of
from conexus.lsp.connection import Connection
from conexus.lsp.methods.workspace_folders import initial_folders

logger = logging.getLogger(__name__)


def initialize(connection: Connection, params: lsp.InitializeParams) -> lsp.InitializeResult:
    connection.introduce(client_of(params), initial_folders(params), params.initialization_options)
    if params.process_id is not None and not connection.watch_parent(params.process_id):
        # A server in a container gets the id of a process that it cannot see.
        logger.warning("The client's process %d is not visible from here and is not watched", params.process_id)
    return lsp.InitializeResult(
        capabilities=server_capabilities(connection.client, symbols=connection.symbols_offered),
        server_info=lsp.ServerInfo(name="Conexus", version=__version__),
    )


def initialized(connection: Connection, _: lsp.InitializedParams) -> None:
    connection.start()


async def shutdown(connection: Connection) -> None:
    connection.protocol.cancel_requests()
    await asyncio.shield(connection.close())
