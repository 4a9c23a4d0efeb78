"""Handles files that changed outside the editor. The notifications are hints, never truths."""

from collections.abc import Iterable

from lsprotocol import types as lsp

from conexus.config import SETTINGS_FILE
from conexus.lsp.connection import Connection
from conexus.workspace.paths import path_of_uri


def did_change_watched_files(connection: Connection, params: lsp.DidChangeWatchedFilesParams) -> None:
    hint(connection, (change.uri for change in params.changes))


def hint(connection: Connection, uris: Iterable[str]) -> None:
    """Tells the engine that these files, or anything below them, may have changed."""
    paths = [path for uri in uris if (path := path_of_uri(uri)) is not None]
    if connection.folders and str(connection.folders[0] / SETTINGS_FILE) in paths:
        connection.settings_file_changed()
    # Before the engine runs, no hint is needed, because its start reads the disk.
    if paths and connection.session is not None:
        connection.session.hint(paths)
