"""Numbers at their edges: each is taken, brought to the nearest number that means something, or refused by name.

The fields are those of the types, so a new field is tested by itself.
"""

from __future__ import annotations

import asyncio
import copy
import json
import math
import types as python_types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, redirect_stderr, suppress
from dataclasses import fields
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import attrs
import pytest
from lsprotocol import types as lsp
from lsprotocol.validators import uinteger_validator

from conexus.cli.arguments import _Count
from conexus.cli.main import command_line
from conexus.config import SETTINGS_FILE, Settings, camel_case, merge, merge_repository
from conexus.lsp import types
from conexus.lsp.server import _METHODS
from conexus.lsp.structuring import ParamsError, make_converter, structure_params
from conexus.lsp.watchdog import watch_process
from tests.lsp.raw import RawClient
from tests.workspaces import write

Start = Callable[..., RawClient]

INVALID_PARAMS = -32602

NUMBERS: list[Any] = [
    *(0, -0.0, -1, 1.5, 2**31 - 1, 2**31, 2**31 + 1, -(2**31) - 1, 2**32, 2**53 + 1, 2**63, 2**64, -(2**63) - 1),
    *(1e308, -1e308, 5e-324, math.nan, math.inf, -math.inf, 10**98),
]
#: What a number may be by mistake.
OTHERS: list[Any] = ["5", "", True, False, None, [], {}, [1], {"value": 1}]

Path_ = tuple[str | int, ...]
Kind = Literal["uinteger", "limit", "token", "other"]


def numeric_fields(cls: type, seen: tuple[type, ...] = ()) -> Iterator[tuple[Path_, Kind]]:
    """The fields that are or may be numbers, in all types that a type has; an array is entered at its first item."""
    attrs.resolve_types(cls)
    for field in attrs.fields(cls):
        name = camel_case(field.name)
        if field.validator is uinteger_validator:
            yield (name,), "uinteger"
            continue
        for path, kind in _numeric(field.type, seen):
            yield (name, *path), kind


def _numeric(hint: Any, seen: tuple[type, ...]) -> Iterator[tuple[Path_, Kind]]:
    if hint is types.Limit:
        yield (), "limit"
    elif hint in {lsp.ProgressToken, lsp.ProgressToken | None}:
        yield (), "token"
    elif get_origin(hint) in {Union, python_types.UnionType}:
        found: dict[Path_, Kind] = {}
        for part in get_args(hint):
            for path, kind in _numeric(part, seen):
                found.setdefault(path, kind if not get_args(part) and len(get_args(hint)) == 2 else "other")
                if path:
                    found[path] = kind
        yield from found.items()
    elif get_origin(hint) in {Sequence, list}:
        yield from (((0, *path), kind) for path, kind in _numeric(get_args(hint)[0], seen))
    elif isinstance(hint, type) and attrs.has(hint):
        if hint not in seen:
            yield from numeric_fields(hint, (*seen, hint))
    elif isinstance(hint, type) and issubclass(hint, (int, float)) and hint is not bool:
        yield (), "other"


