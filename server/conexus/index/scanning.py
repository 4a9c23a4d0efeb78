"""Scans folders and directories of them in slices, so that nothing else waits for a large one, each when it is due."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from conexus.index.owned import owned
from conexus.index.tracked import TrackedFolder
from conexus.workspace.scan import Scan, scan_in_steps

_SOON_SECONDS, _SELDOM_SECONDS = 4.0, 60.0
#: A scan may take one part in so many of the time.
_SHARE = 50


@dataclass(frozen=True, slots=True)
class Found:
    """What a scan found."""

    scan: Scan
    #: The directory that was scanned; empty for the whole folder.
    below: str
    #: What was looked at since it began, each with all that lies below.
    touched: frozenset[str]

    def may_be_outdated(self, path: str) -> bool:
        """Whether what is known of a path may be newer than what the scan saw of it."""
        return bool(self.touched) and any(each in self.touched for each in (path, *_ancestors(path)))


@dataclass(slots=True)
class _Walk:
    tracked: TrackedFolder
    #: Empty for the whole folder.
    below: str
    steps: Generator[None, None, Scan]
    awaited: bool
    #: On the monotonic clock; how long it took since, without what was done between its slices.
    began: float
    took: float = 0.0
    touched: set[str] = field(default_factory=set)


class _Asked:
    """Directories that were told of, in any order, some of them perhaps below others."""

    def __init__(self) -> None:
        self._directories: list[str] = []
        self._are_apart = True

    def __bool__(self) -> bool:
        return bool(self._directories)

    def add(self, directory: str) -> None:
        self._directories.append(directory)
        self._are_apart = False

    def take(self) -> str:
        """One of them; those below it are taken with it. IndexError if there is none."""
        if not self._are_apart:
            apart: list[list[str]] = []
            for parts in sorted(directory.split("/") for directory in self._directories):
                if not apart or parts[: len(apart[-1])] != apart[-1]:
                    apart.append(parts)
            self._directories = ["/".join(parts) for parts in apart]
            self._are_apart = True
        return self._directories.pop()


@owned(shared={"is_awaited"})
class Scanning:
    """Owned by the indexer's thread. Of a folder one scan of the whole is under way at most, and one of a directory."""

    def __init__(self) -> None:
        #: By root; of whole folders, and of directories.
        self._whole: dict[str, _Walk] = {}
        self._partial: dict[str, _Walk] = {}
        #: Directories that were told of, by root.
        self._asked: dict[str, _Asked] = {}

    def due(self, tracked: TrackedFolder) -> float:
        """When a scan of a folder is to begin or to go on, on the monotonic clock."""
        root = tracked.root
        return 0.0 if any(root in each for each in (self._whole, self._partial, self._asked)) else tracked.scan_due

    def is_awaited(self, tracked: TrackedFolder) -> bool:
        """Whether a scan of a folder or a part of it was asked for that has not ended yet."""
        root, walk = tracked.root, self._whole.get(tracked.root)
        asked = tracked.scan_due == 0.0 or root in self._asked or root in self._partial
        return asked or (walk is not None and walk.awaited)

    def is_scanned(self, tracked: TrackedFolder) -> bool:
        """Whether a whole folder was scanned since that was asked for."""
        return tracked.scan_due > 0.0 and tracked.root not in self._whole

    def ask(self, tracked: TrackedFolder, directory: str) -> None:
        """What lies in a directory may have changed: have it scanned soon."""
        if directory:
            self._asked.setdefault(tracked.root, _Asked()).add(directory)
        else:
            tracked.scan_due = 0.0

    def touch(self, root: str, path: str) -> None:
        """A path was looked at just now, with all that lies below, or is about to be."""
        for walks in (self._whole, self._partial):
            if root in walks:
                walks[root].touched.add(path)

    def forget(self, root: str) -> None:
        """Nothing of scans that are under way or were asked for is wanted."""
        self._asked.pop(root, None)
        for walk in (self._whole.pop(root, None), self._partial.pop(root, None)):
            if walk is not None:
                walk.steps.close()
                walk.tracked.scan_due = 0.0

    def interrupt(self) -> None:
        """What scans saw would be too old when they go on: begin them anew then."""
        for root in {*self._whole, *self._partial}:
            # All of the folder will be scanned, and so what else was asked for.
            self.forget(root)

    def go_on(self, tracked: TrackedFolder, has_time: Callable[[], bool], active_at: float) -> Iterator[Found]:
        """Begin a folder's scans or go on with them while there is time, each at least by one step. Those that ended.

        ``active_at``: when anything was known to change last, on the monotonic clock.
        """
        root = tracked.root
        if root not in self._whole and tracked.scan_due <= time.monotonic():
            # Whoever asks for a scan from now on, asks for another one.
            self._begin(self._whole, tracked, "", awaited=tracked.scan_due == 0.0)
            self._asked.pop(root, None)
            tracked.scan_due = float("inf")
        if root not in self._partial and root in self._asked:
            asked = self._asked[root]
            self._begin(self._partial, tracked, asked.take(), awaited=True)
            if not asked:
                del self._asked[root]
        # Of a directory first: somebody knows that it changed.
        for walks in (self._partial, self._whole):
            walk = walks.get(root)
            scan = None if walk is None else self._advance(walk, has_time)
            if walk is not None and scan is not None:
                del walks[root]
                if walks is self._whole:
                    _plan_next(walk, active_at)
                yield Found(scan, walk.below, frozenset(walk.touched))

    def _begin(self, walks: dict[str, _Walk], tracked: TrackedFolder, below: str, *, awaited: bool) -> None:
        steps = scan_in_steps(tracked.root, tracked.rules, tracked.settings, below=below)
        walks[tracked.root] = _Walk(tracked, below, steps, awaited, time.monotonic())

    def _advance(self, walk: _Walk, has_time: Callable[[], bool]) -> Scan | None:
        """What a walk found, if it is at its end."""
        started = time.monotonic()
        try:
            next(walk.steps)
            while has_time():
                next(walk.steps)
        except StopIteration as ended:
            found: Scan = ended.value
            return found
        except Exception:
            self.forget(walk.tracked.root)
            raise
        finally:
            walk.took += time.monotonic() - started
        return None


def _plan_next(walk: _Walk, active_at: float) -> None:
    """A folder that was scanned is scanned again, the later the longer nothing was known to change."""
    tracked = walk.tracked
    interval = _SOON_SECONDS
    if walk.began - active_at > _SOON_SECONDS:
        interval = min(_SELDOM_SECONDS, max(interval, tracked.scan_interval * 2))
    tracked.scan_interval = max(interval, walk.took * _SHARE)
    tracked.scan_due = min(tracked.scan_due, time.monotonic() + tracked.scan_interval)


def _ancestors(path: str) -> tuple[str, ...]:
    """The directories that a path lies in; empty for the folder itself."""
    return ("", *map(str, PurePosixPath(path).parents))
