"""conexus.toml over a real connection: it is read beside the event loop, and again when it changes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults import until
from tests.lsp.raw import RawClient, server_environment

Start = Callable[..., RawClient]

#: A fake for a disk that does not answer: who opens conexus.toml first waits until a file says that he may.
SLOW_DISK = """
import os, time
real, gate, first = os.open, os.environ["CONEXUS_TEST_GATE"], [True]
def slow(path, *arguments, **more):
    if str(path).endswith("conexus.toml") and first:
        first.clear()
        while not os.path.exists(gate):
            time.sleep(0.01)
    return real(path, *arguments, **more)
os.open = slow
"""


def test_a_disk_that_does_not_answer_holds_up_nothing(start: Start, workspace: Path, tmp_path: Path) -> None:
    (workspace / "conexus.toml").write_text('exclude = ["src", "conexus.toml"]\n')
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "sitecustomize.py").write_text(SLOW_DISK)
    gate = tmp_path / "gate"
    source = server_environment(tmp_path)["PYTHONPATH"]
    client = start(PYTHONPATH=f"{disk}{os.pathsep}{source}", CONEXUS_TEST_GATE=str(gate))
    client.initialize(workspace)
    assert client.request("conexus/status")["health"] == "ok"
    client.wait_until_quiescent()  # the engine starts without the file
    hit = client.request("conexus/search", {"query": "retry_with_backoff"})["hits"][0]
    assert hit.get("symbol") == "retry_with_backoff", hit
    gate.touch()
    names_are(client, {"README.md", "test_parser.py"})
    assert client.shut_down() == 0


def names_are(client: RawClient, expected: set[str]) -> None:
    """Wait until a search that finds everything finds these files."""

    def names() -> set[str]:
        client.wait_until_quiescent()
        hits: list[dict[str, Any]] = client.request("conexus/search", {"query": "a", "limit": 200})["hits"]
        return {hit["location"]["uri"].rpartition("/")[2] for hit in hits}

    until(lambda: names() == expected, names)


@pytest.mark.parametrize("how", ["watched", "saved"])
def test_a_changed_file_counts(start: Start, workspace: Path, how: str) -> None:
    client = start()
    client.initialize(workspace)
    everything = {"README.md", "parser.py", "retry.py", "test_parser.py"}
    names_are(client, everything)
    file = workspace / "conexus.toml"
    file.write_text('exclude = ["src", "conexus.toml"]\n')
    tell(client, file, how)
    names_are(client, {"README.md", "test_parser.py"})
    file.unlink()
    tell(client, file, how)
    names_are(client, everything)
    assert client.shut_down() == 0


def tell(client: RawClient, file: Path, how: str) -> None:
    if how == "watched":
        changes = [{"uri": file.as_uri(), "type": 2}]
        client.notify("workspace/didChangeWatchedFiles", {"changes": changes})
    else:
        client.notify("textDocument/didSave", {"textDocument": {"uri": file.as_uri()}})


def test_a_repository_lowers_limits_and_never_lifts_them(start: Start, workspace: Path) -> None:
    (workspace / "large.py").write_text(f"def large():\n    return '{'x' * 1_000_000}'\n")
    (workspace / "conexus.toml").write_text("maxFileBytes = 1099511627776\n")
    client = start()
    client.initialize(workspace)
    (folder,) = client.wait_until_quiescent()["folders"]
    assert folder["skipped"] == {"larger than maxFileBytes": 1}
    message = client.notification("window/showMessage")["message"]
    assert message == "conexus.toml: `maxFileBytes` can only be raised above 1000000 in the editor"
    client.notification("window/logMessage")
    (workspace / "conexus.toml").write_text("maxFileBytes = 100\n")
    tell(client, workspace / "conexus.toml", "watched")
    until(lambda: client.wait_until_quiescent()["folders"][0]["skipped"] == {"larger than maxFileBytes": 4})
    assert client.shut_down() == 0


def test_the_editor_raises_a_limit(start: Start, workspace: Path) -> None:
    (workspace / "large.py").write_text(f"def large():\n    return '{'x' * 1_000_000}'\n")
    (workspace / "conexus.toml").write_text("maxFileBytes = 100\n")
    client = start()
    client.initialize(workspace, initializationOptions={"maxFileBytes": 2_000_000})
    (folder,) = client.wait_until_quiescent()["folders"]
    assert folder["skipped"] == {}
    assert client.shut_down() == 0
