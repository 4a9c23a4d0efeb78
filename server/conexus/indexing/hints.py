"""Keeps hints until there is a moment of quiet."""

from __future__ import annotations

import time

from conexus.segments.snapshot import FileKey

#: Seconds without another hint that a hint waits for, so that a burst is handled once.
QUIET_SECONDS = 0.06
#: Seconds that a hint waits at most, so that steady changes become searchable too.
PATIENCE_SECONDS = 0.15
#: Debounce for edits: wait for 20 ms of silence, but run at most every 100 ms (key repeat).
TYPED_QUIET_SECONDS, TYPED_EVERY_SECONDS = 0.02, 0.1


class Hints:
    """Paths that may have changed, each once. Not thread-safe."""

    def __init__(self, quiet_seconds: float = QUIET_SECONDS, every_seconds: float = 0.0) -> None:
        self._quiet_seconds, self._every_seconds = quiet_seconds, every_seconds
        self._keys: dict[FileKey, None] = {}
        self._first = self._last = self._taken = 0.0

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: FileKey) -> None:
        self._last = time.monotonic()
        if not self._keys:
            self._first = self._last
        self._keys[key] = None

    @property
    def due(self) -> float:
        """Time at which the hints are to be handled, on the monotonic clock; infinite if there is none."""
        if not self._keys:
            return float("inf")
        due = min(self._last + self._quiet_seconds, self._first + PATIENCE_SECONDS)
        return max(due, self._taken + self._every_seconds)

    def take(self) -> list[FileKey]:
        """Removes all hints and returns them."""
        keys, self._keys = list(self._keys), {}
        self._taken = time.monotonic()
        return keys

    def take_first(self) -> FileKey:
        """Removes the hint that waits longest and returns it; the others are due as before.

        Raises StopIteration if there is none.
        """
        key = next(iter(self._keys))
        del self._keys[key]
        return key

    def forget(self, folder: str) -> None:
        """Drops the hints of a folder, because nothing of it is wanted any more."""
        self._keys = {key: None for key in self._keys if key[0] != folder}
