"""`window/workDoneProgress/cancel`: the user has had enough of indexing for now."""

from lsprotocol import types as lsp

from conexus.lsp.session import Session


def work_done_progress_cancel(session: Session, params: lsp.WorkDoneProgressCancelParams) -> None:
    """Indexing pauses, and its status says so, until `conexus.server.resume`."""
    if session.progress.cancel(params.token) and session.engine is not None:
        session.engine.pause()
        session.announce_status()
