"""The thread that runs the indexer's commands and steps."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conexus.indexing import event_loop as loop_module
from conexus.indexing.event_loop import Action, Loop
from conexus.timing import Deadline


def loop_of(
    step: Action, *, has_news: bool = True, failed: Action = lambda: None, settled: bool = False
) -> Loop[Action]:
    return Loop(
        "tested",
        start=lambda: True,
        handle=lambda action: action(),
        in_words=repr,
        step=step,
        has_news=lambda: has_news,
        idle=lambda: None,
        failed=failed,
        settled=lambda: settled,
    )


@contextmanager
def running(step: Action, *, failed: Action = lambda: None, settled: bool = False) -> Iterator[Loop[Action]]:
    """A loop that always has news."""
    loop = loop_of(step, failed=failed, settled=settled)
    loop.begin()
    yield loop
    loop.stop()


def do(loop: Loop[Action]) -> None:
    """Have a command run, and the step after it."""
    done = threading.Event()
    loop.post(done.set)
    assert done.wait(10)
    assert loop.wait(lambda: not loop.busy, 10)


def test_a_step_that_fails_rests_but_not_from_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "_FIRST_REST_SECONDS", 3600.0)
    monkeypatch.setattr(loop_module, "_LONGEST_REST_SECONDS", 3600.0)
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        raise RuntimeError("broken")

    with running(step) as loop:
        do(loop)
        before = steps
        # Were it tried again by itself, it would have been many times by now.
        for _ in range(20):
            do(loop)
        assert steps == before + 20


def test_a_step_that_failed_is_tried_again_by_itself() -> None:
    again = threading.Event()
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps < 3:
            raise RuntimeError("broken")
        again.set()

    with running(step):
        assert again.wait(10)


@pytest.mark.parametrize("settled", [False, True])
def test_a_step_for_upkeep_alone_is_not_busy(settled: bool) -> None:
    within, go_on = threading.Event(), threading.Event()

    def step() -> None:
        within.set()
        assert go_on.wait(10)

    with running(step, settled=settled) as loop:
        assert within.wait(10)
        assert loop.busy is not settled
        loop.post(lambda: None, awaited=False)
        assert loop.busy is not settled
        loop.post(lambda: None)
        assert loop.busy
        go_on.set()


def test_what_follows_a_failure_is_done_once_though_it_fails_itself() -> None:
    followed = 0

    def fail() -> None:
        raise RuntimeError("broken")

    def follow() -> None:
        nonlocal followed
        followed += 1
        fail()

    with running(lambda: None, failed=follow, settled=True) as loop:
        do(loop)
        assert followed == 0
        loop.post(fail)
        do(loop)
        assert followed == 1


def test_a_deadline_has_one_step_made_though_the_step_leaves_it_due() -> None:
    steps = threading.Semaphore(0)
    deadline = Deadline()
    loop = loop_of(steps.release, has_news=False)
    loop.watch(deadline)
    loop.begin()
    try:
        loop.post(lambda: deadline.set_in(0.01))
        for _ in range(2):  # after the command, and at the deadline
            assert steps.acquire(timeout=10)
        assert deadline.is_due()
        assert not steps.acquire(timeout=0.1)
        loop.post(lambda: deadline.set_in(0.0))
        assert steps.acquire(timeout=10)
    finally:
        loop.stop()


def test_a_step_that_failed_at_a_deadline_is_tried_again_by_itself() -> None:
    again = threading.Event()
    deadline = Deadline(0.0)
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps < 3:
            raise RuntimeError("broken")
        assert deadline.is_due()
        again.set()

    loop = loop_of(step, has_news=False)
    loop.watch(deadline)
    loop.begin()
    try:
        assert again.wait(10)
    finally:
        loop.stop()


def test_a_deadline_that_nobody_holds_is_forgotten() -> None:
    loop = loop_of(lambda: None)
    deadline = Deadline(0.0)
    loop.watch(deadline)
    del deadline
    assert not loop._deadlines
