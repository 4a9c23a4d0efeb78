"""The questions that are being answered: what this process does in the background lets them go first."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: Whoever asks without a pause does not keep the background from going on for ever.
_LONGEST_SECONDS = 0.1


class RequestGate:
    """Safe in several threads."""

    def __init__(self) -> None:
        #: When the latest came, on the monotonic clock.
        self.asked_at = 0.0
        self._running = 0
        self._changed = threading.Condition()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """While one is being answered."""
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
        """To be called between two steps of work that can wait: blocks while one is being answered."""
        if self._running:
            with self._changed:
                self._changed.wait_for(lambda: not self._running, _LONGEST_SECONDS)
