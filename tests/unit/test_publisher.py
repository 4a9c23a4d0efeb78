"""What readers see, and what of the index's files stays in memory after a question."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conexus.config import Settings
from conexus.indexing.publish import Publisher
from conexus.indexing.session_index import SessionClient, SessionIndex
from conexus.segments import snapshot
from conexus.segments.analysis import FileFacts, analyse
from conexus.segments.build import build_segment
from conexus.segments.file import load_segment, save_segment
from conexus.segments.segment import MemorySegment
from conexus.segments.snapshot import Searchable, Snapshot, View
from tests.fixtures import model


def mapped_segment(path: Path) -> MemorySegment:
    file = analyse(FileFacts("a.py", "python", 1, 2, "ab"), "def alpha():\n    return 1\n", model())
    save_segment(path, build_segment([file], model().fingerprint, model().dimensions), "version")
    return load_segment(path, verify=True)[0]


@pytest.mark.parametrize(
    ("mapped", "budget", "released"),
    [(10_000_000, 100, True), (50, 100, False), (10_000_000, 5_000_000, False)],
    ids=["more than the budget", "little is mapped", "the files are smaller than the budget"],
)
def test_after_a_question_not_more_stays_than_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mapped: int, budget: int, released: bool
) -> None:
    calls: list[MemorySegment] = []
    segment = mapped_segment(tmp_path / "one.segment")
    monkeypatch.setattr(snapshot, "mapped_bytes", lambda: mapped)

    def released_now(segment: MemorySegment) -> None:
        calls.append(segment)

    monkeypatch.setattr(MemorySegment, "release", released_now)
    now = Searchable(Snapshot(1, (View("/work", segment, np.ones(len(segment), np.bool_)),)))
    now.release(budget)
    assert calls == [segment] * released


def test_what_was_let_go_is_had_again(tmp_path: Path) -> None:
    segment = mapped_segment(tmp_path / "one.segment")
    before = segment.vectors.copy()
    segment.release()
    assert np.array_equal(segment.vectors, before)
    assert segment.mapped_size == (tmp_path / "one.segment").stat().st_size


def test_what_is_about_to_be_seen_is_prepared_before() -> None:
    seen: list[tuple[int, int]] = []

    client = SessionClient("one", lambda event: None)
    session = SessionIndex(client, Settings())
    session.roots = ("/work",)

    def generation() -> int:
        return session.searchable.snapshot.generation

    def prepare(_: SessionIndex, now: Searchable) -> None:
        seen.append((now.snapshot.generation, generation()))

    publisher = Publisher(prepare)
    for content_changed in (True, False):
        publisher.mark_dirty("/work", content_changed=content_changed)
        publisher.publish([session], {}, [])
    assert seen == [(1, 0), (2, 1)]
    assert generation() == 2
