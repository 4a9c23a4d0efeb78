"""Neither a storm of events nor a model that hangs delays a keystroke, a question, or what was cancelled."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conexus.text.positions import split_lines
from tests.lsp.raw import PATIENCE, RawClient

Start = Callable[..., RawClient]
CANCELLED = -32800

#: Changes of one buffer, and events of files.
CHANGES, EVENTS = 200, 2000


def open_buffer(client: RawClient, uri: str, text: str) -> None:
    item = {"uri": uri, "languageId": "python", "version": 1, "text": text}
    client.notify("textDocument/didOpen", {"textDocument": item})


def change(client: RawClient, uri: str, version: int, *changes: dict[str, Any]) -> None:
    document = {"uri": uri, "version": version}
    client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": list(changes)})


def at(line: int) -> dict[str, Any]:
    return {"start": {"line": line, "character": 0}, "end": {"line": line, "character": 0}}


def check(hit: dict[str, Any], texts: dict[int, str]) -> None:
    """A hit lies where it says, in the version of the buffer that it says."""
    lines = split_lines(texts[hit["version"]])
    start, end = hit["location"]["range"]["start"], hit["location"]["range"]["end"]
    whole = "".join(lines[start["line"] : end["line"] + 1])
    assert whole
    assert whole.startswith(hit["preview"])
    assert end["character"] == len(lines[end["line"]].rstrip("\n"))
    if name := hit.get("nameRange"):
        line = lines[name["start"]["line"]]
        assert line[name["start"]["character"] : name["end"]["character"]] == hit["symbol"]


def test_a_storm_of_events_while_one_types_and_searches(start: Start, workspace: Path) -> None:
    path = workspace / "src/retry.py"
    uri, texts = path.as_uri(), {1: path.read_text()}
    client = start()
    client.initialize(workspace)
    client.wait_until_quiescent()
    open_buffer(client, uri, texts[1])
    asked: list[tuple[int, int]] = []
    for number in range(CHANGES):
        version = number + 2
        added = f"def typed_{number}():\n    return {number}\n\n\n"
        change(client, uri, version, {"range": at(0), "text": added})
        texts[version] = added + texts[version - 1]
        made = workspace / f"made/module_{number % 50}.py"
        made.parent.mkdir(exist_ok=True)
        made.write_text(f"def written_{number}():\n    return {number}\n")
        events = [{"uri": made.as_uri(), "type": 2} for _ in range(EVENTS // CHANGES)]
        client.notify("workspace/didChangeWatchedFiles", {"changes": events})
        if number % 10 == 0:
            asked.append((client.ask("conexus/search", {"query": "retry with backoff"}), version))
            asked.append((client.ask("workspace/symbol", {"query": f"typed_{number}"}), 0))
            client.request("conexus/status")
    for msg_id, version in asked:
        result = client.answer(msg_id)["result"]
        if version:
            mine = [hit for hit in result["hits"] if hit["location"]["uri"] == uri]
            assert any(hit["symbol"] == "retry_with_backoff" for hit in mine)
            for hit in mine:
                assert hit["version"] >= version
                check(hit, texts)
    client.wait_until_quiescent()
    last = CHANGES - 1
    hits = client.request("conexus/search", {"query": f"typed_{last}"})["hits"]
    found = next(hit for hit in hits if hit.get("symbol") == f"typed_{last}")
    assert (found["version"], found["location"]["range"]["start"]["line"]) == (CHANGES + 1, 0)
    check(found, texts)
    for number in range(CHANGES - 50, CHANGES):
        (symbol, *_) = client.request("workspace/symbol", {"query": f"written_{number}"})
        assert symbol["name"] == f"written_{number}"
    old = client.request("workspace/symbol", {"query": f"written_{last - 50}"})
    assert f"written_{last - 50}" not in {symbol["name"] for symbol in old}


@contextlib.contextmanager
def hanging(client: RawClient) -> Iterator[Callable[[], None]]:
    """The model's process is stopped, as one that swaps or computes for minutes; until what is yielded is called."""
    worker = worker_of(client.process.pid)
    os.kill(worker, signal.SIGSTOP)
    try:
        yield lambda: os.kill(worker, signal.SIGCONT)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGCONT)


@contextlib.contextmanager
def at_once(client: RawClient) -> Iterator[None]:
    """What is sent meanwhile goes out in one piece, so that nothing of it is late."""
    pieces: list[bytes] = []
    send, client.send_bytes = client.send_bytes, pieces.append  # type: ignore[method-assign]
    try:
        yield
    finally:
        client.send_bytes = send  # type: ignore[method-assign]
    client.send_bytes(b"".join(pieces))


def worker_of(parent: int) -> int:
    """The process in which a server runs its model."""
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            its_parent = int((each / "stat").read_text().rpartition(")")[2].split()[1])
            if its_parent == parent and b"conexus.embedding.transformer.worker" in (each / "cmdline").read_bytes():
                return int(each.name)
    raise AssertionError("there is no such process")


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.05)):
        if condition():
            return
        pause.wait(0.05)
    raise AssertionError("it never came")


@pytest.mark.torch
def test_a_model_that_hangs_delays_nothing(start: Start, workspace: Path, built: Path) -> None:
    client = start()
    client.initialize(workspace, initializationOptions={"model": str(built / "small"), "watcher": "off"})
    until(lambda: client.request("conexus/status")["model"]["dimensions"] not in {0, 256})
    client.wait_until_quiescent()

    def search(query: str) -> dict[str, Any]:
        return dict(client.request("conexus/search", {"query": query}))

    assert "degraded" not in search("retry with backoff")["index"]
    with hanging(client) as go_on:
        # More than there are threads; none of them gets a vector.
        with at_once(client):
            ids = [client.ask("conexus/search", {"query": f"retry with backoff {n}"}) for n in range(20)]
            status = client.ask("conexus/status")
            for msg_id in ids:
                client.notify("$/cancelRequest", {"id": msg_id})
        assert client.answer(status)["result"]
        assert not set(client._answered[: client._answered.index(status)]) & set(ids), "it waited for the model"
        for msg_id in ids:
            assert client.answer(msg_id)["error"]["code"] == CANCELLED
        for _ in range(5):
            answer = search("retry with backoff")
            assert "busy" in answer["index"]["degraded"]
            assert answer["hits"][0]["symbol"] == "retry_with_backoff"
        selected = {"start": {"line": 5, "character": 0}, "end": {"line": 9, "character": 0}}
        place = {"textDocument": {"uri": (workspace / "src/retry.py").as_uri()}, "range": selected}
        assert "busy" in client.request("conexus/related", place)["index"]["degraded"]
        # What is typed is found by its words.
        uri = (workspace / "src/parser.py").as_uri()
        open_buffer(client, uri, "def first():\n    pass\n")
        change(client, uri, 2, {"text": "def zebra_crossing():\n    return 'stripes'\n"})
        until(lambda: any(hit.get("symbol") == "zebra_crossing" for hit in search("zebra_crossing")["hits"]))
        go_on()
        until(lambda: "degraded" not in search("zebra_crossing")["index"])
    client.wait_until_quiescent()
    assert search("zebra_crossing")["hits"][0]["version"] == 2
