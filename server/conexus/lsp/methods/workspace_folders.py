"""Handles the workspace's folders."""

from collections.abc import Sequence
from pathlib import Path

from lsprotocol import types as lsp

from conexus.lsp.connection import Connection
from conexus.workspace.paths import path_of_uri


def initial_folders(params: lsp.InitializeParams) -> tuple[Path, ...]:
    """Returns the local folders of the workspace, none if only a file is open."""
    if params.workspace_folders:
        return _local([folder.uri for folder in params.workspace_folders])
    if params.root_uri:
        return _local([params.root_uri])
    if params.root_path:
        return (Path(params.root_path),)
    return ()


async def did_change_workspace_folders(connection: Connection, params: lsp.DidChangeWorkspaceFoldersParams) -> None:
    removed = _local([folder.uri for folder in params.event.removed])
    added = _local([folder.uri for folder in params.event.added])
    kept = [folder for folder in connection.folders if folder not in removed]
    await connection.set_folders(tuple(dict.fromkeys([*kept, *added])))


def _local(uris: Sequence[str]) -> tuple[Path, ...]:
    return tuple(Path(path) for uri in uris if (path := path_of_uri(uri)) is not None)
