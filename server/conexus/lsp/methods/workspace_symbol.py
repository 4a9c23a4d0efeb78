"""`workspace/symbol`: finds code by meaning, for clients that show all answers."""

import asyncio
from functools import partial

from lsprotocol import types as lsp

from conexus.lsp import convert
from conexus.lsp.configuration import symbols_wanted
from conexus.lsp.connection import Connection

#: Seconds after the engine's start during which a request waits until all files are indexed, because a list of symbols
#: cannot say that it is incomplete. The files of a workspace that is not large are indexed by then.
_FIRST_LOOK_SECONDS = 2.0
_LOOK_AGAIN_SECONDS = 0.05


async def workspace_symbol(connection: Connection, params: lsp.WorkspaceSymbolParams) -> list[lsp.SymbolInformation]:
    """Returns exact names first, then hits by meaning, in the order of the server."""
    if not symbols_wanted(connection.settings, connection.client):
        return []
    session = await connection.started()
    while not session.quiescent and connection.seconds_since_start() < _FIRST_LOOK_SECONDS:  # noqa: ASYNC110  there is no event
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    ask = partial(session.symbols, params.query)
    answer = await connection.workers.run(lambda token: ask(cancel=token))
    return [convert.symbol(hit) for hit in answer.hits]
