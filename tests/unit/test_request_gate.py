"""Background work lets questions go first, but not for ever."""

from __future__ import annotations

import threading
import time

import pytest

from conexus.indexing import request_gate
from conexus.indexing.request_gate import RequestGate
from tests.workspaces import PATIENCE


def passing(asked: RequestGate) -> threading.Thread:
    """A thread that waits between two steps."""
    thread = threading.Thread(target=asked.yield_to_requests)
    thread.start()
    return thread


def test_without_a_question_nothing_waits() -> None:
    asked = RequestGate()
    asked.yield_to_requests()
    with asked.answering():
        assert time.monotonic() - asked.asked_at < PATIENCE
    asked.yield_to_requests()


def test_work_waits_until_the_last_one_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_gate, "_LONGEST_SECONDS", PATIENCE)
    asked = RequestGate()
    with asked.answering():
        with asked.answering():
            work = passing(asked)
        work.join(0.05)
        assert work.is_alive()
    work.join(PATIENCE)
    assert not work.is_alive()


def test_one_that_failed_is_answered_too() -> None:
    asked = RequestGate()
    with pytest.raises(ValueError, match="no such"), asked.answering():
        raise ValueError("no such")
    asked.yield_to_requests()
    assert asked._running == 0


def test_work_goes_on_under_questions_without_a_pause() -> None:
    asked = RequestGate()
    with asked.answering():
        work = passing(asked)
        work.join(PATIENCE)
        assert not work.is_alive()
