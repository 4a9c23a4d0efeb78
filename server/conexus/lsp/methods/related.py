"""`conexus/related`: finds code that is related to a place."""

from functools import partial
from pathlib import Path

from conexus.lsp import convert, errors, types
from conexus.lsp.connection import Connection


async def related(connection: Connection, params: types.RelatedParams) -> types.SearchResult:
    where = params.position if params.range is None else params.range
    if where is None or (params.range is not None and params.position is not None):
        raise errors.invalid_params("Exactly one of `range` and `position` must be given.")
    document = _document(connection, params.text_document.uri)
    session = await connection.started()
    ask = partial(
        session.related,
        convert.place(document, where),
        relations=tuple(params.relations),
        limit=params.limit,
        filters=convert.filters(params.filters),
    )
    return convert.result(await connection.workers.run(lambda token: ask(cancel=token)))


def _document(connection: Connection, uri: str) -> str:
    document = convert.document_of_uri(uri)
    if document is None:
        raise errors.invalid_params("`textDocument.uri` is neither a file nor an untitled document.")
    inside = document in connection.documents or any(
        Path(document).is_relative_to(folder) for folder in connection.folders
    )
    if not inside:
        raise errors.invalid_params("`textDocument.uri` is outside the workspace.")
    return document
