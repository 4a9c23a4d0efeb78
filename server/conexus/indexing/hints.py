"""Keeps hints until there is a moment of quiet."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import takewhile

from conexus.segments.snapshot import FileKey
from conexus.timing import Clock, Deadline

#: Seconds without another hint that a hint waits for, so that a burst is handled once.
QUIET_SECONDS = 0.06
#: Seconds that a hint waits at most, so that steady changes become searchable too.
PATIENCE_SECONDS = 0.15
#: Debounce for edits: wait for 20 ms of silence, but run at most every 100 ms (key repeat).
TYPED_QUIET_SECONDS, TYPED_EVERY_SECONDS = 0.02, 0.1


def common_directory(paths: Sequence[str]) -> str:
    """Returns the deepest directory that contains all of these relative paths; empty for the folder itself."""
    first, last = min(paths).split("/")[:-1], max(paths).split("/")[:-1]
    common = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "/".join(name for name, _ in common)


class Hints:
    """Paths that may have changed, each once. Not thread-safe."""

    def __init__(
        self, quiet_seconds: float = QUIET_SECONDS, every_seconds: float = 0.0, clock: Clock = time.monotonic
    ) -> None:
        self._quiet_seconds, self._every_seconds, self._clock = quiet_seconds, every_seconds, clock
        self._keys: dict[FileKey, None] = {}
        #: When the first of the hints that wait was added, and when hints were taken last.
        self._first = self._taken = 0.0
        #: When the hints are to be handled; not set if none waits.
        self.due = Deadline(clock=clock)

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: FileKey) -> None:
        """Adds a hint, which is due after a moment of quiet, at most ``PATIENCE_SECONDS`` after the oldest hint."""
        now = self._clock()
        if not self._keys:
            self._first = now
        self._keys.pop(key, None)  # so that it is the last one
        self._keys[key] = None
        due = min(now + self._quiet_seconds, self._first + PATIENCE_SECONDS)
        self.due.set_at(max(due, self._taken + self._every_seconds))

    def take_first(self) -> FileKey:
        """Removes the hint that waits longest and returns it; the others are due at once.

        Raises StopIteration if there is none.
        """
        key = next(iter(self._keys))
        del self._keys[key]
        if self._keys:
            self.due.set_in(0.0)
        else:
            self.due.clear()
        return key

    def take_last(self) -> FileKey:
        """Removes the hint that was added last and returns it; the others are due at once.

        Raises KeyError if there is none.
        """
        key, _ = self._keys.popitem()
        self._taken = self._clock()
        if self._keys:
            self.due.set_in(0.0)
        else:
            self.due.clear()
        return key

    def forget(self, folder: str) -> None:
        """Drops the hints of a folder, because nothing of it is wanted any more."""
        self._keys = {key: None for key in self._keys if key[0] != folder}
        if not self._keys:
            self.due.clear()
