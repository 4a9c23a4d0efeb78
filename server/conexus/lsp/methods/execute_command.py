"""`workspace/executeCommand`: offers the requests as commands, for clients that can send nothing else."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from lsprotocol import types as lsp

from conexus.lsp import errors, types
from conexus.lsp.connection import Connection
from conexus.lsp.methods.reindex import reindex
from conexus.lsp.methods.related import related
from conexus.lsp.methods.search import search
from conexus.lsp.methods.show_results import show_results
from conexus.lsp.methods.status import status
from conexus.lsp.structuring import ParamsError, structure_params

Command = Callable[[Connection, Mapping[str, Any]], Awaitable[Any]]


async def execute_command(connection: Connection, params: lsp.ExecuteCommandParams) -> Any:
    """Runs a command. Its arguments are ``[query or params object, limit?]``; none count as an empty object."""
    command = _COMMANDS.get(params.command)
    if command is None:
        raise errors.invalid_params(f"`command` is none of {', '.join(types.COMMANDS)}.")
    fields = _fields(list(params.arguments or ()))
    if params.work_done_token is not None:
        fields.setdefault("workDoneToken", params.work_done_token)
    return await command(connection, fields)


def _fields(arguments: list[Any]) -> dict[str, Any]:
    """Returns the arguments as the object that the request of the same name takes."""
    match arguments:
        case []:
            fields: dict[str, Any] = {}
        case [None, *_] | [[], *_]:
            fields = {}
        case [str(query), *_]:
            fields = {"query": query}
        case [dict(given), *_]:
            fields = dict(given)
        case _:
            raise errors.invalid_params("`arguments[0]` must be a query or an object of parameters.")
    if len(arguments) > 1 and arguments[1] is not None:
        fields["limit"] = arguments[1]
    return fields


async def _search(connection: Connection, fields: Mapping[str, Any]) -> types.SearchResult:
    return await search(connection, _params(connection, {"query": "", **fields}, types.SearchParams))


async def _related(connection: Connection, fields: Mapping[str, Any]) -> types.SearchResult:
    return await related(connection, _params(connection, fields, types.RelatedParams))


async def _status(connection: Connection, fields: Mapping[str, Any]) -> types.StatusResult:
    return status(connection, _params(connection, fields, types.StatusParams))


async def _reindex(connection: Connection, fields: Mapping[str, Any]) -> types.ReindexResult:
    return await reindex(connection, _params(connection, fields, types.ReindexParams))


async def _pause(connection: Connection, _: Mapping[str, Any]) -> types.StatusResult:
    (await connection.started()).pause()
    connection.progress.close("Paused")
    connection.announce_status()
    return connection.status()


async def _resume(connection: Connection, _: Mapping[str, Any]) -> types.StatusResult:
    (await connection.started()).resume()
    connection.announce_status()
    return connection.status()


async def _clear(connection: Connection, _: Mapping[str, Any]) -> types.StatusResult:
    (await connection.started()).clear()
    connection.announce_status()
    return connection.status()


async def _show_results(connection: Connection, fields: Mapping[str, Any]) -> Mapping[str, str]:
    if "textDocument" in fields:
        return await show_results(connection, _params(connection, fields, types.RelatedParams))
    return await show_results(connection, _params(connection, {"query": "", **fields}, types.SearchParams))


def _params(connection: Connection, fields: Mapping[str, Any], cls: type[Any]) -> Any:
    try:
        return structure_params(connection.protocol.converter, fields, cls)
    except ParamsError as error:
        raise errors.invalid_params(f"In `arguments`: {error}") from error


_COMMANDS: Mapping[str, Command] = {
    types.COMMAND_SEARCH: _search,
    types.COMMAND_RELATED: _related,
    types.COMMAND_STATUS: _status,
    types.COMMAND_REINDEX: _reindex,
    types.COMMAND_PAUSE: _pause,
    types.COMMAND_RESUME: _resume,
    types.COMMAND_CLEAR: _clear,
    types.COMMAND_SHOW_RESULTS: _show_results,
}
