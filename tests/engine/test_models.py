"""Another model than the shipped one, in a process of its own: a real transformer that the test builds and saves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conexus.config import Settings
from conexus.engine import Engine
from tests.workspaces import PATIENCE, running, write

FILES = {
    "crypt.py": "def encrypt_message(key, text):\n    return cipher(key).seal(text)\n",
    "sort.py": "def sort_numbers(numbers):\n    return sorted(numbers)\n",
}


def until(engine: Engine, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 3 * PATIENCE
    while not condition():
        assert time.monotonic() < deadline, engine.status()
        threading.Event().wait(0.05)


def test_without_the_extra_the_shipped_model_answers_and_says_why(tmp_path: Path) -> None:
    write(tmp_path / "work", FILES)
    missing = str(tmp_path / "no such model")
    with running(tmp_path / "work", tmp_path / "data", model=missing) as engine:
        until(engine, lambda: engine.status().health == "warning")
        assert "the shipped model answers" in engine.status().message
        assert engine.status().model.name == "static"
        assert engine.search("encrypt_message").hits[0].symbol == "encrypt_message"


@pytest.mark.torch
def test_a_transformer_takes_over_when_it_is_ready_and_fills_in_what_changes(tmp_path: Path, built: Path) -> None:
    write(tmp_path / "work", FILES)
    with running(tmp_path / "work", tmp_path / "data", model=str(built / "small")) as engine:
        assert engine.search("encrypt_message").hits[0].symbol == "encrypt_message"
        until(engine, lambda: engine.status().model.name != "static")
        assert engine.status().model.dimensions != 256
        assert engine.search("encrypt_message").hits[0].symbol == "encrypt_message"
        write(tmp_path / "work", {"new.py": "def rotate_logs(folder):\n    return archive(folder)\n"})
        engine.hint([tmp_path / "work/new.py"])
        assert engine.wait(PATIENCE)
        hit = engine.search("rotate_logs").hits[0]
        assert hit.symbol == "rotate_logs"
        views = engine._sync.searchable.snapshot.views
        assert all(view.segment.vectors[view.alive].any(axis=1).all() for view in views)
        engine.configure(Settings(watcher="off"))
        until(engine, lambda: engine.status().model.name == "static" and engine.status().quiescent)
        assert engine.search("sort_numbers").hits[0].symbol == "sort_numbers"
    with running(tmp_path / "work", tmp_path / "data", model=str(built / "small")) as engine:
        until(engine, lambda: engine.status().model.name != "static")
        assert engine.search("rotate_logs").hits[0].symbol == "rotate_logs"
