"""Tracks requests in flight so that background work can yield to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: Most seconds that background work waits at a time, so that requests without a pause cannot stop it.
_LONGEST_SECONDS = 0.1


class RequestGate:
    """Counts the requests in flight. Safe to use from several threads."""

    def __init__(self) -> None:
        #: When the latest request began, in seconds on the monotonic clock.
        self.asked_at = 0.0
        self._running = 0
        self._changed = threading.Condition()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Counts a request as in flight while the ``with`` block runs."""
        with self._changed:
            self._running += 1
            self.asked_at = time.monotonic()
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def yield_to_requests(self) -> None:
        """Blocks while a request is in flight, for ``_LONGEST_SECONDS`` at most.

        Background work that can wait calls it between two steps.
        """
        if self._running:
            with self._changed:
                self._changed.wait_for(lambda: not self._running, _LONGEST_SECONDS)
