"""Another model than the shipped one, in a process of its own: a real transformer that the test builds and saves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import conexus.engine
from conexus.config import Settings
from conexus.embedding.transformer import deferred
from conexus.embedding.unit_vectors import Vectors
from tests.workspaces import PATIENCE, running, write
from tests.workspaces import OneClient as Engine

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
        views = engine.searchable.snapshot.views
        assert all(view.segment.vectors[view.live].any(axis=1).all() for view in views)
        engine.configure(Settings(watcher="off"))
        until(engine, lambda: engine.status().model.name == "static" and engine.status().quiescent)
        assert engine.search("sort_numbers").hits[0].symbol == "sort_numbers"
    with running(tmp_path / "work", tmp_path / "data", model=str(built / "small")) as engine:
        until(engine, lambda: engine.status().model.name != "static")
        assert engine.search("rotate_logs").hits[0].symbol == "rotate_logs"


class Slow:
    """A fake for a real model, whose queries are over too soon: one that waits until it may answer."""

    name, dimensions, fingerprint, given_up = "slow", 16, "slow-1", False

    def __init__(self) -> None:
        self.asked, self.may_answer = threading.Semaphore(0), threading.Event()

    def wait_ready(self, timeout: float | None = None) -> bool:
        return True

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return np.full((len(texts), self.dimensions), 0.25, np.float32)

    def embed_query(self, text: str) -> Vectors:
        self.asked.release()
        assert self.may_answer.wait(PATIENCE)
        return np.full(self.dimensions, 0.25, np.float32)

    def close(self) -> None:
        self.may_answer.set()


def test_queries_in_flight_while_the_model_changes_are_answered_by_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow()
    monkeypatch.setattr(conexus.engine, "_load_transformer", lambda settings: slow)
    monkeypatch.setattr(deferred, "QUERY_SECONDS", PATIENCE)
    write(tmp_path / "work", FILES)
    with running(tmp_path / "work", tmp_path / "data", model="slow") as engine, ThreadPoolExecutor(3) as threads:
        until(engine, lambda: engine.status().model.name == "slow" and engine.status().quiescent)
        requests = [threads.submit(engine.search, "sort_numbers") for _ in range(3)]
        assert slow.asked.acquire(timeout=PATIENCE)
        # The other questions wait in the line of the one thread that embeds queries.
        queue = engine.searchable.embedders[-1]._queries._work_queue  # type: ignore[attr-defined]
        until(engine, lambda: queue.qsize() == 2)
        engine.configure(Settings(watcher="off"))
        answers = [question.result(PATIENCE) for question in requests]
        assert [answer.hits[0].symbol for answer in answers] == ["sort_numbers"] * 3
        assert any("by words alone" in (answer.index.degraded or "") for answer in answers)
        until(engine, lambda: engine.status().model.name == "static")
