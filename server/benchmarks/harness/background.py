"""Work in threads beside a measurement."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Self


class Background:
    """Runs functions, each in a thread, in a ``with`` statement. Each returns soon after ``ending`` is set."""

    def __init__(self, *work: Callable[[], None]) -> None:
        self.ending = threading.Event()
        self._threads = [threading.Thread(target=each, daemon=True) for each in work]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ending.set()
        for thread in self._threads:
            thread.join()
