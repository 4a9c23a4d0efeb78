"""A client that sends too much, too deep, too long or too many: each is refused in words, and the server serves on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conexus.lsp import types
from conexus.lsp.frames import Skipped
from conexus.lsp.messages import Unreadable, read_message
from tests.lsp.raw import PATIENCE, SERVER_COMMAND, RawClient, server_environment
from tests.workspaces import write

Start = Callable[..., RawClient]

PARSE_ERROR, INVALID_PARAMS, REQUEST_FAILED = -32700, -32602, -32803
MIB = 1 << 20
ALPHA, OMEGA = "def alpha():\n    pass\n", "def omega():\n    pass\n"


def memory_of(client: RawClient, name: str = "VmHWM") -> int:
    """The most memory that the server ever had, in bytes."""
    text = Path(f"/proc/{client.process.pid}/status").read_text()
    (kib,) = re.findall(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(kib) * 1024


def begin(start: Start, workspace: Path, **settings: Any) -> RawClient:
    client = start()
    client.initialize(workspace, initializationOptions={"watcher": "off", **settings})
    return client


def open_document(client: RawClient, uri: str, text: str, language: str = "python") -> None:
    item = {"uri": uri, "languageId": language, "version": 1, "text": text}
    client.notify("textDocument/didOpen", {"textDocument": item})


def change(client: RawClient, uri: str, text: str, version: int = 2) -> None:
    params = {"textDocument": {"uri": uri, "version": version}, "contentChanges": [{"text": text}]}
    client.notify("textDocument/didChange", params)


def names(client: RawClient, query: str) -> set[str]:
    client.wait_until_quiescent()
    return {hit.get("symbol", "") for hit in client.request("conexus/search", {"query": query, "limit": 200})["hits"]}


def limits_of(client: RawClient) -> dict[str, int]:
    return dict(client.request("conexus/status")["limits"])


# --- messages ---


def test_a_message_that_is_too_large_is_skipped_and_the_next_one_is_answered(start: Start, workspace: Path) -> None:
    client = begin(start, workspace, maxMessageMib=1)
    uri = (workspace / "src/retry.py").as_uri()
    open_document(client, uri, ALPHA)
    assert "alpha" in names(client, "alpha")
    change(client, uri, f"# {'x' * MIB}\n")  # nobody knows which document it was about
    assert client.answer(None)["error"]["code"] == PARSE_ERROR
    assert "maxMessageMib" in client.notification("window/showMessage")["message"]
    client.notification("window/logMessage")
    assert "retry_with_backoff" in names(client, "retry")
    assert "alpha" not in names(client, "alpha")
    change(client, uri, OMEGA, 3)
    assert "omega" in names(client, "omega")
    # A request is answered with its id; the user is told once.
    error = client.error("conexus/search", {"query": "x" * MIB})
    assert (error["code"], "maxMessageMib" in error["message"]) == (PARSE_ERROR, True)
    assert limits_of(client)["messageSize"] == 2
    assert client.shut_down() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_message_that_is_too_large_takes_no_memory(start: Start, workspace: Path) -> None:
    client = begin(start, workspace)
    client.wait_until_quiescent()
    before = memory_of(client)
    client.send_bytes(b'Content-Length: %d\r\n\r\n{"id": 7000, ' % (256 * MIB))
    client._asked.add(7000)
    client.send_bytes(b" " * (256 * MIB - len('{"id": 7000, ')))
    assert client.answer(7000)["error"]["code"] == PARSE_ERROR
    client.notification("window/showMessage")
    client.notification("window/logMessage")
    assert memory_of(client) - before < 64 * MIB


def test_a_length_that_no_message_has_ends_the_connection(start: Start, workspace: Path) -> None:
    client = begin(start, workspace)
    client.send_bytes(b"Content-Length: %d\r\n\r\n" % (2**31))
    assert client.wait() == 1
    assert "The connection broke" in client.stderr


def test_a_message_that_is_nested_too_deeply_is_refused(start: Start, workspace: Path) -> None:
    client = begin(start, workspace, maxMessageDepth=20)
    deep = "[" * 20 + "]" * 20
    body = f'{{"jsonrpc": "2.0", "id": 9000, "method": "conexus/search", "params": {{"query": "x", "more": {deep}}}}}'
    client._asked.add(9000)
    client.send_body(body.encode())
    error = client.answer(9000)["error"]
    assert (error["code"], "maxMessageDepth" in error["message"]) == (PARSE_ERROR, True)
    client.send_body(b'{"id": [9], "more": %s}' % deep.encode())
    assert client.answer(None)["error"]["code"] == PARSE_ERROR
    # Brackets in a text are no depth.
    assert client.request("conexus/search", {"query": '"[{' * 100 + "\\" * 3})["hits"] is not None
    assert limits_of(client)["messageDepth"] == 2


def test_a_message_of_too_many_values_is_refused(start: Start, workspace: Path) -> None:
    client = begin(start, workspace)
    client._asked.add(9000)
    body = b'{"jsonrpc": "2.0", "id": 9000, "method": "conexus/search", "params": [%s0]}'
    client.send_body(body % (b"0," * 2_000_001))
    assert "values" in client.answer(9000)["error"]["message"]
    client.notification("window/showMessage")
    client.notification("window/logMessage")
    # Commas in a text are no values.
    client.send_body(b'{"jsonrpc": "2.0", "method": "$/unknown", "params": ["%s"]}' % (b"," * 3_000_000))
    assert limits_of(client)["messageSize"] == 1


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"id": 5, "params": {"id": 6}, "x": ', 5),
        (b'{"params": {"id": 6}, "id": -7, ', -7),
        (b'{"method": "id", "params": ["id", 8], "id" : "a\\"b", "x', 'a"b'),
        (b'{"params": {"id": 6}, ', None),
        (b'{"id": 5.5, ', None),
        (b'{"id": 5', None),
        (b'{"id": "\\x", ', None),
        (b'{"id": "abc', None),
        (b'["id", 5, ', None),
        (b"", None),
    ],
)
def test_the_id_of_a_message_that_is_not_read_is_found(body: bytes, found: int | str | None) -> None:
    message = read_message(Skipped(10**9, body), 100, MIB)
    assert isinstance(message, Unreadable)
    assert message.msg_id == found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "piece", [b"[],", b"{},", b"[[],", b'"",', b'{"a":[{}]},', b"0,", b"[", b'{"":', b'"\\', b"1e9,", b"-", b"\\u0000"]
)
def test_a_large_message_of_any_small_pieces_is_read_in_bounded_memory(
    start: Start, workspace: Path, piece: bytes
) -> None:
    """32 MiB of each; the memory of the largest is far below that of its values."""
    client = begin(start, workspace)
    client.wait_until_quiescent()
    before = memory_of(client)
    client.send_body(b"[" + piece * (32 * MIB // len(piece)) + b"0]")
    assert client.answer(None)["error"]["code"] in {PARSE_ERROR, -32600}
    assert client.request("conexus/status")
    while client._put_back or not client._inbox.empty():
        client.take(lambda message: message.get("method") in {"window/showMessage", "window/logMessage"})
    assert memory_of(client) - before < 256 * MIB
    client.shut_down()
    client._put_back.clear()


@pytest.mark.parametrize(
    ("text", "is_read"),
    [
        ("x" * 900, True),
        ("é" * 450, True),
        ("x" * 900 + "…", True),
        ("x" * 900 + "🙂", False),
        ("🙂" * 110, True),
        ("x" * 900 + "\\ud83d\\ude42", False),
        ("x" * 400 + "\\ud83d\\ude42", True),
    ],
)
def test_a_message_whose_text_is_much_larger_in_memory_is_refused(text: str, is_read: bool) -> None:
    body = bytearray(f'{{"id": 5, "params": "{text}"}}'.encode())
    assert len(body) <= 1000
    message = read_message(body, 100, 1000)
    assert isinstance(message, Unreadable) is not is_read
    assert (
        message.msg_id == 5
        if isinstance(message, Unreadable)
        else message == {"id": 5, "params": json.loads(f'"{text}"')}
    )


def test_a_client_that_does_not_read_is_left(tmp_path: Path, workspace: Path) -> None:
    """Its answers do not pile up: the server ends and says why."""
    process = subprocess.Popen(
        SERVER_COMMAND,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=server_environment(tmp_path / "data"),
        cwd=tmp_path,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None

    def framed(message: object) -> bytes:
        body = json.dumps({"jsonrpc": "2.0", **dict(message)}).encode()  # type: ignore[call-overload]
        return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)

    options = {"maxUnreadMib": 2, "watcher": "off"}
    params = {"processId": None, "rootUri": None, "capabilities": {}, "initializationOptions": options}
    process.stdin.write(framed({"id": 0, "method": "initialize", "params": params}))
    sent = 0
    try:
        for sent in range(1, 200_000):
            process.stdin.write(framed({"id": sent, "method": f"unknown/{'x' * 100}"}))
            if sent == 2000:
                # It serves on while less is unread than the setting allows.
                assert process.poll() is None
    except BrokenPipeError:
        pass
    process.stdin.close()
    assert process.wait(PATIENCE) == 1
    said = process.stderr.read().decode()
    process.stderr.close()
    process.stdout.close()
    assert 2 * MIB // 300 < sent < 199_999
    assert "does not read" in said
    assert "Traceback" not in said


# --- requests ---


@pytest.fixture
def never_started(start: Start, tmp_path: Path) -> Callable[..., RawClient]:
    """A server whose engine is still starting when the test is over."""
    hanging = tmp_path / "hanging"
    write(hanging, {"numpy.py": "import threading\nthreading.Event().wait()\n"})
    source = server_environment(tmp_path)["PYTHONPATH"]

    def begun(workspace: Path, **settings: Any) -> RawClient:
        client = start(PYTHONPATH=f"{hanging}:{source}", folder=workspace)
        client.initialize(workspace, initializationOptions=settings)
        return client

    return begun


def test_a_request_that_takes_too_long_is_ended_whatever_it_waits_for(
    never_started: Callable[..., RawClient], workspace: Path
) -> None:
    client = never_started(workspace, requestTimeoutSeconds=1)
    place = {"textDocument": {"uri": (workspace / "src/retry.py").as_uri()}, "position": {"line": 5, "character": 5}}
    requests: list[tuple[str, Any]] = [
        (types.SEARCH, {"query": "retry"}),
        (types.RELATED, place),
        (types.REINDEX, {}),
        ("workspace/symbol", {"query": "retry"}),
        *(("workspace/executeCommand", {"command": name, "arguments": ["x"]}) for name in (types.COMMAND_SEARCH,)),
        *(("workspace/executeCommand", {"command": name}) for name in (types.COMMAND_CLEAR, types.COMMAND_PAUSE)),
    ]
    for msg_id in [client.ask(method, params) for method, params in requests]:
        error = client.answer(msg_id)["error"]
        assert (error["code"], "requestTimeoutSeconds" in error["message"]) == (REQUEST_FAILED, True)
    assert client.request("conexus/status")["limits"] == {"requestTime": len(requests)}
    client.process.kill()


def test_while_many_requests_wait_further_ones_are_refused(
    never_started: Callable[..., RawClient], workspace: Path
) -> None:
    client = never_started(workspace, maxWaitingRequests=3)
    waiting = [client.ask(types.SEARCH, {"query": "retry"}) for _ in range(5)]
    for method, params in ((types.SEARCH, {"query": "x"}), (types.REINDEX, {}), ("workspace/symbol", {"query": "x"})):
        error = client.error(method, params)
        assert error["code"] == REQUEST_FAILED
        assert error["data"]["retryAfterMs"] > 0
    # What does not wait is answered.
    assert client.request("conexus/status")["limits"] == {"waitingRequests": 3}
    client.notify("$/cancelRequest", {"id": waiting.pop()})
    client.answer(5 + 1)
    waiting.append(client.ask(types.REINDEX, {}))
    for msg_id in waiting:
        client.notify("$/cancelRequest", {"id": msg_id})
        assert client.answer(msg_id)["error"]["code"] == -32800
    client.process.kill()


def test_a_query_that_is_too_long_is_refused_in_words(start: Start, workspace: Path) -> None:
    client = begin(start, workspace, maxQueryLength=100)
    assert client.request(types.SEARCH, {"query": "retry " + "x" * 94})["hits"] is not None
    command = {"command": types.COMMAND_SEARCH, "arguments": ["x" * 101]}
    for method, params in (
        (types.SEARCH, {"query": "x" * 101}),
        ("workspace/symbol", {"query": "x" * 101}),
        ("workspace/executeCommand", command),
    ):
        error = client.error(method, params)
        assert error["code"] == INVALID_PARAMS
        assert error["message"] == "`query` has 101 characters; `maxQueryLength` is 100."
    assert limits_of(client) == {"queryLength": 3}


def test_an_answer_is_small_whatever_is_on_one_line(start: Start, tmp_path: Path) -> None:
    longest = 990_000
    files = {
        "one.py": "x = '" + "alpha " * (longest // 6) + "'\n",
        "name.py": f"def alpha_{'a' * longest}():\n    pass\n",
        "inside.py": f"class Alpha{'a' * (longest // 2)}:\n    def alpha_{'b' * (longest // 3)}(self):\n        pass\n",
        "words.md": f"# alpha {'heading ' * (longest // 8)}\n\ntext\n",
        "json.json": '{"alpha": "' + "alpha " * (longest // 6) + '"}',
        "min.js": "function alpha(){return 1};" * (longest // 30),
    }
    write(tmp_path / "folder", files)
    client = begin(start, tmp_path / "folder")
    client.wait_until_quiescent()
    for method in (types.SEARCH, "workspace/symbol"):
        msg_id = client.ask(method, {"query": "alpha " * 1000})
        assert len(json.dumps(client.answer(msg_id)["result"])) < 2 * MIB


# --- documents ---


def test_documents_beyond_the_limit_are_searched_as_they_are_on_disk(start: Start, workspace: Path) -> None:
    client = begin(start, workspace, maxDocuments=2)
    uris = [f"untitled:Untitled-{number}" for number in range(3)]
    for number, uri in enumerate(uris):
        open_document(client, uri, f"def made_{number}():\n    pass\n")
    assert {"made_0", "made_1"} <= (found := names(client, "made"))
    assert "made_2" not in found
    change(client, uris[0], "def other_0():\n    pass\n")  # the first ones are edited as ever
    change(client, uris[2], "def other_2():\n    pass\n")
    assert "other_0" in (found := names(client, "other"))
    assert "other_2" not in found
    client.notify("textDocument/didClose", {"textDocument": {"uri": uris[1]}})
    change(client, uris[2], "def last_2():\n    pass\n", 3)
    assert "last_2" in names(client, "last")
    assert limits_of(client) == {"documents": 2}


def test_documents_beyond_the_total_size_are_searched_as_they_are_on_disk(start: Start, workspace: Path) -> None:
    client = begin(start, workspace, maxDocumentsMib=1)
    uri = (workspace / "src/retry.py").as_uri()
    open_document(client, uri, OMEGA)
    assert "omega" in names(client, "omega")
    change(client, uri, OMEGA + "#\n" * (MIB // 2))
    assert "omega" not in (found := names(client, "retry omega"))
    assert "retry_with_backoff" in found
    change(client, uri, ALPHA, 3)
    assert "alpha" in names(client, "alpha")
    assert limits_of(client) == {"documents": 1}


def test_no_number_of_lost_documents_takes_memory(start: Start, workspace: Path) -> None:
    client = begin(start, workspace, maxDocuments=5)
    for number in range(200):
        open_document(client, f"untitled:Untitled-{number}", f"def made_{number}():\n    pass\n")
    change(client, "untitled:Untitled-199", "def late():\n    pass\n")  # forgotten: it is not open
    client.send_body(b"{")
    assert client.answer(None)["error"]["code"] == PARSE_ERROR
    assert not {name for name in names(client, "made late") if name.startswith(("made", "late"))}
    change(client, "untitled:Untitled-3", "def back():\n    pass\n")
    assert "back" in names(client, "back")
    assert client.shut_down() == 0
    assert "Traceback" not in client.stderr


# --- texts ---


@pytest.mark.parametrize("path", ["\ud800", "src/\udfff\ud800.py", "a\0b", "file:///\ud800", "/\ud900/x"])
def test_a_path_that_no_file_system_has_is_refused(start: Start, workspace: Path, path: str) -> None:
    client = begin(start, workspace)
    client.wait_until_quiescent()
    for field in ("paths", "folders"):
        error = client.error(types.REINDEX, {field: ["src", path]})
        assert (error["code"], f"`{field}[1]`" in error["message"]) == (INVALID_PARAMS, True)
    client.wait_until_quiescent()
    assert client.shut_down() == 0
    assert "Traceback" not in client.stderr


#: Code whose names would be images and links of a page.
PAGES = {
    "a.test.js": "describe('a` ![x](https://127.0.0.1:9/x.png) [click](command:x) `b', () => {\n  it('works', f)\n})\n",
    "b.ex": 'defmodule A do\n  test "x` [click](http://127.0.0.1:9/) `" do\n    a = 1\n  end\nend\n',
    "c.md": "# <img src=https://127.0.0.1:9/z.png> click [a](command:x)\n\ntext\n\n```\n````\n[click](command:x)\n",
    "d [click](command:x).py": "def click():\n    pass\n",
}


def test_nothing_of_code_or_of_a_client_is_markdown_in_a_page(start: Start, tmp_path: Path) -> None:
    write(tmp_path / "folder", PAGES)
    client = begin(start, tmp_path / "folder")
    open_document(client, "untitled:x", "click = 'click'\n", "python\n```\n[click](command:x)\n![x](https://x)")
    client.wait_until_quiescent()
    arguments = ["click [click](command:x) <img src=https://127.0.0.1:9/z.png>\n# x"]
    page = client.request("workspace/executeCommand", {"command": types.COMMAND_SHOW_RESULTS, "arguments": arguments})
    text = Path(page["uri"].removeprefix("file://")).read_text()
    client.notification("window/showMessage")
    outside = without_code(text)
    assert "click" in outside
    assert "](" not in outside.replace("\\]", "")
    assert not re.search(r"(?<!\\)<|(?<!\\)!\[", outside)


def without_code(page: str) -> str:
    """A page without its code blocks and code spans, as CommonMark has them."""
    blocks = re.sub(r"^(`{3,})[^`\n]*\n.*?^\1`*$", "", page, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?<![`\\])(`+)(?!`).*?(?<!`)\1(?!`)", "", blocks)


def test_many_notifications_of_changed_settings_are_one_piece_of_work(start: Start, workspace: Path) -> None:
    """The client never answers the requests that they cause."""
    client = start()
    client.initialize(
        workspace,
        capabilities={
            "workspace": {
                "configuration": True,
                "didChangeConfiguration": {"dynamicRegistration": True},
            }
        },
    )
    for _ in range(2000):
        client.notify("workspace/didChangeConfiguration", {"settings": None})
    assert client.request("conexus/status")
    asked = []
    while client._put_back or not client._inbox.empty():
        asked.append(client.take(lambda message: "method" in message)["method"])
    assert asked.count("workspace/configuration") < 5
    assert client.shut_down() == 0
    client._put_back.clear()
