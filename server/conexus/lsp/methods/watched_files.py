"""Handles files that changed outside the editor. The notifications are hints, never truths."""

from collections.abc import Iterable

from lsprotocol import types as lsp

from conexus.config import SETTINGS_FILE
from conexus.lsp.session import Session
from conexus.workspace.paths import path_of_uri


def did_change_watched_files(session: Session, params: lsp.DidChangeWatchedFilesParams) -> None:
    hint(session, (change.uri for change in params.changes))


def hint(session: Session, uris: Iterable[str]) -> None:
    """Tells the engine that these files, or anything below them, may have changed."""
    paths = [path for uri in uris if (path := path_of_uri(uri)) is not None]
    if session.folders and str(session.folders[0] / SETTINGS_FILE) in paths:
        session.protocol.spawn(session.read_settings_file(), "reading conexus.toml")
    # Before the engine runs, no hint is needed, because its start reads the disk.
    if paths and session.index is not None:
        session.index.hint(paths)
