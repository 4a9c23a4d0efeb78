"""`conexus/reindex`: reads files again from scratch."""

import os
from collections.abc import Sequence
from pathlib import Path

from conexus.lsp import errors, types
from conexus.lsp.connection import Connection
from conexus.workspace.inside import OutsideWorkspace, resolve_in_workspace
from conexus.workspace.paths import path_of_uri


async def reindex(connection: Connection, params: types.ReindexParams) -> types.ReindexResult:
    """Answers when the request is accepted. The work goes on, shown under the client's token or one of ours."""
    folders = _local(connection, "folders", params.folders)
    paths = _local(connection, "paths", params.paths)
    session = await connection.started()
    if params.work_done_token is not None:
        connection.progress.adopt(params.work_done_token)
    session.reindex(folders, paths)
    connection.announce_status()
    return types.ReindexResult()


def _local(connection: Connection, field: str, names: Sequence[str]) -> tuple[str, ...]:
    """Returns the absolute paths of URIs, of absolute paths, and of paths relative to any workspace folder."""
    found: list[str] = []
    folders = [str(folder) for folder in connection.folders]
    for index, name in enumerate(names):
        if not _can_be_a_path(name):
            raise errors.invalid_params(f"`{field}[{index}]` has a character that no path has.")
        if "://" in name and path_of_uri(name) is None:
            raise errors.invalid_params(f"`{field}[{index}]` is not the URI of a file or folder.")
        try:
            found += [str(Path(root, path)) for root, path in resolve_in_workspace(folders, name)]
        except OutsideWorkspace:
            raise errors.invalid_params(f"`{field}[{index}]` is in no folder of the workspace.") from None
    return tuple(found)


def _can_be_a_path(name: str) -> bool:
    try:
        return b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:  # a surrogate without its other half
        return False
