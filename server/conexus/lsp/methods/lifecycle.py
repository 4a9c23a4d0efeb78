"""Handles `initialize`, `initialized` and `shutdown`."""

import asyncio
import logging

from lsprotocol import types as lsp

from conexus import __version__
from conexus.lsp.capabilities import server_capabilities
from conexus.lsp.client import client_of
from conexus.lsp.methods.workspace_folders import initial_folders
from conexus.lsp.session import Session

logger = logging.getLogger(__name__)


def initialize(session: Session, params: lsp.InitializeParams) -> lsp.InitializeResult:
    session.introduce(client_of(params), initial_folders(params), params.initialization_options)
    if params.process_id is not None and not session.watch_parent(params.process_id):
        # A server in a container gets the id of a process that it cannot see.
        logger.warning("The client's process %d is not visible from here and is not watched", params.process_id)
    return lsp.InitializeResult(
        capabilities=server_capabilities(session.client, symbols=session.symbols_offered),
        server_info=lsp.ServerInfo(name="Conexus", version=__version__),
    )


def initialized(session: Session, _: lsp.InitializedParams) -> None:
    session.start()


async def shutdown(session: Session) -> None:
    session.protocol.cancel_requests()
    await asyncio.shield(session.close())