#: Parameters that each method takes.
def parameters(uri: str) -> dict[str, dict[str, Any]]:
    document, position = {"uri": uri}, {"line": 1, "character": 2}
    item = {**document, "languageId": "python", "version": 1, "text": "def alpha():\n    pass\n"}
    span = {"start": position, "end": position}
    diagnostic = {"range": span, "message": "wrong"}
    change = {"range": span, "text": "x"}
    return {
        types.SEARCH: {"query": "alpha", "near": {"textDocument": document, "position": position}},
        types.RELATED: {"textDocument": document, "position": position},
        types.STATUS: {},
        types.REINDEX: {"paths": ["src/nothing"]},
        lsp.WORKSPACE_SYMBOL: {"query": "alpha"},
        lsp.WORKSPACE_EXECUTE_COMMAND: {"command": types.COMMAND_STATUS},
        lsp.TEXT_DOCUMENT_CODE_ACTION: {
            "textDocument": document,
            "range": span,
            "context": {
                "diagnostics": [
                    {**diagnostic, "relatedInformation": [{"location": {**document, "range": span}, "message": ""}]}
                ]
            },
        },
        lsp.TEXT_DOCUMENT_DID_OPEN: {"textDocument": item},
        lsp.TEXT_DOCUMENT_DID_CHANGE: {"textDocument": {**document, "version": 2}, "contentChanges": [change]},
        lsp.TEXT_DOCUMENT_DID_SAVE: {"textDocument": document},
        lsp.TEXT_DOCUMENT_DID_CLOSE: {"textDocument": document},
        lsp.SET_TRACE: {"value": "off"},
        lsp.WINDOW_WORK_DONE_PROGRESS_CANCEL: {"token": "x"},
        lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES: {"changes": [{**document, "type": 2}]},
        lsp.WORKSPACE_DID_CHANGE_CONFIGURATION: {"settings": {}},
        lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS: {"event": {"added": [], "removed": []}},
        lsp.WORKSPACE_DID_CREATE_FILES: {"files": [document]},
        lsp.WORKSPACE_DID_RENAME_FILES: {"files": [{"oldUri": uri, "newUri": uri}]},
        lsp.WORKSPACE_DID_DELETE_FILES: {"files": [document]},
    }


def params_type(method: str) -> type:
    ours: Mapping[str, type] = {
        **types.REQUESTS,
        lsp.TEXT_DOCUMENT_DID_OPEN: types.DidOpenParams,
        lsp.TEXT_DOCUMENT_DID_CHANGE: types.DidChangeParams,
    }
    return ours.get(method) or lsp.METHOD_TO_TYPES[method][2]


def places(method: str) -> list[tuple[Path_, Kind]]:
    found = list(numeric_fields(params_type(method)))
    if method == lsp.TEXT_DOCUMENT_DID_CHANGE:  # its changes are read one by one
        found += [(("contentChanges", 0, *path), kind) for path, kind in numeric_fields(types.ContentChange)]
    return found


def with_value(params: dict[str, Any], path: Path_, value: Any) -> dict[str, Any]:
    """The parameters with a value in one place; what the place lies in is made where it is missing."""
    changed = copy.deepcopy(params)
    if path[0] == "range" and "position" in changed:
        del changed["position"]
    here: Any = changed
    for step, after in pairwise(path):
        if isinstance(step, int):
            while len(here) <= step:
                here.append([] if isinstance(after, int) else {})
            here = here[step]
        else:
            here = here.setdefault(step, [] if isinstance(after, int) else {})
    if isinstance(path[-1], int):
        here[:] = [value]
    else:
        here[path[-1]] = value
    for step in ("start", "end"):
        if step in path:
            where: Any = changed
            for each in path[: path.index(step)]:
                where = where[each]
            for other in ("start", "end"):
                corner = where.setdefault(other, {})
                corner.setdefault("line", 0)
                corner.setdefault("character", 0)
    return changed


