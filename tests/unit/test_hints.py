"""When hints are handled: once for a burst, soon for a key, and not too often for a key that is held down."""

from __future__ import annotations

from itertools import pairwise

import pytest

from conexus.indexing.hints import Hints
from conexus.segments.snapshot import FileKey

KEY, OTHER = ("/work", "a.py"), ("/work", "b.py")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def take(hints: Hints) -> list[FileKey]:
    """Removes all hints, the last one first, and returns them in the order of adding."""
    keys = []
    while hints:
        keys.append(hints.take_last())
    return keys[::-1]


def handled(clock: Clock, waiting: Hints, every: float, until: float) -> list[float]:
    """When hints are taken that come every so many seconds, and after the last of them."""
    times, coming = [], clock.now
    until += clock.now
    while waiting or coming < until:
        if waiting and waiting.due.at <= coming:
            clock.now = max(clock.now, waiting.due.at)
            times.append(clock.now)
            take(waiting)
        else:
            clock.now = coming
            waiting.add(KEY)
            coming = coming + every if coming + every < until else float("inf")
    return times


def test_a_burst_is_handled_once(clock: Clock) -> None:
    assert handled(clock, Hints(0.06, clock=clock), 0.01, 0.1) == [pytest.approx(100.15)]
    assert handled(clock, Hints(0.06, clock=clock), 1.0, 0.1) == [pytest.approx(100.21)]


def test_what_goes_on_steadily_is_handled_too(clock: Clock) -> None:
    times = handled(clock, Hints(0.06, clock=clock), 0.05, 10.0)
    assert all(0 < later - earlier <= 0.21 for earlier, later in pairwise(times))
    assert times[-1] >= 109.95


def test_one_key_is_handled_soon_and_a_held_one_not_too_often(clock: Clock) -> None:
    typed = Hints(0.02, 0.1, clock)
    assert handled(clock, typed, 1.0, 0.1) == [pytest.approx(100.02)]
    clock.now = 200.0
    times = handled(clock, typed, 0.03, 3.0)
    assert times[0] == pytest.approx(200.02)
    assert all(later - earlier >= 0.0999 for earlier, later in pairwise(times))
    assert len(times) <= 31
    assert times[-1] >= 202.99


def test_the_others_are_due_at_once_when_the_first_is_taken(clock: Clock) -> None:
    waiting = Hints(0.06, clock=clock)
    for key in (KEY, OTHER):
        waiting.add(key)
        clock.now += 0.01
    waiting.due.notice()
    assert waiting.take_first() == KEY
    assert (waiting.due.seconds_left(), waiting.due.noticed, take(waiting)) == (0.0, False, [OTHER])
    assert not waiting.due.is_set


def test_nothing_waits_of_a_folder_that_is_gone(clock: Clock) -> None:
    waiting = Hints(clock=clock)
    waiting.add(KEY)
    waiting.add(("/other", "a.py"))
    waiting.forget("/work")
    assert (waiting.due.is_set, take(waiting)) == (True, [("/other", "a.py")])
    waiting.add(KEY)
    waiting.forget("/work")
    assert not waiting.due.is_set
