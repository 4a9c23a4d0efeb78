"""`conexus/search`: finds code by meaning."""

from functools import partial

from conexus.lsp import convert, errors, types
from conexus.lsp.connection import Connection
from conexus.values import Place


async def search(connection: Connection, params: types.SearchParams) -> types.SearchResult:
    near = _near(params)
    session = await connection.started()
    ask = partial(
        session.search,
        params.query,
        limit=params.limit,
        filters=convert.filters(params.filters),
        near=near,
    )
    return convert.result(await connection.workers.run(lambda token: ask(cancel=token)))


def _near(params: types.SearchParams) -> Place | None:
    if params.near is None:
        return None
    document = convert.document_of_uri(params.near.text_document.uri)
    if document is None:
        raise errors.invalid_params("`near.textDocument.uri` is neither a file nor an untitled document.")
    return convert.place(document, params.near.position)
