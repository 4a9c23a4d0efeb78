"""What the log, the status and errors tell: no code, no query, no path outside the workspace, no traceback."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path

import pytest

from conexus import isolation
from conexus.logs import EscapingFormatter, without_foreign_paths
from tests.lsp.raw import RawClient, raw_client
from tests.workspaces import write

CODE, QUERY, OUTSIDE = "zqxcodemark", "zqxquerymark", "zqxoutsidemark"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    write(
        folder,
        {
            "a.py": f"def {CODE}(x):\n    return '{CODE}'\n",
            "b.py": f"# {CODE}\n" * 50,
            "broken.py": f"def ({CODE}\n\x00{CODE}",
            "broken.ipynb": f'{{"cells": [{CODE}',
            ".gitignore": f"[{CODE}\n\\\n",
        },
    )
    (folder / "latin.py").write_bytes(f"# {CODE} \xff\n".encode("latin-1"))
    (tmp_path / OUTSIDE).mkdir()
    (tmp_path / OUTSIDE / "c.py").write_text(f"def {CODE}(): pass\n")
    (folder / "link.py").symlink_to(tmp_path / OUTSIDE / "c.py")
    return folder


def misuse(client: RawClient, root: Path) -> list[object]:
    """Everything that may go wrong with foreign text in it. Returns what was answered."""
    outside = (root.parent / OUTSIDE / "c.py").as_uri()
    uri = (root / "a.py").as_uri()
    answers: list[object] = []

    def ask(method: str, params: object) -> None:
        answers.append(client.answer(client.ask(method, params)))

    ask("conexus/search", {"query": f'{QUERY} (unbalanced " [a-'})
    ask("conexus/search", {"query": QUERY, "limit": QUERY})
    ask("conexus/search", {"query": [QUERY]})
    ask("conexus/search", {"query": QUERY, "filters": {"include": [f"[{QUERY}"], "folders": [f"/{OUTSIDE}"]}})
    ask("conexus/search", {"query": "\ud800" + QUERY})
    ask("conexus/related", {"textDocument": {"uri": outside}, "position": {"line": 0, "character": 0}})
    ask("conexus/related", {"textDocument": {"uri": uri}, "position": {"line": -1, "character": QUERY}})
    ask("conexus/reindex", {"paths": [str(root.parent / OUTSIDE), f"/{OUTSIDE}\ud800", f"relative/{OUTSIDE}"]})
    ask("workspace/executeCommand", {"command": f"conexus.{QUERY}", "arguments": [QUERY]})
    ask("workspace/executeCommand", {"command": "conexus.server.search", "arguments": [{"query": {"x": QUERY}}]})
    ask("workspace/symbol", {"query": QUERY})
    ask(f"conexus/{QUERY}", {"query": QUERY})
    changes = [{"text": CODE}, {"range": {"start": 1, "end": CODE}, "text": CODE}]
    for document in (uri, outside, f"untitled:{OUTSIDE}", f"file://{OUTSIDE}/share/{OUTSIDE}", f"{OUTSIDE}://x"):
        opened = {"uri": document, "languageId": CODE, "version": 1, "text": f"def {CODE}(): pass\n"}
        client.notify("textDocument/didOpen", {"textDocument": opened})
        client.notify("textDocument/didOpen", {"textDocument": opened})
        for change in changes:
            version = {"uri": document, "version": CODE}
            client.notify("textDocument/didChange", {"textDocument": version, "contentChanges": [change]})
        client.notify(
            "textDocument/didChange", {"textDocument": {"uri": document, "version": 3}, "contentChanges": changes}
        )
        client.notify("textDocument/didClose", {"textDocument": {"uri": document}})
        client.notify("textDocument/didClose", {"textDocument": {"uri": document}})
    client.notify("workspace/didChangeConfiguration", {"settings": {"conexus": {"model": f"/{OUTSIDE}/model"}}})
    client.notify(
        "workspace/didChangeWatchedFiles", {"changes": [{"uri": outside, "type": 2}, {"uri": CODE, "type": 9}]}
    )
    folders = {"added": [{"uri": f"file:///{OUTSIDE}/gone", "name": OUTSIDE}], "removed": []}
    client.notify("workspace/didChangeWorkspaceFolders", {"event": folders})
    client.send_body(b'{"jsonrpc": "2.0", "method": "' + CODE.encode())
    answers.append(client.request("conexus/status", {}))
    return answers


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/ada/secret.py is gone", "- is gone"),
        ("cannot open '/home/ada/my file.py': denied", "cannot open -: denied"),
        ('File "C:\\Users\\ada\\x.py"', "File -"),
        (r"\\\\host\share\x: gone", "-: gone"),
        ("file:///home/ada/x.py", "file:-"),
        ("/work/shop/a.py and /work/shopping/a.py", "/work/shop/a.py and -"),
        ("`/work/shop/a b.py`", "`/work/shop/a b.py`"),
        ("1/2 of a/b.py at 3 MB/s", "1/2 of a/b.py at 3 MB/s"),
        ("conexus/search failed", "conexus/search failed"),
    ],
)
def test_paths_outside_the_workspace_are_left_out(monkeypatch: pytest.MonkeyPatch, text: str, shown: str) -> None:
    monkeypatch.setattr(isolation, "_workspaces", {"/work/shop"})
    assert without_foreign_paths(text) == shown.replace("-", "(a path outside the workspace)")


def logged(error: Exception) -> str:
    """How the log writes an error that was caught."""
    try:
        try:
            raise KeyError(CODE)
        except KeyError as cause:
            raise error from cause
    except Exception:
        record = logging.LogRecord("name", logging.ERROR, "path", 1, "it failed", None, sys.exc_info())
        return EscapingFormatter("%(message)s").format(record)


def test_an_exception_is_logged_without_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONEXUS_DEBUG", raising=False)
    lines = logged(ValueError(f"bad {CODE}\n  in /home/{OUTSIDE}")).splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"  ValueError at test_logs\.py:\d+ in logged; because of KeyError at .*", lines[1])
    assert CODE not in lines[1]
    assert "[No such file or directory]" in logged(FileNotFoundError(2, "No such file or directory", f"/{OUTSIDE}"))
    monkeypatch.setenv("CONEXUS_DEBUG", "1")
    assert "Traceback" in logged(ValueError(CODE))
    assert CODE in logged(ValueError(CODE))


def test_nothing_foreign_is_told(root: Path, tmp_path: Path) -> None:
    with raw_client(tmp_path / OUTSIDE / "data") as client:
        client.initialize(root)
        client.wait_until_quiescent()
        answers = misuse(client, root)
        status = client.wait_until_quiescent()
        assert client.shut_down() == 0
        client._put_back.clear()  # notifications and errors about broken messages, which are looked at here
    assert "Conexus" in client.stderr or "conexus" in client.stderr
    told_of = [line for line in client.stderr.splitlines() if any(mark in line for mark in (CODE, QUERY, OUTSIDE))]
    assert told_of == []
    assert "Traceback" not in client.stderr
    told = json.dumps([answers, status])
    assert "Traceback" not in told
    assert not re.search(r'File "[^"]+", line \d+', told)
