"""`conexus.server.showResults`: shows the answer as a page, for clients without a plugin."""

import asyncio
from collections.abc import Mapping

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

from conexus.lsp import results_page, types
from conexus.lsp.connection import Connection
from conexus.lsp.methods.related import related
from conexus.lsp.methods.search import search
from conexus.workspace.paths import uri_of_path


async def show_results(connection: Connection, params: types.SearchParams | types.RelatedParams) -> Mapping[str, str]:
    """Asks the engine, writes the page and opens it. Returns the page's URI."""
    if isinstance(params, types.SearchParams):
        title, result = params.query, await search(connection, params)
    else:
        title, result = "Related code", await related(connection, params)
    text = results_page.render(title, result)
    path = await asyncio.to_thread(results_page.write, text)
    uri = uri_of_path(path)
    if not await _open(connection, uri):
        connection.tell(f"The results are in {path}")
    return {"uri": uri}


async def _open(connection: Connection, uri: str) -> bool:
    if not connection.client.shows_documents:
        return False
    try:
        shown = await connection.server.window_show_document_async(lsp.ShowDocumentParams(uri=uri, take_focus=True))
    except JsonRpcException:
        return False
    return shown.success
