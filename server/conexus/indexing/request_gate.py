"""Tracks requests in flight so that background work can let them go first."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class RequestGate:
    """Counts the requests in flight. Safe to use from several threads."""

    def __init__(self) -> None:
        #: When the latest request began, in seconds on the monotonic clock.
        self.asked_at = 0.0
        self._in_flight = 0
        self._guard = threading.Lock()

    @property
    def is_answering(self) -> bool:
        """Whether a request is in flight."""
        return self._in_flight > 0

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Counts a request as in flight while the ``with`` block runs."""
        with self._guard:
            self._in_flight += 1
            self.asked_at = time.monotonic()
        try:
            yield
        finally:
            with self._guard:
                self._in_flight -= 1
