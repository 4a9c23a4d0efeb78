"""Limits a function to one call in an interval."""

import asyncio
from collections.abc import Callable


class Throttle:
    """Calls ``action`` at once when asked, but at most once in ``seconds``: further requests share one later call."""

    def __init__(self, seconds: float, action: Callable[[], None]) -> None:
        self._seconds = seconds
        self._action = action
        self._asked = False
        self._timer: asyncio.TimerHandle | None = None

    def ask(self) -> None:
        if self._timer is not None:
            self._asked = True
            return
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._rested)
        self._action()

    def cancel(self) -> None:
        """Drops the later call, if one was requested."""
        self._asked = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rested(self) -> None:
        self._timer = None
        if self._asked:
            self._asked = False
            self.ask()
