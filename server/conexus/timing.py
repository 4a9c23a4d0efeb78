"""Defines the types that say when work may begin: deadlines, delays after failures, and one piece of work at a time.

None of them starts a thread or waits. They are not thread-safe: each belongs to the thread that owns its holder.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Generic, TypeVar

#: Returns the time in seconds, which never goes back.
Clock = Callable[[], float]

C = TypeVar("C")


class Deadline:
    """A time at which something is due, or no time at all."""

    __slots__ = ("__weakref__", "_clock", "at", "noticed")

    def __init__(self, seconds: float = math.inf, clock: Clock = time.monotonic) -> None:
        """``seconds``: from now until it is due; infinite if it is not set."""
        self._clock = clock
        #: Time at which it is due, on the clock; infinite if it is not set.
        self.at = clock() + seconds
        #: Whether an event loop has woken for it since it was set, see ``notice``.
        self.noticed = False

    def set_in(self, seconds: float) -> None:
        """Makes it due this many seconds from now."""
        self.at = self._clock() + seconds
        self.noticed = False

    def set_at(self, at: float) -> None:
        """Makes it due at a time on the clock. Nothing changes if it was due at that time already."""
        if at != self.at:
            self.at = at
            self.noticed = False

    def clear(self) -> None:
        """Makes it due at no time."""
        self.at = math.inf

    @property
    def is_set(self) -> bool:
        """Whether it will be due at some time."""
        return self.at < math.inf

    def is_due(self) -> bool:
        """Returns whether its time has come. It stays due until it is set or cleared."""
        return self._clock() >= self.at

    def seconds_left(self) -> float:
        """Returns the seconds until it is due: 0 if it is due, infinite if it is not set."""
        return max(0.0, self.at - self._clock())

    def notice(self) -> None:
        """Records that an event loop has woken for it, if it is due.

        So a deadline that has to wait for something else as well wakes the loop once, and not again and again.
        """
        self.noticed = self.is_due()


class Backoff:
    """Delays the next try after a failure. Each further failure doubles the delay; a success ends it."""

    def __init__(self, first: float, longest: float, clock: Clock = time.monotonic) -> None:
        """``first`` and ``longest``: the delay after the first failure and the longest delay, in seconds."""
        self._first, self._longest = first, longest
        #: The present delay in seconds; 0 after a success.
        self.delay = 0.0
        #: When the next try is allowed; not set after a success.
        self.next_try = Deadline(clock=clock)

    def failed(self) -> None:
        """Records a failure: delays the next try."""
        self.delay = min(max(2 * self.delay, self._first), self._longest)
        self.next_try.set_in(self.delay)

    def succeeded(self) -> None:
        """Records a success: the next try is allowed at once."""
        self.delay = 0.0
        self.next_try.clear()

    def may_try(self) -> bool:
        """Returns whether the next try is allowed now."""
        return not self.next_try.is_set or self.next_try.is_due()


class SingleFlight(Generic[C]):
    """Lets at most one piece of work be under way.

    A request that comes meanwhile is remembered once, with its latest cause: ``should_start`` returns it after the end.
    """

    def __init__(self) -> None:
        self._requested: C | None = None
        #: Cause of the work that is under way; None if no work is.
        self.under_way: C | None = None
        #: Whether the latest piece of work failed.
        self.has_failed = False

    def request(self, cause: C) -> None:
        """Requests that the work is done, from its beginning, after now."""
        self._requested = cause

    def should_start(self) -> C | None:
        """Returns the cause of the work that the caller has to start now; None if it has to start none.

        The caller calls ``finished`` or ``failed`` when that work has ended.
        """
        if self.under_way is not None:
            return None
        self.under_way, self._requested = self._requested, None
        return self.under_way

    def finished(self) -> None:
        """Records that the work under way has succeeded."""
        self.under_way, self.has_failed = None, False

    def failed(self) -> None:
        """Records that the work under way has failed."""
        self.under_way, self.has_failed = None, True
