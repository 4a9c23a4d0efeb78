"""`workspace/symbol`, answered by meaning, for clients that show what they get."""

from functools import partial

from lsprotocol import types as lsp

from conexus.lsp import convert
from conexus.lsp.configuration import symbols_wanted
from conexus.lsp.session import Session


async def workspace_symbol(session: Session, params: lsp.WorkspaceSymbolParams) -> list[lsp.SymbolInformation]:
    """Exact names first, then by meaning, in the order of the server."""
    if not symbols_wanted(session.settings, session.client):
        return []
    with session.workers.admitted():
        engine = await session.started()
        ask = partial(engine.symbols, params.query)
        answer = await session.workers.run(lambda token: ask(cancel=token))
        return [convert.symbol(hit) for hit in answer.hits]
