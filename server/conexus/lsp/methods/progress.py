"""`window/workDoneProgress/cancel`: pauses indexing, because the user wants none for now."""

from lsprotocol import types as lsp

from conexus.lsp.session import Session


def work_done_progress_cancel(session: Session, params: lsp.WorkDoneProgressCancelParams) -> None:
    """Pauses indexing, and says so in the status, until `conexus.server.resume`."""
    if session.progress.cancel(params.token) and session.index is not None:
        session.index.pause()
        session.announce_status()
