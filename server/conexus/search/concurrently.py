"""Part of a question that another core works on meanwhile: products of many vectors, which need no interpreter."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")


def run_concurrently(work: Callable[[], T]) -> Callable[[], T]:
    """Have work begun by another thread, if one is free; what is returned waits for its result, or does it itself.

    To be asked once; raises what the work raises.
    """
    thread = _thread()
    if thread is None:
        return work
    future = thread.submit(work)

    def result() -> T:
        # Not begun: the thread is busy with another question.
        return work() if future.cancel() else future.result()

    return result


@lru_cache(maxsize=1)
def _thread() -> ThreadPoolExecutor | None:
    """One for the whole process; None where there is but one core."""
    return ThreadPoolExecutor(1, "conexus-concurrently") if (os.cpu_count() or 1) > 1 else None
