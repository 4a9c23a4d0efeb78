"""`workspace/symbol`, answered by meaning, for clients that show what they get."""

import asyncio
from functools import partial

from lsprotocol import types as lsp

from conexus.lsp import convert
from conexus.lsp.configuration import symbols_wanted
from conexus.lsp.session import Session

#: A list of symbols cannot say that it is incomplete. So long after the start, a question waits for what is indexed
#: then, which is all of a workspace that is not large.
_FIRST_LOOK_SECONDS = 2.0
_ASK_AGAIN_SECONDS = 0.1


async def workspace_symbol(session: Session, params: lsp.WorkspaceSymbolParams) -> list[lsp.SymbolInformation]:
    """Exact names first, then by meaning, in the order of the server."""
    if not symbols_wanted(session.settings, session.client):
        return []
    with session.workers.admitted():
        engine = await session.started()
        ask = partial(engine.symbols, params.query)
        answer = await session.workers.run(lambda token: ask(cancel=token))
        while not answer.index.complete and session.seconds_since_start() < _FIRST_LOOK_SECONDS:
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
            answer = await session.workers.run(lambda token: ask(cancel=token))
        return [convert.symbol(hit) for hit in answer.hits]
