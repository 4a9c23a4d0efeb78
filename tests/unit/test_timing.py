"""Deadlines, delays after failures, and one piece of work at a time, by a clock that the tests move."""

from __future__ import annotations

import math

from conexus.timing import Backoff, Deadline, SingleFlight


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_deadline_is_due_from_its_time_until_it_is_cleared() -> None:
    clock = Clock()
    deadline = Deadline(clock=clock)
    assert (deadline.is_set, deadline.is_due(), deadline.seconds_left()) == (False, False, math.inf)
    deadline.set_in(2.0)
    assert (deadline.is_set, deadline.is_due(), deadline.seconds_left(), deadline.at) == (True, False, 2.0, 102.0)
    clock.now = 102.0
    assert deadline.is_due()
    clock.now = 110.0
    assert (deadline.is_due(), deadline.seconds_left()) == (True, 0.0)
    deadline.clear()
    assert not deadline.is_due()
    assert Deadline(0.0, clock).is_due()


def test_a_deadline_is_noticed_once_until_it_is_set_to_another_time() -> None:
    clock = Clock()
    deadline = Deadline(1.0, clock)
    deadline.notice()
    assert not deadline.noticed
    clock.now = 101.0
    deadline.notice()
    deadline.set_at(101.0)
    assert deadline.noticed
    deadline.set_at(100.5)
    assert not deadline.noticed
    deadline.notice()
    deadline.set_in(0.0)
    assert not deadline.noticed


def test_each_failure_doubles_the_delay_until_a_success() -> None:
    clock = Clock()
    backoff = Backoff(1.0, 5.0, clock)
    assert backoff.may_try()
    delays = []
    for _ in range(5):
        backoff.failed()
        delays.append(backoff.delay)
        assert not backoff.may_try()
        clock.now += backoff.delay
        assert backoff.may_try()
    assert delays == [1.0, 2.0, 4.0, 5.0, 5.0]
    backoff.succeeded()
    assert (backoff.may_try(), backoff.next_try.is_set) == (True, False)
    backoff.failed()
    assert backoff.delay == 1.0


def test_work_that_is_requested_while_it_is_under_way_starts_once_more_with_the_latest_cause() -> None:
    flight = SingleFlight[str]()
    assert flight.should_start() is None
    flight.request("the first")
    assert flight.should_start() == "the first"
    for cause in ("the second", "the third"):
        flight.request(cause)
        assert flight.should_start() is None
    assert flight.under_way == "the first"
    flight.failed()
    assert (flight.under_way, flight.has_failed) == (None, True)
    assert flight.should_start() == "the third"
    flight.finished()
    assert (flight.should_start(), flight.has_failed) == (None, False)
