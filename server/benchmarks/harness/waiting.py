"""Waits for what nobody announces."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

_PATIENCE_SECONDS = 20.0
_POLL_SECONDS = 0.002


def until(
    condition: Callable[[], Found | None],
    what: str,
    *,
    patience: float = _PATIENCE_SECONDS,
    every: float = _POLL_SECONDS,
) -> Found:
    """Call a condition until it returns something true, and return that.

    ``what`` names the condition. Raises TimeoutError after ``patience`` seconds.
    """
    deadline = time.perf_counter() + patience
    while not (found := condition()):
        if time.perf_counter() > deadline:
            raise TimeoutError(f"{what}: not within {patience:.0f} s")
        time.sleep(every)
    return found


def milliseconds_until(
    condition: Callable[[], object],
    act: Callable[[], object] | None = None,
    *,
    patience: float = _PATIENCE_SECONDS,
    every: float = _POLL_SECONDS,
) -> float:
    """How long after the action (or now) a condition first held. Raises TimeoutError after ``patience`` seconds."""
    began = time.perf_counter()
    if act is not None:
        act()
    until(condition, "what was waited for", patience=patience, every=every)
    return 1000 * (time.perf_counter() - began)


def seconds_until(condition: Callable[[], object], *, patience: float, every: float) -> float | None:
    """How long from now until a condition first holds, None if it does not within ``patience`` seconds."""
    try:
        return milliseconds_until(condition, patience=patience, every=every) / 1000
    except TimeoutError:
        return None
