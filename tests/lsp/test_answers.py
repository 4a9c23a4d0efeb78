"""Every request is answered exactly once, whatever it is; the client keeps account (see raw.py)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conexus.lsp import types
from tests.lsp.raw import RawClient

Start = Callable[..., RawClient]

INVALID_PARAMS, METHOD_NOT_FOUND, INVALID_REQUEST, NOT_INITIALIZED, PARSE_ERROR = (
    -32602,
    -32601,
    -32600,
    -32002,
    -32700,
)
REQUEST_FAILED, CANCELLED = -32803, -32800

#: Method, bad parameters, and what the refusal must name.
BAD = [
    ("conexus/search", None, "query"),
    ("conexus/search", {}, "query"),
    ("conexus/search", [], "query"),
    ("conexus/search", "text", "params"),
    ("conexus/search", [1, 2], "params"),
    ("conexus/search", {"query": 3}, "query"),
    ("conexus/search", {"query": None}, "query"),
    ("conexus/search", {"query": "x", "limit": "5"}, "limit"),
    ("conexus/search", {"query": "x", "limit": 0}, "limit"),
    ("conexus/search", {"query": "x", "limit": 201}, "limit"),
    ("conexus/search", {"query": "x", "limit": -1}, "limit"),
    ("conexus/search", {"query": "x", "limit": 2.5}, "limit"),
    ("conexus/search", {"query": "x", "limit": True}, "limit"),
    ("conexus/search", {"query": "x", "filters": "python"}, "filters"),
    ("conexus/search", {"query": "x", "filters": {"languages": "python"}}, "filters.languages"),
    ("conexus/search", {"query": "x", "filters": {"include": ["a", 1]}}, "filters.include[1]"),
    ("conexus/search", {"query": "x", "filters": {"tests": "never"}}, "filters.tests"),
    ("conexus/search", {"query": "x", "workDoneToken": {}}, "workDoneToken"),
    ("conexus/search", {"query": "x", "near": {"textDocument": {"uri": "file:///a"}}}, "near.position"),
    ("conexus/related", {}, "textDocument"),
    ("conexus/related", {"textDocument": {"uri": 5}}, "textDocument.uri"),
    ("conexus/related", {"textDocument": {"uri": "file:///a.py"}}, "range"),
    (
        "conexus/related",
        {"textDocument": {"uri": "file:///a.py"}, "position": {"line": "0", "character": 0}},
        "position.line",
    ),
    (
        "conexus/related",
        {"textDocument": {"uri": "file:///a.py"}, "position": {"line": -1, "character": 0}},
        "position",
    ),
    (
        "conexus/related",
        {"textDocument": {"uri": "file:///outside/a.py"}, "position": {"line": 0, "character": 0}},
        "textDocument.uri",
    ),
    (
        "conexus/related",
        {"textDocument": {"uri": "https://example.org/a.py"}, "position": {"line": 0, "character": 0}},
        "textDocument.uri",
    ),
    ("conexus/status", "text", "params"),
    ("conexus/reindex", {"paths": "src"}, "paths"),
    ("conexus/reindex", {"folders": ["git://a/b"]}, "folders[0]"),
    ("workspace/symbol", {}, "query"),
    ("workspace/symbol", {"query": ["a"]}, "query"),
    ("workspace/executeCommand", {}, "command"),
    ("workspace/executeCommand", {"command": "conexus.server.fly"}, "command"),
    ("workspace/executeCommand", {"command": "conexus.server.search", "arguments": "x"}, "arguments"),
    ("workspace/executeCommand", {"command": "conexus.server.search", "arguments": [5]}, "arguments[0]"),
    ("workspace/executeCommand", {"command": "conexus.server.search", "arguments": ["x", "5"]}, "limit"),
    ("workspace/executeCommand", {"command": "conexus.server.related", "arguments": []}, "textDocument"),
    ("textDocument/codeAction", {"textDocument": {"uri": "file:///a"}}, "range"),
]


def test_bad_parameters_are_refused_by_name(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    for method, params, named in BAD:
        error = client.error(method, params)
        assert error["code"] == INVALID_PARAMS, (method, params, error)
        assert named in error["message"], (method, params, error)
        assert error["message"].endswith("."), error
    assert client.shut_down() == 0


def test_the_initialize_request_itself_may_be_bad(start: Start) -> None:
    client = start()
    for params in ({}, {"capabilities": 5}, None):
        error = client.error("initialize", params)
        assert error["code"] == INVALID_PARAMS
        assert "capabilities" in error["message"]
    # An empty table of Lua is an empty array of JSON.
    assert client.request("initialize", {"capabilities": [], "processId": None, "rootUri": None})


def test_unknown_fields_are_ignored_and_null_is_absent(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    result = client.request(
        "conexus/search",
        {
            "query": "parse configuration",
            "limit": None,
            "filters": None,
            "near": None,
            "novelty": {"jsonrpc": "2.0", "id": 1, "method": "conexus/status"},
        },
    )
    assert isinstance(result["hits"], list)


def test_unknown_methods(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    for method in ("conexus/fly", "textDocument/hover", "$/custom", "", "textDocument/didOpen", "exit"):
        assert client.error(method, {})["code"] == METHOD_NOT_FOUND, method
    client.notify("conexus/unknownNotification", {})
    client.notify("$/unknownNotification")
    client.notify("conexus/search", {"query": "a request without an id"})
    assert client.request("conexus/status")


def test_before_initialize_nothing_runs(start: Start) -> None:
    client = start()
    for method in (*types.REQUESTS, "shutdown", "workspace/symbol", "unknown/method"):
        assert client.error(method, {"query": "x"})["code"] == NOT_INITIALIZED, method
    client.notify("textDocument/didOpen", {"textDocument": {}})
    client.notify("initialized", {})
    assert client.error("conexus/status")["code"] == NOT_INITIALIZED


def test_after_shutdown_nothing_runs(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    assert client.request("shutdown") is None
    for method in (*types.REQUESTS, "initialize", "shutdown", "unknown/method"):
        assert client.error(method, {"query": "x"})["code"] == INVALID_REQUEST, method
    client.notify("exit")
    assert client.wait() == 0


def test_initialize_is_answered_once(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    assert client.error("initialize", {"capabilities": {}})["code"] == INVALID_REQUEST


GARBAGE = [
    (b"{not json", PARSE_ERROR),
    (b"\xff\xfe\x00", PARSE_ERROR),
    (b"[" * 100_000, PARSE_ERROR),
    (b"[]", INVALID_REQUEST),
    (b'[{"jsonrpc":"2.0","id":1,"method":"conexus/status"}]', INVALID_REQUEST),
    (b"5", INVALID_REQUEST),
    (b"null", INVALID_REQUEST),
    (b'{"jsonrpc":"2.0","id":null,"method":"conexus/status"}', INVALID_REQUEST),
    (b'{"jsonrpc":"2.0","id":[1],"method":"conexus/status"}', INVALID_REQUEST),
    (b'{"jsonrpc":"2.0","id":true,"method":"conexus/status"}', INVALID_REQUEST),
]


def test_garbage_is_answered_without_an_id(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    for body, code in GARBAGE:
        client.send_body(body)
        assert client.answer(None)["error"]["code"] == code, body[:80]
    assert client.request("conexus/status")


def test_a_request_of_another_form_is_refused_with_its_id(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    messages: list[dict[str, Any]] = [
        {"method": "conexus/status"},
        {"jsonrpc": "1.0", "method": "conexus/status"},
        {"jsonrpc": "2.0", "method": 5},
        {"jsonrpc": "2.0", "method": ["conexus/status"]},
        {"jsonrpc": "2.0", "method": None},
    ]
    for msg_id, message in enumerate(messages, 70):
        client._asked.add(msg_id)
        client.send({"id": msg_id, **message})
        assert client.answer(msg_id)["error"]["code"] == INVALID_REQUEST, message


def test_string_ids_are_kept(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    client._asked.add("é-1")
    client.send({"jsonrpc": "2.0", "id": "é-1", "method": "conexus/status"})
    assert client.answer("é-1")["result"]


def test_malformed_notifications_and_responses_are_only_logged(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    for message in (
        {"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {"textDocument": 5}},
        {"jsonrpc": "2.0", "method": "textDocument/didChange"},
        {"jsonrpc": "2.0", "method": 5},
        {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": {}}},
        {"jsonrpc": "2.0", "method": "$/cancelRequest"},
        {"jsonrpc": "2.0", "method": "$/setTrace", "params": {"value": "loud"}},
        {"jsonrpc": "2.0", "id": "never-asked", "result": 5},
        {"jsonrpc": "2.0", "id": {}, "error": 5},
        {"jsonrpc": "2.0"},
        {},
    ):
        client.send(message)
    assert client.request("conexus/status")


def test_stray_lines_and_odd_headers_do_not_wedge_the_stream(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    body = json.dumps({"jsonrpc": "2.0", "id": 500, "method": "conexus/status"}).encode()
    client._asked.add(500)
    client.send_bytes(b"a stray line\r\n\r\ncontent-length:%d\r\nX-Other: 1\r\n\r\n%b" % (len(body), body))
    assert client.answer(500)["result"]


def test_cancelled_requests_are_answered_at_once(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    # The engine is still starting, so these wait.
    ids = [client.ask("conexus/search", {"query": "parse"}) for _ in range(5)]
    for msg_id in ids:
        client.notify("$/cancelRequest", {"id": msg_id})
    for msg_id in ids:
        assert client.answer(msg_id)["error"]["code"] == CANCELLED
    client.notify("$/cancelRequest", {"id": ids[0]})
    client.notify("$/cancelRequest", {"id": "never asked"})
    assert client.request("conexus/search", {"query": "parse"})["hits"] is not None


def test_symbols_that_are_asked_for_at_once_are_those_of_all_files(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    symbols = client.request("workspace/symbol", {"query": "parse"})
    names = [symbol["name"] for symbol in symbols]
    assert names[0] == "parse_config"
    assert {"load_settings", "retry_with_backoff", "test_parse_config"} <= set(names)


def test_too_many_requests_are_told_to_come_back(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    ids = [client.ask("conexus/search", {"query": "parse"}) for _ in range(700)]
    answers = [client.answer(msg_id) for msg_id in ids]
    refused = [answer["error"] for answer in answers if "error" in answer]
    assert refused
    for error in refused:
        assert error["code"] == REQUEST_FAILED
        assert error["data"]["retryAfterMs"] > 0
    assert len(refused) < len(answers)


def test_the_same_id_twice_at_the_same_time(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    first = {"jsonrpc": "2.0", "id": "twin", "method": "conexus/search", "params": {"query": "parse"}}
    client.send(first)
    client.send(first)
    codes = {client.answer("twin").get("error", {}).get("code") for _ in range(2)}
    assert codes == {None, INVALID_REQUEST}
    client._asked.add("twin")
    client._answered.remove("twin")


def test_a_broken_engine_fails_requests_politely(start: Start, workspace: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "numpy.py").write_text(f"raise RuntimeError('broken in {Path.home()}')")
    # Not below the directory that it is started in: nothing is imported from there.
    client = start(PYTHONPATH=f"{broken}:{Path(types.__file__).parents[2]}", folder=workspace)
    client.initialize(workspace)
    error = client.error("conexus/search", {"query": "x"})
    assert error["code"] == REQUEST_FAILED
    assert client.notification("window/showMessage")["type"] == 1
    assert client.notification("window/logMessage")["type"] == 1
    status = client.request("conexus/status")
    assert status["health"] == "error"
    assert str(Path.home()) not in status["message"]
    assert client.error("workspace/symbol", {"query": "x"})["code"] == REQUEST_FAILED
    assert client.shut_down() == 0
    assert "RuntimeError at numpy.py:1" in client.stderr
    assert "broken in" not in client.stderr


def test_file_content_is_not_logged(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    uri = (workspace / "secret.py").as_uri()
    text = "password = 'hunter2'"  # pragma: allowlist secret - invented
    item = {"uri": uri, "languageId": "python", "version": 1, "text": text}
    client.notify("textDocument/didOpen", {"textDocument": item})
    client.notify("textDocument/didChange", {"textDocument": {"uri": uri, "version": 2, "text": "hunter2"}})
    client.notify("textDocument/didOpen", {"textDocument": {**item, "version": "hunter2"}})
    client.error("conexus/search", {"query": ["hunter2"]})
    assert client.shut_down() == 0
    assert "hunter2" not in client.stderr
