"""Hints that wait for a moment of quiet."""

from __future__ import annotations

import time

from conexus.index.bulk import Key

#: A hint waits until there was none for this long, so that a burst is handled once,
QUIET_SECONDS = 0.06
#: but no longer than this, so that what goes on steadily becomes searchable too.
PATIENCE_SECONDS = 0.15
#: Edits to a buffer that are one for the user come within less; the second figure is for a key that is held down.
TYPED_QUIET_SECONDS, TYPED_EVERY_SECONDS = 0.02, 0.1


class Hints:
    """Paths that may have changed, each once. Not thread-safe."""

    def __init__(self, quiet_seconds: float = QUIET_SECONDS, every_seconds: float = 0.0) -> None:
        self._quiet_seconds, self._every_seconds = quiet_seconds, every_seconds
        self._keys: dict[Key, None] = {}
        self._first = self._last = self._taken = 0.0

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: Key) -> None:
        self._last = time.monotonic()
        if not self._keys:
            self._first = self._last
        self._keys[key] = None

    @property
    def due(self) -> float:
        """When they are to be handled, on the monotonic clock; far away if there is none."""
        if not self._keys:
            return float("inf")
        due = min(self._last + self._quiet_seconds, self._first + PATIENCE_SECONDS)
        return max(due, self._taken + self._every_seconds)

    def take(self) -> list[Key]:
        """All of them; none is left."""
        keys, self._keys = list(self._keys), {}
        self._taken = time.monotonic()
        return keys

    def take_first(self) -> Key:
        """The one that waits longest; the others are due as before. KeyError if there is none."""
        key = next(iter(self._keys))
        del self._keys[key]
        return key

    def forget(self, folder: str) -> None:
        """Nothing of a folder is wanted any more."""
        self._keys = {key: None for key in self._keys if key[0] != folder}