def fits(kind: Kind, value: Any) -> bool | None:
    """Whether a value is taken; None: either is right."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(value, float):
        whole = value.is_integer()
    match kind:
        case "uinteger":
            return whole and value >= 0
        case "limit":
            return value is None or (whole and 1 <= value <= types.LARGEST_LIMIT)
        case "token":
            return value is None or isinstance(value, str) or (whole and isinstance(value, int)) or None
        case "other":
            return None


def test_every_method_is_tested() -> None:
    assert set(parameters("file:///a")) == set(_METHODS) - {lsp.INITIALIZE, lsp.INITIALIZED, lsp.SHUTDOWN}
    assert len([place for method in parameters("") for place in places(method)]) > 30
    assert (("limit",), "limit") in places(types.SEARCH)
    assert (("near", "position", "line"), "uinteger") in places(types.SEARCH)
    assert (("range", "end", "character"), "uinteger") in places(types.RELATED)
    assert (("textDocument", "version"), "other") in places(lsp.TEXT_DOCUMENT_DID_CHANGE)
    assert (("contentChanges", 0, "range", "start", "line"), "uinteger") in places(lsp.TEXT_DOCUMENT_DID_CHANGE)
    assert (("workDoneToken",), "token") in places(types.REINDEX)


def test_every_number_of_every_method_is_taken_or_refused_by_name(start: Start, workspace: Path) -> None:
    client = start()
    literals = {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": []}}}
    client.initialize(workspace, capabilities={"textDocument": {"codeAction": literals}})
    client.wait_until_quiescent()
    uri = (workspace / "src/retry.py").as_uri()
    for method, params in parameters(uri).items():
        is_request = method in types.REQUESTS or lsp.METHOD_TO_TYPES[method][1] is not None
        cases = [(path, kind, value) for path, kind in places(method) for value in [*NUMBERS, *OTHERS]]
        if not is_request:
            for path, _, value in cases:
                client.notify(method, with_value(params, path, value))
            assert client.request(types.STATUS)
            continue
        for path, kind, value in cases:
            answer = client.answer(client.ask(method, with_value(params, path, value)))
            if error := answer.get("error"):
                assert error["code"] == INVALID_PARAMS, (method, path, value, error)
                named = [str(step) for step in path if isinstance(step, str)]
                assert any(name in error["message"] for name in named), (method, path, value, error)
                # Null is a field that is missing, in the object around it.
                assert value is None or named[-1] in error["message"], (method, path, value, error)
            right = fits(kind, value)
            assert right is None or right == ("result" in answer), (method, path, value, answer)
    # Progress of a reindex goes to the tokens of the clients that asked for it.
    client.wait_until_quiescent()
    assert "alpha" not in client.stderr
    assert client.shut_down() == 0
    client._put_back = [message for message in client._put_back if message.get("method") != "$/progress"]
    while not client._inbox.empty() and (message := client._inbox.get()) is not None:
        assert message["method"] == "$/progress"
    client._inbox.put(None)
    assert "Traceback" not in client.stderr


def test_numbers_as_ids_are_answered_once(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    for value in [*NUMBERS, *OTHERS, 10**99, -(10**99), 10**4000]:
        whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 10**98
        is_id = (whole and abs(value) < 10**98) or isinstance(value, str)
        client.send_body(
            json.dumps({"jsonrpc": "2.0", "id": 1, "method": types.STATUS})
            .replace("1,", f"{_json(value)},", 1)
            .encode()
        )
        if is_id:
            client._asked.add(value)
            assert client.answer(value)["result"]
        else:
            assert client.answer(None)["error"]["code"] == -32600, value
        client.notify("$/cancelRequest", {"id": value})
    client._asked = set(client._answered)  # 0 and -0, say, are one id
    client._answered = list(client._asked)
    assert client.shut_down() == 0


def _json(value: Any) -> str:
    return "1" + "0" * 4000 if value == 10**4000 else json.dumps(value)


def test_the_process_of_the_client_may_have_any_number() -> None:
    async def watch() -> None:
        for value in NUMBERS:
            if isinstance(value, int) and value != 1:
                assert watch_process(value, lambda: None) is False, value

    asyncio.run(watch())
    converter = make_converter()
    for value in [*NUMBERS, *OTHERS]:
        params = {"processId": value, "rootUri": None, "capabilities": {}}
        whole = value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value % 1 == 0)
        with nullcontext() if whole else pytest.raises(ParamsError, match="processId"):
            structured = structure_params(converter, params, lsp.InitializeParams)
            assert structured.process_id is None or isinstance(structured.process_id, int)


# --- settings, files, command lines ---

NUMERIC = [item for item in fields(Settings) if item.type == "int"]


@pytest.mark.parametrize("item", NUMERIC, ids=lambda item: item.name)
def test_every_number_of_the_settings_is_taken_or_refused_by_name(item: Any) -> None:
    name, least, most = camel_case(item.name), item.metadata["least"], item.metadata["most"]
    for value in [*NUMBERS, *OTHERS, least, least - 1, most, most + 1]:
        merged, problems = merge(Settings(), {name: value}, "configuration")
        taken = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        assert getattr(merged, item.name) == (value if taken else item.default)
        assert len(problems) == (not taken and value is not None)
        assert all(f"`{name}`" in problem for problem in problems)
        of_repository, _ = merge_repository(Settings(), {name: value})
        assert getattr(of_repository, item.name) <= item.default


def test_the_greatest_settings_work(start: Start, workspace: Path) -> None:
    """No conversion of them, to bytes or to a system's time, overflows."""
    greatest = {camel_case(item.name): item.metadata["most"] for item in NUMERIC if item.name != "workers"}
    client = start()
    client.initialize(workspace, initializationOptions=greatest)
    uri = (workspace / "src/retry.py").as_uri()
    item = {"uri": uri, "languageId": "python", "version": 2**31, "text": "def alpha():\n    pass\n"}
    client.notify("textDocument/didOpen", {"textDocument": item})
    client.wait_until_quiescent()
    assert client.request(types.SEARCH, {"query": "alpha"})["hits"][0]["version"] == 2**31
    client.request(types.REINDEX)
    client.wait_until_quiescent()
    assert client.shut_down() == 0
    assert "Traceback" not in client.stderr


