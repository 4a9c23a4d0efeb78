"""Part of a question that another thread works on meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from conexus.search.signals import run_concurrently

PATIENCE = 30


@pytest.fixture(autouse=True)
def another_core(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadPoolExecutor(1, "conexus-concurrently") as thread:
        monkeypatch.setattr("conexus.search.signals._thread", lambda: thread)
        yield


def test_another_thread_works_meanwhile() -> None:
    goes_on = threading.Event()

    def work() -> str:
        assert goes_on.wait(PATIENCE)
        return threading.current_thread().name

    result = run_concurrently(work)
    goes_on.set()
    assert result().startswith("conexus-concurrently")


def test_where_it_is_busy_whoever_asks_does_the_work() -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def long() -> str:
        begun.set()
        assert goes_on.wait(PATIENCE)
        return "long"

    first = run_concurrently(long)
    assert begun.wait(PATIENCE)
    second = run_concurrently(lambda: threading.current_thread().name)
    assert second() == threading.current_thread().name
    goes_on.set()
    assert first() == "long"


def test_what_the_work_raises_is_raised_and_the_thread_goes_on() -> None:
    def fail() -> None:
        raise KeyError("nothing")

    with pytest.raises(KeyError, match="nothing"):
        run_concurrently(fail)()
    assert run_concurrently(lambda: 1)() == 1


def test_with_a_single_core_there_is_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conexus.search.signals._thread", lambda: None)
    assert run_concurrently(lambda: threading.current_thread().name)() == threading.current_thread().name
