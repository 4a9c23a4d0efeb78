"""Runs NumPy work on a second thread (it releases the GIL) while the request thread scores words."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")


def run_concurrently(work: Callable[[], T]) -> Callable[[], T]:
    """Starts ``work`` on the second thread and returns a function that waits for its result.

    If that thread is busy or there is only one core, the returned function does the work itself. It must be called
    once, and raises what ``work`` raises.
    """
    thread = _thread()
    if thread is None:
        return work
    future = thread.submit(work)

    def result() -> T:
        # ``cancel`` succeeds if the work has not begun, because the thread is busy with another request.
        return work() if future.cancel() else future.result()

    return result


@lru_cache(maxsize=1)
def _thread() -> ThreadPoolExecutor | None:
    """Returns the one second thread of the process; None if there is only one core."""
    return ThreadPoolExecutor(1, "conexus-concurrently") if (os.cpu_count() or 1) > 1 else None
