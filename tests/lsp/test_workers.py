"""The threads that answer questions: what is cancelled leaves them at once, or never gets there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from conexus.lsp.workers import THREADS, Workers
from conexus.values import CancelToken
from tests.lsp.raw import PATIENCE


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers()
    yield made
    made.close()


class Question:
    """Goes on, stage after stage, until it is cancelled or released."""

    def __init__(self) -> None:
        self.begun, self.released, self.ended = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, token: CancelToken) -> str:
        self.begun.set()
        try:
            while not self.released.wait(0.001):
                token.check()
            return "answered"
        finally:
            self.ended.set()

    async def has(self, event: threading.Event) -> bool:
        return await asyncio.to_thread(event.wait, PATIENCE)


async def test_a_cancelled_question_frees_its_thread(workers: Workers) -> None:
    requests = [Question() for _ in range(THREADS)]
    tasks = [asyncio.create_task(workers.run(question)) for question in requests]
    assert all([await question.has(question.begun) for question in requests])
    next_one = asyncio.create_task(workers.run(lambda token: "the next"))
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    assert await asyncio.wait_for(next_one, PATIENCE) == "the next"
    assert all([await question.has(question.ended) for question in requests])


async def test_a_question_that_was_cancelled_while_it_waited_never_runs(workers: Workers) -> None:
    running = [Question() for _ in range(THREADS)]
    tasks = [asyncio.create_task(workers.run(question)) for question in running]
    assert all([await question.has(question.begun) for question in running])
    waiting = [Question() for _ in range(20)]
    cancelled = [asyncio.create_task(workers.run(question)) for question in waiting]
    last = asyncio.create_task(workers.run(lambda token: token.cancelled))
    await asyncio.sleep(0)  # all of them are handed to the threads
    for task in cancelled:
        task.cancel()
    await asyncio.gather(*cancelled, return_exceptions=True)
    for question in running:
        question.released.set()
    assert await asyncio.gather(*tasks) == ["answered"] * THREADS
    assert await asyncio.wait_for(last, PATIENCE) is False
    assert not any(question.begun.is_set() for question in waiting)


async def test_what_is_cancelled_while_all_threads_hang_leaves_nothing_behind(workers: Workers) -> None:
    hanging = [Question() for _ in range(THREADS)]
    released = threading.Event()

    def hang(question: Question) -> str:
        question.begun.set()
        released.wait()
        return "answered"

    tasks = [asyncio.create_task(workers.run(lambda _, each=each: hang(each))) for each in hanging]  # type: ignore[misc]
    assert all([await question.has(question.begun) for question in hanging])
    try:
        for _ in range(100):
            waiting = asyncio.create_task(workers.run(lambda token: "never"))
            await asyncio.sleep(0)
            waiting.cancel()
            assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], asyncio.CancelledError)
        assert workers._threads._work_queue.qsize() == 0
    finally:
        released.set()
    assert await asyncio.gather(*tasks) == ["answered"] * THREADS
    assert await asyncio.wait_for(workers.run(lambda token: "the next"), PATIENCE) == "the next"