def test_wrong_settings_of_a_client_and_a_repository_are_named_and_the_others_hold(
    start: Start, workspace: Path
) -> None:
    write(workspace, {SETTINGS_FILE: "maxFileBytes = 1e308\nmaxFiles = nan\nmaxDepth = 9223372036854775808\n"})
    client = start()
    client.initialize(workspace, initializationOptions={"maxMessageMib": 2**63, "memoryMib": -1, "workers": 1.5})
    client.wait_until_quiescent()
    assert client.request(types.SEARCH, {"query": "retry"})["hits"]
    assert client.shut_down() == 0
    while (message := client._inbox.get()) is not None:
        assert message["method"] in {"window/showMessage", "window/logMessage"}
    client._inbox.put(None)
    client._put_back.clear()
    for name in ("maxFileBytes", "maxFiles", "maxDepth", "maxMessageMib", "memoryMib", "workers"):
        assert f"`{name}`" in client.stderr


def counts() -> Iterator[tuple[str, str, _Count]]:
    (subcommands,) = (action for action in command_line()._actions if isinstance(action.choices, dict))
    assert isinstance(subcommands.choices, dict)
    for command, parser in subcommands.choices.items():
        for action in parser._actions:
            if isinstance(action.type, _Count):
                yield command, action.option_strings[0], action.type


def test_every_number_of_the_command_line_is_taken_or_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "x"})
    folder = [str(tmp_path)]
    arguments = {
        "search": [*folder, "query"],
        "index": folder,
        "status": folder,
        "doctor": folder,
        "related": [f"{tmp_path}/a.py:1"],
    }
    found = list(counts())
    assert {("search", "--limit"), ("serve", "--clientProcessId")} <= {
        (command, option) for command, option, _ in found
    }
    for command, option, count in found:
        for text in [*(str(value) for value in NUMBERS), "", " 5", "5 ", "+5", "٥", "0x5", "5_0", "9" * 5000]:
            said, parsed = StringIO(), None
            with redirect_stderr(said), suppress(SystemExit):
                parsed = command_line().parse_args([command, *arguments.get(command, []), option, text])
            if parsed is None:
                assert option in said.getvalue()
                assert said.getvalue().count("\n") == 1
            else:
                assert count._least <= getattr(parsed, option.removeprefix("--").replace("-", "_")) <= count._most


@pytest.mark.parametrize("place", ["0", "-1", "1:0", "9" * 5000, "1:" + "9" * 5000, "nan", "1.5", "1e308"])
def test_a_place_of_the_command_line_is_refused_in_one_line(tmp_path: Path, place: str) -> None:
    write(tmp_path, {"a.py": "x"})
    said = StringIO()
    with pytest.raises(SystemExit), redirect_stderr(said):
        command_line().parse_args(["related", f"{tmp_path}/a.py:{place}"])
    assert said.getvalue().count("\n") == 1
