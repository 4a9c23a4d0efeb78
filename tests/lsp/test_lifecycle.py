"""How a server begins and ends: exit codes, signals, a vanished editor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lsp.raw import SERVER_COMMAND, RawClient, server_environment

Start = Callable[..., RawClient]

HEAVY = ("lancedb", "numpy", "tokenizers", "tree_sitter", "pyarrow", "torch")


def loaded(pid: int) -> set[str]:
    """Which of the heavy packages have a library mapped into a process."""
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
    return {name for name in HEAVY if f"/{name}" in maps}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_initialize_is_answered_before_anything_heavy_is_loaded(start: Start, workspace: Path) -> None:
    client = start()
    params = {"processId": os.getpid(), "rootUri": workspace.as_uri(), "capabilities": {}}
    client.request("initialize", params)
    assert loaded(client.process.pid) == set()
    client.notify("initialized", {})
    assert client.request("conexus/status")["phase"] == "starting"
    client.wait_until_quiescent()
    assert "numpy" in loaded(client.process.pid)


def test_importing_the_server_imports_nothing_heavy() -> None:
    code = f"import sys, conexus.lsp.server; print([m for m in {HEAVY!r} if m in sys.modules])"
    environment = server_environment(Path("unused"))
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_exit_after_shutdown(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    client.wait_until_quiescent()
    assert client.shut_down() == 0


def test_shutdown_at_once_and_exit_without_waiting(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    msg_id = client.ask("shutdown")
    client.notify("exit")
    assert client.answer(msg_id)["result"] is None
    assert client.wait() == 0


def test_exit_without_shutdown(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    client.notify("exit")
    assert client.wait() == 1


def test_exit_before_initialize(start: Start) -> None:
    client = start()
    client.notify("exit")
    assert client.wait() == 1


def test_end_of_input(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    client.close_input()
    assert client.wait() == 1


def test_end_of_input_inside_a_message(start: Start) -> None:
    client = start()
    client.send_bytes(b"Content-Length: 100\r\n\r\n{")
    client.close_input()
    assert client.wait() == 1


def test_running_requests_are_answered_at_shutdown(start: Start, workspace: Path) -> None:
    client = start()
    client.initialize(workspace)
    ids = [client.ask("conexus/search", {"query": "parse"}) for _ in range(10)]
    assert client.shut_down() == 0
    for msg_id in ids:
        answer = client.answer(msg_id)
        assert "result" in answer or answer["error"]["code"] == -32800


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_close_cleanly(start: Start, workspace: Path, number: signal.Signals) -> None:
    client = start()
    client.initialize(workspace)
    client.wait_until_quiescent()
    client.process.send_signal(number)
    assert client.wait() == 128 + number
    assert "Traceback" not in client.stderr


#: Starts a server whose standard input stays open in another process, prints its id, and ends.
_PARENT = """
import os, subprocess, sys
read, write = os.pipe()
watched = [] if sys.argv[1] == "initialize" else ["--clientProcessId", str(os.getpid())]
server = subprocess.Popen([*sys.argv[2:], *watched],
    stdin=read, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
holder = subprocess.Popen(["sleep", "600"], pass_fds=[write], stdout=subprocess.DEVNULL)
if sys.argv[1] == "initialize":
    body = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"processId":%d,"capabilities":{}}}' % os.getpid()
    os.write(write, b"Content-Length: %d\\r\\n\\r\\n%b" % (len(body), body))
    server.stdout.readline()
print(server.pid, holder.pid, flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("how", ["initialize", "argument"])
def test_the_server_ends_with_the_editor(tmp_path: Path, how: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, how, *SERVER_COMMAND],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=server_environment(tmp_path),
    )
    assert parent.stdout is not None
    server, holder = map(int, parent.stdout.readline().split())
    descriptor = os.pidfd_open(server)
    try:
        parent.kill()
        parent.wait()
        assert _ended(descriptor)
    finally:
        os.close(descriptor)
        os.kill(holder, signal.SIGKILL)


def _ended(descriptor: int) -> bool:
    import select

    readable, _, _ = select.select([descriptor], [], [], 60)
    return bool(readable)


def test_an_invisible_client_process_is_not_waited_for(start: Start, workspace: Path) -> None:
    client = start()
    client.request("initialize", {"processId": 2**22 + 1, "rootUri": None, "capabilities": {}})
    assert client.request("conexus/status")
    assert client.shut_down() == 0


def test_nothing_but_the_protocol_is_on_standard_output(start: Start, workspace: Path, tmp_path: Path) -> None:
    # A library prints when it is imported, and so does a process that it starts.
    noisy = tmp_path / "noisy"
    noisy.mkdir()
    (noisy / "filelock.py").write_text(
        "import os, sys\nprint('noise of a library', flush=True)\nos.system('echo noise of a child')\n"
        "sys.path.pop(0)\ndel sys.modules['filelock']\nimport filelock\n"
    )
    source = server_environment(tmp_path)["PYTHONPATH"]
    # Not below the directory that it is started in: nothing is imported from there.
    client = start(PYTHONPATH=f"{noisy}:{source}", folder=workspace)
    client.initialize(workspace)
    assert client.request("conexus/search", {"query": "x"})
    assert client.shut_down() == 0
    assert "noise of a library" in client.stderr
    assert "noise of a child" in client.stderr
