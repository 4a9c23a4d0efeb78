"""`workspace/symbol`, answered by meaning, for clients that show what they get."""

import asyncio
from functools import partial

from lsprotocol import types as lsp

from conexus.lsp import convert
from conexus.lsp.configuration import symbols_wanted
from conexus.lsp.session import Session

#: A list of symbols cannot say that it is incomplete. So long after the start, a question waits until all files were
#: looked at; those of a workspace that is not large are, by then.
_FIRST_LOOK_SECONDS = 2.0
_LOOK_AGAIN_SECONDS = 0.05


async def workspace_symbol(session: Session, params: lsp.WorkspaceSymbolParams) -> list[lsp.SymbolInformation]:
    """Exact names first, then by meaning, in the order of the server."""
    if not symbols_wanted(session.settings, session.client):
        return []
    with session.workers.admitted():
        engine = await session.started()
        while not engine.quiescent and session.seconds_since_start() < _FIRST_LOOK_SECONDS:  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        ask = partial(engine.symbols, params.query)
        answer = await session.workers.run(lambda token: ask(cancel=token))
        return [convert.symbol(hit) for hit in answer.hits]
