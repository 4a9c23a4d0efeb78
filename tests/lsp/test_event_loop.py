"""The event loop waits for no disk: all that looks at the workspace is done by other threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.faults import until
from tests.lsp.conftest import write_files
from tests.lsp.raw import RawClient, server_environment

Start = Callable[..., RawClient]

#: Records every call of the event loop's thread that looks at a path below the workspaces. The watching process, which
#: has no event loop, looks at them in its only thread.
RECORDER = """
import os, sys, threading, traceback
below, log = os.environ["CONEXUS_TEST_BELOW"], os.environ["CONEXUS_TEST_LOG"]
def recording(real):
    def call(path=".", *arguments, **more):
        is_loop = threading.current_thread() is threading.main_thread() and "watcher_process" not in sys.argv[0]
        if is_loop and not isinstance(path, int) and os.fsdecode(path).startswith(below):
            with open(log, "a") as file:
                file.write(f"{real.__name__} {path}\\n" + "".join(traceback.format_stack(limit=8)))
        return real(path, *arguments, **more)
    return call
for name in ("scandir", "stat", "lstat", "listdir", "open", "readlink"):
    setattr(os, name, recording(getattr(os, name)))
"""


def test_no_method_looks_at_the_workspace_on_the_event_loop(start: Start, tmp_path: Path) -> None:
    recorder = tmp_path / "recorder"
    recorder.mkdir()
    (recorder / "sitecustomize.py").write_text(RECORDER)
    folders = tmp_path / "folders"
    first, second = write_files(folders / "first"), write_files(folders / "second")
    (first / "conexus.toml").write_text("")
    log = tmp_path / "log"
    source = server_environment(tmp_path)["PYTHONPATH"]
    # Started elsewhere: the working directory is looked at before there is an event loop.
    client = start(
        PYTHONPATH=f"{recorder}{os.pathsep}{source}",
        CONEXUS_TEST_BELOW=str(folders),
        CONEXUS_TEST_LOG=str(log),
        folder=Path("/"),
    )
    client.initialize(first)
    client.wait_until_quiescent()
    uri = (first / "src/retry.py").as_uri()
    item = {"uri": uri, "languageId": "python", "version": 1, "text": "def alpha():\n    pass\n"}
    client.notify("textDocument/didOpen", {"textDocument": item})
    client.notify("textDocument/didSave", {"textDocument": {"uri": uri}})
    changes = [{"uri": (first / "conexus.toml").as_uri(), "type": 2}, {"uri": uri, "type": 2}]
    client.notify("workspace/didChangeWatchedFiles", {"changes": changes})
    event = {"added": [{"uri": second.as_uri(), "name": "b"}], "removed": [{"uri": first.as_uri(), "name": "a"}]}
    client.notify("workspace/didChangeWorkspaceFolders", {"event": event})
    client.notify("workspace/didChangeConfiguration", {"settings": {"conexus": {"exclude": ["src"]}}})
    client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    place = {"textDocument": {"uri": (second / "src/retry.py").as_uri()}, "position": {"line": 5, "character": 5}}
    until(lambda: [each["uri"] for each in client.wait_until_quiescent()["folders"]] == [second.as_uri()])
    client.request("conexus/search", {"query": "retry"})
    client.request("conexus/related", place)
    client.request("conexus/reindex", {"paths": ["src"]})
    client.request("workspace/symbol", {"query": "retry"})
    client.wait_until_quiescent()
    assert client.shut_down() == 0
    assert not log.exists(), log.read_text()
