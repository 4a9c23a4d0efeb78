"""conexus.toml over a real connection: it is read beside the event loop, and again when it changes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults import until
from tests.lsp.conftest import write_files
from tests.lsp.raw import RawClient, server_environment

Start = Callable[..., RawClient]

#: The names of the files of the workspace.
EVERYTHING = {"README.md", "parser.py", "retry.py", "test_parser.py"}

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
    client, gate = on_a_slow_disk(start, tmp_path)
    client.initialize(workspace)
    assert client.request("conexus/status")["health"] == "ok"
    client.wait_until_quiescent()  # the engine starts without the file
    hit = client.request("conexus/search", {"query": "retry_with_backoff"})["hits"][0]
    assert hit.get("symbol") == "retry_with_backoff", hit
    gate.touch()
    names_are(client, {"README.md", "test_parser.py"})
    assert client.shut_down() == 0


def on_a_slow_disk(start: Start, scratch: Path) -> tuple[RawClient, Path]:
    """A server on such a disk, and the file that lets it go on."""
    disk, gate = scratch / "disk", scratch / "gate"
    disk.mkdir()
    (disk / "sitecustomize.py").write_text(SLOW_DISK)
    source = server_environment(scratch)["PYTHONPATH"]
    return start(PYTHONPATH=f"{disk}{os.pathsep}{source}", CONEXUS_TEST_GATE=str(gate)), gate


def names_are(client: RawClient, expected: set[str]) -> None:
    """Wait until a search that finds everything finds these files."""

    def names() -> set[str]:
        client.wait_until_quiescent()
        hits: list[dict[str, Any]] = client.request("conexus/search", {"query": "a", "limit": 200})["hits"]
        return {hit["location"]["uri"].rpartition("/")[2] for hit in hits}

    until(lambda: names() == expected, names)


def started_with_an_exclusion(start: Start, workspace: Path) -> tuple[RawClient, Path]:
    """Starts a server, waits for its index, then writes a conexus.toml that excludes ``src``. Returns both."""
    client = start()
    client.initialize(workspace)
    names_are(client, EVERYTHING)
    file = workspace / "conexus.toml"
    file.write_text('exclude = ["src", "conexus.toml"]\n')
    return client, file


@pytest.mark.parametrize("how", ["watched", "saved"])
def test_a_changed_file_counts(start: Start, workspace: Path, how: str) -> None:
    client, file = started_with_an_exclusion(start, workspace)
    tell(client, file, how)
    names_are(client, {"README.md", "test_parser.py"})
    file.unlink()
    tell(client, file, how)
    names_are(client, EVERYTHING)
    assert client.shut_down() == 0


def tell(client: RawClient, file: Path, how: str) -> None:
    if how == "watched":
        changes = [{"uri": file.as_uri(), "type": 2}]
        client.notify("workspace/didChangeWatchedFiles", {"changes": changes})
    else:
        client.notify("textDocument/didSave", {"textDocument": {"uri": file.as_uri()}})


def test_a_file_that_another_program_changed_counts(start: Start, workspace: Path) -> None:
    """No editor tells of it: the server itself watches, as in Neovim on Linux, Helix and Emacs."""
    client, file = started_with_an_exclusion(start, workspace)
    names_are(client, {"README.md", "test_parser.py"})
    file.write_text('exclude = ["README.md", "conexus.toml"]\n')  # it is excluded, and read all the same
    names_are(client, EVERYTHING - {"README.md"})
    file.unlink()
    names_are(client, EVERYTHING)
    assert client.shut_down() == 0


def test_a_repository_lowers_limits_and_never_lifts_them(start: Start, workspace: Path) -> None:
    (workspace / "large.py").write_text(f"def large():\n    return '{'x' * 1_000_000}'\n")
    (workspace / "conexus.toml").write_text("maxFileBytes = 1099511627776\n")
    client = start()
    client.initialize(workspace)
    (folder,) = client.wait_until_quiescent()["folders"]
    assert folder["skipped"] == {"larger than maxFileBytes": 1}
    message = client.notification("window/showMessage")["message"]
    assert message == "conexus.toml: a repository cannot raise `maxFileBytes` above 1000000"
    client.notification("window/logMessage")
    (workspace / "conexus.toml").write_text("maxFileBytes = 100\n")
    tell(client, workspace / "conexus.toml", "watched")
    until(lambda: client.wait_until_quiescent()["folders"][0]["skipped"] == {"larger than maxFileBytes": 4})
    assert client.shut_down() == 0


def test_the_settings_of_a_new_first_folder_count_before_it_is_indexed(start: Start, tmp_path: Path) -> None:
    first, second = write_files(tmp_path / "first"), write_files(tmp_path / "second")
    (second / "conexus.toml").write_text('exclude = ["src", "conexus.toml"]\n')
    client = start()
    client.initialize(first)
    client.wait_until_quiescent()
    event = {"added": [{"uri": second.as_uri(), "name": "b"}], "removed": [{"uri": first.as_uri(), "name": "a"}]}
    client.notify("workspace/didChangeWorkspaceFolders", {"event": event})
    seen = set()

    def changed() -> bool:
        (folder,) = client.wait_until_quiescent()["folders"]
        seen.update(hit["location"]["uri"] for hit in client.request("conexus/search", {"query": "retry"})["hits"])
        return str(folder["uri"]) == second.as_uri()

    until(changed)
    assert not any(uri.startswith(f"{second.as_uri()}/src") for uri in seen)
    names_are(client, {"README.md", "test_parser.py"})
    assert client.shut_down() == 0


def test_a_client_s_settings_count_while_the_disk_does_not_answer(
    start: Start, workspace: Path, tmp_path: Path
) -> None:
    (workspace / "conexus.toml").write_text("")
    client, gate = on_a_slow_disk(start, tmp_path)
    client.initialize(workspace, capabilities={"workspace": {"configuration": True}})
    client.server_request("workspace/configuration", [{}])
    client.notify("workspace/didChangeConfiguration", {"settings": {}})
    client.server_request("workspace/configuration", [{"exclude": ["src", "conexus.toml"]}])
    names_are(client, {"README.md", "test_parser.py"})
    gate.touch()
    assert client.shut_down() == 0


def test_the_editor_raises_a_limit(start: Start, workspace: Path) -> None:
    (workspace / "large.py").write_text(f"def large():\n    return '{'x' * 1_000_000}'\n")
    (workspace / "conexus.toml").write_text("maxFileBytes = 100\n")
    client = start()
    client.initialize(workspace, initializationOptions={"maxFileBytes": 2_000_000})
    (folder,) = client.wait_until_quiescent()["folders"]
    assert folder["skipped"] == {}
    assert client.shut_down() == 0


def test_the_status_says_which_settings_a_repository_decides(start: Start, workspace: Path) -> None:
    (workspace / "conexus.toml").write_text('watcher = "off"\nexclude = ["*"]\nmaxFiles = 200000\n')
    client = start()
    client.initialize(workspace)
    note = "conexus.toml sets `watcher`, `exclude`."
    until(lambda: client.wait_until_quiescent()["message"] == note)
    assert client.request("conexus/status")["health"] == "ok"
    # What the user's own settings decide is not the repository's.
    client.notify("workspace/didChangeConfiguration", {"settings": {"conexus": {"exclude": [], "watcher": "server"}}})
    until(lambda: client.wait_until_quiescent()["message"] == "")
    assert client.shut_down() == 0
