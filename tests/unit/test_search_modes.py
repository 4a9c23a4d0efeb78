"""A folder's indices are made once, and a result for a state of the folder that is gone changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest

from conexus.indexing.commands import CandidatesReady, Command, IndicesMade
from conexus.indexing.search_mode import LanceCandidates, SearchModes
from conexus.indexing.write_behind import StoreThreads
from tests.workspaces import PATIENCE

ROOT = "/work"


class World:
    """A folder beyond the memory budget, and what is posted and used because of it."""

    def __init__(self, directory: Path) -> None:
        self.part = SimpleNamespace(rows=10, indexed=False)
        self.folder: Any = SimpleNamespace(
            root=ROOT,
            settled=True,
            finishing=False,
            index=SimpleNamespace(base=(self.part,)),
            stored=SimpleNamespace(role="writer", directory=directory, dimensions=8),
            write_behind=SimpleNamespace(in_step=lambda base: True),
        )
        self.posted: SimpleQueue[Command] = SimpleQueue()
        self.used: list[bool] = []
        tables: Any = SimpleNamespace(ask=lambda request: None)
        self.threads = StoreThreads()
        self.modes = SearchModes(
            tables, self.threads, self.posted.put, lambda folder, source: self.used.append(source is not None)
        )

    def consider(self) -> None:
        self.modes.consider(self.folder, budget=0, total=1, idle=True)

    def next_posted(self) -> Command:
        return self.posted.get(timeout=PATIENCE)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(LanceCandidates, "prepare", lambda self: True)
    monkeypatch.setattr(LanceCandidates, "answer_any", lambda self, dimensions: True)
    world = World(tmp_path)
    yield world
    world.threads.close()
    world.modes.close()


def test_indices_answer_after_they_were_made_and_asked_once(world: World) -> None:
    world.consider()
    world.consider()
    assert world.next_posted() == IndicesMade(ROOT, 0, made=True)
    world.modes.indices_made(ROOT, 0, made=True)
    assert world.part.indexed
    assert world.next_posted() == CandidatesReady(ROOT, 0, ready=True)
    assert world.modes.mode(ROOT) == "exact"
    world.modes.candidates_ready(ROOT, 0, ready=True)
    assert (world.modes.mode(ROOT), world.used, world.posted.empty()) == ("indexed", [True], True)


def test_a_result_for_a_former_state_of_a_folder_is_dropped(world: World) -> None:
    world.consider()
    assert world.next_posted() == IndicesMade(ROOT, 0, made=True)
    world.modes.forget(ROOT)
    world.consider()
    world.modes.indices_made(ROOT, 0, made=True)
    assert not world.part.indexed
    assert world.next_posted() == IndicesMade(ROOT, 1, made=True)
    world.modes.candidates_ready(ROOT, 0, ready=True)
    assert world.modes.mode(ROOT) == "exact"


def test_after_a_failure_nothing_more_is_tried(world: World) -> None:
    world.consider()
    assert world.next_posted() == IndicesMade(ROOT, 0, made=True)
    world.modes.indices_made(ROOT, 0, made=True)
    assert world.next_posted() == CandidatesReady(ROOT, 0, ready=True)
    world.modes.candidates_ready(ROOT, 0, ready=False)
    assert not world.part.indexed
    world.consider()
    world.threads.close()
    assert world.posted.empty()
