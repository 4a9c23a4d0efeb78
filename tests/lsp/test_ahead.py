"""Workers that start with the server, before it knows anything, where it is started in a workspace that is new."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import assert_none_left, processes_of, until
from tests.lsp.raw import RawClient
from tests.workspaces import write

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

Start = Callable[..., RawClient]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace of many files."""
    files = {f"package/module_{n}.py": f"def number_{n}():\n    return {n}\n" for n in range(60)}
    write(tmp_path / "new", {"pyproject.toml": "[project]\n", **files})
    return tmp_path / "new"


def workers(data: Path) -> list[int]:
    """The worker processes; not who keeps their shared resources."""
    mark = b"spawn_main"
    return [pid for pid in processes_of(data) if mark in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_they_start_before_the_client_says_anything(start: Start, folder: Path, tmp_path: Path) -> None:
    client = start(folder=folder)
    until(lambda: bool(workers(tmp_path / "data")), lambda: processes_of(tmp_path / "data"))
    # Whoever had the client's pipes would keep it waiting for the end of a server that was killed.
    ours = {os.fstat(pipe.fileno()).st_ino for pipe in (client.process.stdin, client.process.stdout) if pipe}
    for pid in workers(tmp_path / "data"):
        theirs = {link.stat().st_ino for link in Path(f"/proc/{pid}/fd").iterdir() if link.exists()}
        assert not ours & theirs
    client.close_input()
    assert client.wait() == 1
    assert_none_left(tmp_path / "data")


def test_they_index_what_the_client_names(start: Start, folder: Path, tmp_path: Path) -> None:
    client = start(folder=folder)
    until(lambda: bool(workers(tmp_path / "data")), lambda: processes_of(tmp_path / "data"))
    client.initialize(folder)
    client.wait_until_quiescent()
    assert client.request("conexus/status")["files"] == 61
    assert client.shut_down() == 0


def test_those_that_are_not_needed_end(start: Start, folder: Path, workspace: Path, tmp_path: Path) -> None:
    client = start(folder=folder)
    until(lambda: bool(workers(tmp_path / "data")), lambda: processes_of(tmp_path / "data"))
    started = set(workers(tmp_path / "data"))
    client.initialize(workspace)
    client.wait_until_quiescent()
    until(lambda: not started & set(workers(tmp_path / "data")), lambda: workers(tmp_path / "data"))
    assert client.shut_down() == 0


def test_none_start_above_a_project(start: Start, folder: Path, tmp_path: Path) -> None:
    client = start(folder=folder.parent)
    client.request("initialize", {"processId": os.getpid(), "rootUri": folder.as_uri(), "capabilities": {}})
    assert workers(tmp_path / "data") == []
    client.notify("initialized", {})
    client.wait_until_quiescent()
    assert client.shut_down() == 0


def test_none_start_where_an_index_is(start: Start, folder: Path, tmp_path: Path) -> None:
    first = start(folder=folder)
    first.initialize(folder)
    first.wait_until_quiescent()
    assert first.shut_down() == 0
    assert_none_left(tmp_path / "data")
    for place in (folder, folder / "package"):
        client = start(folder=place)
        client.initialize(folder)
        assert workers(tmp_path / "data") == []
        assert client.shut_down() == 0
