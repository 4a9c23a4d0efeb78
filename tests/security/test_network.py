"""Nothing leaves the computer: the system calls of a whole session and of each command, seen by strace."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lsp.raw import SERVER_COMMAND, raw_client, server_environment
from tests.workspaces import write

#: Where the system's own name service cache listens; the C library asks it who the user is.
_SYSTEMS_OWN = ("/var/run/nscd/socket", "/run/systemd/userdb")
#: LanceDB imports urllib3, which finds out whether IPv6 works: it binds a socket to a free port and closes it.
_PROBE = re.compile(r"bind\(\d+, \{sa_family=AF_INET6, sin6_port=htons\(0\), .*\"::1\"")
_CALL = re.compile(r"^\d+ +(?:<\.\.\. )?(\w+)")
FILES = {f"pkg/m{number}.py": f"def work_{number}(x):\n    return work_{number + 1}(x)\n" for number in range(60)}


@functools.cache
def why_not() -> str:
    """Why system calls cannot be traced here; empty if they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"strace may not trace here: {tried.stderr.strip()[-200:]}"


@pytest.fixture
def trace(tmp_path: Path) -> Iterator[list[str]]:
    """The beginning of a command line, for a program whose network calls are checked at the end."""
    if why_not():
        pytest.skip(why_not())
    log = tmp_path / "trace"
    yield ["strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=%network", "-s", "4096", "-o", str(log)]
    calls = log.read_text(errors="replace").splitlines()
    assert_silent(calls)


def assert_silent(calls: list[str]) -> None:
    for call in calls:
        name = match[1] if (match := _CALL.match(call)) else ""
        assert name not in ("listen", "accept", "accept4"), call
        if "AF_INET" in call or "AF_NETLINK" in call or "AF_PACKET" in call:
            assert name == "socket" or _PROBE.search(call), call
        if name == "connect":
            assert any(place in call for place in _SYSTEMS_OWN), call


def test_the_check_sees_a_connection_and_a_name_that_is_looked_up(tmp_path: Path) -> None:
    if why_not():
        pytest.skip(why_not())
    for attempt in ("socket.create_connection(('127.0.0.1', 9))", "socket.socket().listen()"):
        log = tmp_path / "trace"
        code = f"import socket\ntry:\n    {attempt}\nexcept OSError:\n    pass"
        command = ["strace", "-f", "-qq", "-e", "trace=%network", "-o", str(log), sys.executable, "-c", code]
        subprocess.run(command, check=True)
        with pytest.raises(AssertionError):
            assert_silent(log.read_text().splitlines())


def test_a_session_sends_nothing(trace: list[str], tmp_path: Path) -> None:
    root, data = tmp_path / "root", tmp_path / "data"
    write(root, FILES)
    uri = (root / "pkg" / "m1.py").as_uri()
    with raw_client(data, command=[*trace, *SERVER_COMMAND]) as client:
        client.initialize(root, capabilities={"window": {"showDocument": {"support": True}}})
        client.wait_until_quiescent()
        assert client.request("conexus/search", {"query": "where work is done"})["hits"]
        place = {"textDocument": {"uri": uri}, "position": {"line": 0, "character": 5}}
        assert client.request("conexus/related", place)["hits"]
        opened = {"uri": uri, "languageId": "python", "version": 1, "text": "def unsaved(): pass\n"}
        client.notify("textDocument/didOpen", {"textDocument": opened})
        client.wait_until_quiescent()
        asked = client.ask(
            "workspace/executeCommand", {"command": "conexus.server.showResults", "arguments": ["unsaved"]}
        )
        client.server_request("window/showDocument", {"success": True})
        assert "error" not in client.answer(asked)
        until_stored(data)
        client.request("workspace/executeCommand", {"command": "conexus.server.clear", "arguments": []})
        client.wait_until_quiescent()
        assert client.shut_down() == 0


def until_stored(data: Path) -> None:
    """Waits until the store process has written tables, for which it has imported LanceDB."""
    from tests.faults import until

    until(lambda: [*data.rglob("*.lance")])


@pytest.mark.parametrize(
    "arguments", [["index", "."], ["search", ".", "work"], ["related", "pkg/m1.py:1"], ["status", "."], ["doctor", "."]]
)
def test_a_command_sends_nothing(trace: list[str], tmp_path: Path, arguments: list[str]) -> None:
    root = tmp_path / "root"
    write(root, FILES)
    result = subprocess.run(
        [*trace, sys.executable, "-P", "-m", "conexus", *arguments],
        cwd=root,
        env=server_environment(tmp_path / "data"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == (1 if arguments[0] == "status" else 0), result.stderr
