"""`window/workDoneProgress/cancel`: pauses indexing, because the user wants none for now."""

from lsprotocol import types as lsp

from conexus.lsp.connection import Connection


def work_done_progress_cancel(connection: Connection, params: lsp.WorkDoneProgressCancelParams) -> None:
    """Pauses indexing, and says so in the status, until `conexus.server.resume`."""
    if connection.progress.cancel(params.token) and connection.session is not None:
        connection.session.pause()
        connection.announce_status()
