"""Scans folders in slices, so that nothing else waits for a large one, and decides when each is due."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from conexus.index.tracked import TrackedFolder
from conexus.workspace.scan import Scan, scan_in_steps

_SOON_SECONDS, _SELDOM_SECONDS = 4.0, 60.0
#: A scan may take one part in so many of the time.
_SHARE = 50


@dataclass(frozen=True, slots=True)
class Found:
    """What a scan found."""

    scan: Scan
    #: What was looked at since it began, each with all that lies below.
    touched: frozenset[str]

    def may_be_outdated(self, path: str) -> bool:
        """Whether what is known of a path may be newer than what the scan saw of it."""
        return bool(self.touched) and any(
            each in self.touched for each in (path, "", *map(str, PurePosixPath(path).parents))
        )


@dataclass(slots=True)
class _Walk:
    tracked: TrackedFolder
    steps: Generator[None, None, Scan]
    awaited: bool
    #: On the monotonic clock; how long it took since, without what was done between its slices.
    began: float
    took: float = 0.0
    touched: set[str] = field(default_factory=set)


class Scanning:
    """Owned by the indexer's thread."""

    def __init__(self) -> None:
        #: By root.
        self._walks: dict[str, _Walk] = {}

    def due(self, tracked: TrackedFolder) -> float:
        """When a folder's scan is to begin or to go on, on the monotonic clock."""
        return 0.0 if tracked.root in self._walks else tracked.scan_due

    def is_awaited(self, tracked: TrackedFolder) -> bool:
        """Whether a scan of a folder was asked for that has not ended yet."""
        walk = self._walks.get(tracked.root)
        return tracked.scan_due == 0.0 or (walk is not None and walk.awaited)

    def is_scanned(self, tracked: TrackedFolder) -> bool:
        """Whether a folder was scanned since that was asked for."""
        return tracked.scan_due > 0.0 and tracked.root not in self._walks

    def touch(self, root: str, path: str) -> None:
        """A path was looked at just now, with all that lies below."""
        walk = self._walks.get(root)
        if walk is not None:
            walk.touched.add(path)

    def forget(self, root: str) -> None:
        """Nothing of a scan that is under way is wanted."""
        walk = self._walks.pop(root, None)
        if walk is not None:
            walk.steps.close()
            walk.tracked.scan_due = 0.0

    def interrupt(self) -> None:
        """What scans saw would be too old when they go on: begin them anew then."""
        for root in list(self._walks):
            self.forget(root)

    def go_on(self, tracked: TrackedFolder, has_time: Callable[[], bool], active_at: float) -> Found | None:
        """Begin a folder's scan or go on with it while there is time, at least by one step. None: it is not at its end.

        ``active_at``: when anything was known to change last, on the monotonic clock.
        """
        walk = self._walks.get(tracked.root) or self._begin(tracked)
        started = time.monotonic()
        try:
            next(walk.steps)
            while has_time():
                next(walk.steps)
        except StopIteration as ended:
            walk.took += time.monotonic() - started
            self._end(walk, active_at)
            return Found(ended.value, frozenset(walk.touched))
        except Exception:
            self.forget(tracked.root)
            raise
        walk.took += time.monotonic() - started
        return None

    def _begin(self, tracked: TrackedFolder) -> _Walk:
        steps = scan_in_steps(tracked.root, tracked.rules, tracked.settings)
        walk = _Walk(tracked, steps, tracked.scan_due == 0.0, time.monotonic())
        self._walks[tracked.root] = walk
        # Whoever asks for a scan from now on, asks for another one.
        tracked.scan_due = float("inf")
        return walk

    def _end(self, walk: _Walk, active_at: float) -> None:
        tracked = walk.tracked
        del self._walks[tracked.root]
        interval = _SOON_SECONDS
        if walk.began - active_at > _SOON_SECONDS:
            interval = min(_SELDOM_SECONDS, max(interval, tracked.scan_interval * 2))
        tracked.scan_interval = max(interval, walk.took * _SHARE)
        tracked.scan_due = min(tracked.scan_due, time.monotonic() + tracked.scan_interval)
