"""Commands of the indexer's thread are values that the log can name."""

from __future__ import annotations

import dataclasses
import logging
import threading
from pathlib import Path
from typing import get_args

import pytest

from conexus.indexing.commands import (
    CandidatesReady,
    Command,
    Hint,
    IndicesMade,
    MergeFinished,
    Rescan,
    SetDocuments,
    SetPaused,
    Verify,
    WriteFinished,
    in_words,
)
from conexus.indexing.session_index import SessionClient
from conexus.workspace.documents import Document, Documents
from tests.workspaces import PATIENCE, Call, running, write

SECRET = Document("/a/b.py", "a secret", 1, "python")


def test_every_command_is_a_frozen_value() -> None:
    for each in get_args(Command):
        assert dataclasses.is_dataclass(each)
        assert each.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert each.__doc__


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (Hint(("/a/b.py", "/a/c.py"), "watcher"), "Hint of 2 paths from watcher"),
        (Rescan("/a", "branch switched"), "Rescan of /a: branch switched"),
        (MergeFinished("/a", "1-2-3"), "MergeFinished of /a"),
        (WriteFinished("/a"), "WriteFinished of /a"),
        (IndicesMade("/a", 1, made=True), "IndicesMade of /a"),
        (CandidatesReady("/a", 1, ready=False), "CandidatesReady of /a"),
        (SetPaused(True), "SetPaused"),
        (SetDocuments(SessionClient("one", print), Documents().put(SECRET), (SECRET.id,)), "SetDocuments"),
    ],
)
def test_the_log_names_a_command_and_none_of_the_users_text(command: Command, words: str) -> None:
    assert in_words(command) == words


def test_a_command_that_fails_is_named_in_the_log_and_the_next_ones_are_handled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "work", {"a.py": "def alpha():\n    return 1\n"})
    with running(tmp_path / "work", tmp_path / "data") as engine, caplog.at_level(logging.ERROR):
        handled = threading.Event()

        def fail() -> None:
            raise RuntimeError("broken")

        loop = engine.engine.indexer._loop
        loop.post(Verify(Call(fail)))
        loop.post(Verify(handled))
        assert handled.wait(PATIENCE)
        assert engine.wait(PATIENCE)
    assert [record.getMessage() for record in caplog.records] == ["failed: Verify"]
