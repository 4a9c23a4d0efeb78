"""Several servers and the command line on one workspace: one writes, all see what is saved, none sees half of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import (
    assert_equal_to_fresh,
    assert_none_left,
    assert_stored,
    fresh_rows,
    holds,
    hurried,
    index_files,
    kill,
    kill_server,
    processes_of,
    server,
    until,
)
from tests.lsp.raw import PATIENCE, RawClient, server_environment
from tests.workspaces import write

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

#: How often a file is rewritten while others look.
REWRITES = int(os.environ.get("CONEXUS_REWRITES", "8"))


class Servers:
    """Servers on one workspace and data directory."""

    def __init__(self, root: Path, data: Path) -> None:
        self.root, self.data = root, data
        self.all: list[RawClient] = []

    def start(self) -> RawClient:
        client = server(self.data)
        self.all.append(client)
        client.initialize(self.root)
        return client

    def cli(self, *arguments: str) -> subprocess.Popen[str]:
        """A command on the same workspace and data directory."""
        return subprocess.Popen(
            hurried(*arguments),
            env=server_environment(self.data),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def search(self, query: str) -> Any:
        process = self.cli("search", str(self.root), query, "--json")
        output, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, errors
        return json.loads(output)["hits"]


@pytest.fixture
def servers(workspace: Path, tmp_path: Path) -> Iterator[Servers]:
    made = Servers(workspace, tmp_path / "data")
    try:
        yield made
    finally:
        for client in made.all:
            client.process.kill()
        for pid in processes_of(made.data):
            kill(pid)
        for client in made.all:
            client.wait()


def symbols(client: RawClient, query: str, **more: object) -> list[str]:
    hits = client.request("conexus/search", {"query": query, "limit": 200, **more})["hits"]
    return [hit.get("symbol", "") for hit in hits]


def role(client: RawClient) -> str:
    return str(client.request("conexus/status")["role"])


def roles(*clients: RawClient) -> list[str]:
    return sorted(map(role, clients))


def sees(client: RawClient, name: str) -> Callable[[], bool]:
    return lambda: name in symbols(client, name)


def until_stored(servers: Servers, client: RawClient) -> None:
    until(
        lambda: index_files(servers.data) and client.request("conexus/status")["indexBytes"],
        lambda: client.request("conexus/status"),
    )


def end(*clients: RawClient) -> None:
    for client in clients:
        assert client.shut_down() == 0, client.stderr


def test_all_begin_at_the_same_time(servers: Servers, tmp_path: Path) -> None:
    write(servers.root, {f"many/module_{n}.py": f"def function_{n}():\n    return {n}\n" for n in range(80)})
    first, second = servers.start(), servers.start()
    search = servers.cli("search", str(servers.root), "retry with backoff", "--json")
    index = servers.cli("index", str(servers.root))
    output, errors = search.communicate(timeout=PATIENCE)
    assert search.returncode == 0, errors
    assert json.loads(output)["hits"][0]["symbol"] == "retry_with_backoff"
    output, errors = index.communicate(timeout=PATIENCE)
    assert output.startswith("84 files"), errors
    for client in (first, second):
        assert client.wait_until_quiescent()["files"] == 84
    until(lambda: roles(first, second) == ["reader", "writer"], lambda: roles(first, second))
    for client in (first, second):
        until(sees(client, "function_77"))
    end(first, second)
    assert_none_left(servers.data)
    assert_equal_to_fresh(servers.root, servers.data, tmp_path / "fresh")


def test_the_command_index_succeeds_beside_a_cold_writer(servers: Servers) -> None:
    # Who is not in a hurry writes its first batch seconds later, and the command must not take that for a failure.
    first = RawClient(server_environment(servers.data))
    servers.all.append(first)
    first.initialize(servers.root)
    until(lambda: role(first) == "writer")
    index = servers.cli("index", str(servers.root))
    output, errors = index.communicate(timeout=PATIENCE)
    assert (index.returncode, errors) == (0, ""), output
    end(first)


def test_each_sees_what_the_other_saves(servers: Servers) -> None:
    first, second = servers.start(), servers.start()
    for client in (first, second):
        client.wait_until_quiescent()
    for number, (saver, other) in enumerate([(first, second), (second, first)] * 2):
        name = f"saved_by_number_{number}"
        path = servers.root / "src" / ("retry.py" if number % 2 else f"new_{number}.py")
        path.write_text(f"def {name}():\n    return {number}\n", encoding="utf-8")
        saver.notify("workspace/didChangeWatchedFiles", {"changes": [{"uri": path.as_uri(), "type": 2}]})
        until(sees(saver, name))
        until(sees(other, name))
    (servers.root / "src/retry.py").unlink()
    for client in (first, second):
        until(lambda: not sees(client, "saved_by_number_3")())  # noqa: B023  called in this round alone
    end(first, second)


def test_a_buffer_is_seen_by_its_own_server_alone(servers: Servers, tmp_path: Path) -> None:
    first, second = servers.start(), servers.start()
    for client in (first, second):
        client.wait_until_quiescent()
    path = servers.root / "src/retry.py"
    for number, client in enumerate((first, second)):
        text = f"def draft_of_{number}():\n    return {number}\n"
        document = {"uri": path.as_uri(), "languageId": "python", "version": 1, "text": text}
        client.notify("textDocument/didOpen", {"textDocument": document})
        until(sees(client, f"draft_of_{number}"))
    assert not sees(first, "draft_of_1")()
    assert not sees(second, "draft_of_0")()
    assert servers.search("retry_with_backoff")[0]["symbol"] == "retry_with_backoff"
    kill_server(first)  # a crash loses a draft, and stores none
    until(lambda: role(second) == "writer")
    assert not sees(second, "draft_of_0")()
    kill_server(second)
    assert_none_left(servers.data)
    assert_equal_to_fresh(servers.root, servers.data, tmp_path / "fresh")


def test_who_is_left_goes_on_writing(servers: Servers, tmp_path: Path) -> None:
    first = servers.start()
    first.wait_until_quiescent()
    until_stored(servers, first)
    second = servers.start()
    second.wait_until_quiescent()
    assert roles(first, second) == ["reader", "writer"]
    kill_server(first)
    until(lambda: role(second) == "writer", lambda: second.request("conexus/status"))
    path = servers.root / "src/new.py"
    path.write_text("def written_by_the_heir():\n    return 1\n", encoding="utf-8")
    until(sees(second, "written_by_the_heir"))
    # It stores without being told to end: what a copy of its index holds shows that.
    expected = fresh_rows(servers.root, tmp_path / "fresh")
    until(lambda: holds(servers.root, servers.data, expected, tmp_path / "copy"))
    kill_server(second)
    assert_none_left(servers.data)
    assert_stored(servers.root, servers.data, expected)
    third = servers.start()
    assert third.wait_until_quiescent()["chunks"] == len(expected)
    until(lambda: role(third) == "writer")
    end(third)
    assert_equal_to_fresh(servers.root, servers.data, tmp_path / "fresh")


def test_nobody_sees_half_of_a_file(servers: Servers) -> None:
    first, second = servers.start(), servers.start()
    for client in (first, second):
        client.wait_until_quiescent()
    path, other = servers.root / "src/rewritten.py", servers.root / "src/.next"
    versions = [
        "\n\n".join(f"def walrus_{colour}_{n}(tusk):\n    return tusk * {n}\n" for n in range(12))
        for colour in ("black", "white")
    ]
    wholes = [{f"walrus_{colour}_{n}" for n in range(12)} for colour in ("black", "white")]
    path.write_text(versions[0], encoding="utf-8")
    for client in (first, second):
        until(lambda: set(_symbols_of(client, path)) == wholes[0])  # noqa: B023
    for number in range(REWRITES):
        other.write_text(versions[(number + 1) % 2], encoding="utf-8")
        other.replace(path)
        wanted = wholes[(number + 1) % 2]
        for client in (first, second):
            _until_whole(client, path, wholes, wanted)
    end(first, second)


def _until_whole(client: RawClient, path: Path, wholes: list[set[str]], wanted: set[str]) -> None:
    def look() -> bool:
        seen = _symbols_of(client, path)
        assert len(seen) == len(set(seen)), seen
        assert set(seen) in wholes, seen
        return set(seen) == wanted

    until(look)


def _symbols_of(client: RawClient, path: Path) -> list[str]:
    hits = client.request(
        "conexus/search", {"query": "walrus tusk", "limit": 200, "filters": {"include": [f"**/{path.name}"]}}
    )["hits"]
    return [hit["symbol"] for hit in hits]


def test_the_command_line_beside_a_server(servers: Servers, tmp_path: Path) -> None:
    first = servers.start()
    first.wait_until_quiescent()
    until_stored(servers, first)
    assert role(first) == "writer"
    assert servers.search("retry with backoff")[0]["symbol"] == "retry_with_backoff"
    (servers.root / "src/new.py").write_text("def seen_by_the_command():\n    return 1\n", encoding="utf-8")
    assert servers.search("seen_by_the_command")[0]["symbol"] == "seen_by_the_command"
    index = servers.cli("index", str(servers.root))
    output, errors = index.communicate(timeout=PATIENCE)
    assert (index.returncode, errors) == (0, ""), output
    assert output.startswith("5 files")
    until(sees(first, "seen_by_the_command"))
    assert role(first) == "writer"
    end(first)
    assert_none_left(servers.data)
    assert_equal_to_fresh(servers.root, servers.data, tmp_path / "fresh")


def test_rebuilding_beside_a_server(servers: Servers, tmp_path: Path) -> None:
    first = servers.start()
    first.wait_until_quiescent()
    until_stored(servers, first)
    index = servers.cli("index", str(servers.root), "--rebuild")
    output, errors = index.communicate(timeout=PATIENCE)
    assert index.returncode == 3, output
    assert "another process" in errors
    until(sees(first, "retry_with_backoff"))
    end(first)
    assert_equal_to_fresh(servers.root, servers.data, tmp_path / "fresh")
