"""`workspace/executeCommand`: offers the requests as commands, for clients that can send nothing else."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from lsprotocol import types as lsp

from conexus.lsp import errors, types
from conexus.lsp.methods.reindex import reindex
from conexus.lsp.methods.related import related
from conexus.lsp.methods.search import search
from conexus.lsp.methods.show_results import show_results
from conexus.lsp.methods.status import status
from conexus.lsp.session import Session
from conexus.lsp.structuring import ParamsError, structure_params

Command = Callable[[Session, Mapping[str, Any]], Awaitable[Any]]


async def execute_command(session: Session, params: lsp.ExecuteCommandParams) -> Any:
    """Runs a command. Its arguments are ``[query or params object, limit?]``; none count as an empty object."""
    command = _COMMANDS.get(params.command)
    if command is None:
        raise errors.invalid_params(f"`command` is none of {', '.join(types.COMMANDS)}.")
    fields = _fields(list(params.arguments or ()))
    if params.work_done_token is not None:
        fields.setdefault("workDoneToken", params.work_done_token)
    return await command(session, fields)


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


async def _search(session: Session, fields: Mapping[str, Any]) -> types.SearchResult:
    return await search(session, _params(session, {"query": "", **fields}, types.SearchParams))


async def _related(session: Session, fields: Mapping[str, Any]) -> types.SearchResult:
    return await related(session, _params(session, fields, types.RelatedParams))


async def _status(session: Session, fields: Mapping[str, Any]) -> types.StatusResult:
    return status(session, _params(session, fields, types.StatusParams))


async def _reindex(session: Session, fields: Mapping[str, Any]) -> types.ReindexResult:
    return await reindex(session, _params(session, fields, types.ReindexParams))


async def _pause(session: Session, _: Mapping[str, Any]) -> types.StatusResult:
    (await session.started()).pause()
    session.progress.close("Paused")
    session.announce_status()
    return session.status()


async def _resume(session: Session, _: Mapping[str, Any]) -> types.StatusResult:
    (await session.started()).resume()
    session.announce_status()
    return session.status()


async def _clear(session: Session, _: Mapping[str, Any]) -> types.StatusResult:
    (await session.started()).clear()
    session.announce_status()
    return session.status()


async def _show_results(session: Session, fields: Mapping[str, Any]) -> Mapping[str, str]:
    if "textDocument" in fields:
        return await show_results(session, _params(session, fields, types.RelatedParams))
    return await show_results(session, _params(session, {"query": "", **fields}, types.SearchParams))


def _params(session: Session, fields: Mapping[str, Any], cls: type[Any]) -> Any:
    try:
        return structure_params(session.protocol.converter, fields, cls)
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
