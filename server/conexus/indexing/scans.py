"""Scans folders and single directories in time slices when they are due, so that no other work waits long."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from conexus.indexing.workspace_folder import WorkspaceFolder
from conexus.owned import owned
from conexus.workspace.scan import Scan, scan_in_steps

_SOON_SECONDS, _SELDOM_SECONDS = 4.0, 60.0
#: The next scan of a folder waits at least this many times as long as the last one took, so that scans take little of
#: the time.
_SHARE = 50


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a scan."""

    scan: Scan
    #: The directory that was scanned; empty for the whole folder.
    below: str
    #: Paths that were refreshed since the scan began; each stands for everything below it too.
    touched: frozenset[str]

    def may_be_outdated(self, path: str) -> bool:
        """Returns whether the index may know a newer state of a path than the scan saw."""
        return bool(self.touched) and any(each in self.touched for each in (path, *_ancestors(path)))


@dataclass(slots=True)
class _Walk:
    folder: WorkspaceFolder
    #: The directory that is scanned; empty for the whole folder.
    below: str
    steps: Generator[None, None, Scan]
    awaited: bool
    #: When the scan began, in seconds on the monotonic clock; seconds that its slices have taken.
    began: float
    took: float = 0.0
    touched: set[str] = field(default_factory=set)


class _Asked:
    """Directories that hints name, in any order. Some of them may be below others."""

    def __init__(self) -> None:
        self._directories: list[str] = []
        self._are_apart = True

    def __bool__(self) -> bool:
        return bool(self._directories)

    def add(self, directory: str) -> None:
        self._directories.append(directory)
        self._are_apart = False

    def take(self) -> str:
        """Removes and returns a directory, and drops the directories below it. Raises IndexError if there is none."""
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
    """Scans each folder: at most one scan of the whole and one of a directory at a time. The indexer thread owns it."""

    def __init__(self) -> None:
        #: Scans that are under way, by root: of whole folders, and of directories.
        self._whole: dict[str, _Walk] = {}
        self._partial: dict[str, _Walk] = {}
        #: Directories that wait to be scanned, by root.
        self._asked: dict[str, _Asked] = {}

    def due(self, folder: WorkspaceFolder) -> float:
        """Returns when a scan of a folder is to start or resume, in seconds on the monotonic clock."""
        root = folder.root
        return 0.0 if any(root in each for each in (self._whole, self._partial, self._asked)) else folder.scan_due

    def is_awaited(self, folder: WorkspaceFolder) -> bool:
        """Returns whether a scan of a folder or of a part of it was asked for and has not ended yet."""
        root, walk = folder.root, self._whole.get(folder.root)
        asked = folder.scan_due == 0.0 or root in self._asked or root in self._partial
        return asked or (walk is not None and walk.awaited)

    def is_scanned(self, folder: WorkspaceFolder) -> bool:
        """Returns whether a scan of the whole folder has ended since one was asked for."""
        return folder.scan_due > 0.0 and folder.root not in self._whole

    def ask(self, folder: WorkspaceFolder, directory: str) -> None:
        """Has a directory scanned soon, because something in it may have changed. Empty: the whole folder."""
        if directory:
            self._asked.setdefault(folder.root, _Asked()).add(directory)
        else:
            folder.scan_due = 0.0

    def touch(self, root: str, path: str) -> None:
        """Notes that a path, with everything below it, was refreshed just now or is about to be."""
        for walks in (self._whole, self._partial):
            if root in walks:
                walks[root].touched.add(path)

    def forget(self, root: str) -> None:
        """Drops the scans of a folder that are under way or were asked for. A folder in a scan is due at once."""
        self._asked.pop(root, None)
        for walk in (self._whole.pop(root, None), self._partial.pop(root, None)):
            if walk is not None:
                walk.steps.close()
                walk.folder.scan_due = 0.0

    def interrupt(self) -> None:
        """Drops all scans that are under way, because their findings would be too old later. They start over."""
        for root in {*self._whole, *self._partial}:
            # The whole folder will be scanned, and so will every directory that was asked for.
            self.forget(root)

    def go_on(self, folder: WorkspaceFolder, has_time: Callable[[], bool], active_at: float) -> Iterator[Found]:
        """Starts or resumes this folder's scans until the time slice ends (at least one step each).

        Yields every scan that finished. ``active_at``: when the latest change was noticed, in seconds on the monotonic
        clock.
        """
        root = folder.root
        if root not in self._whole and folder.scan_due <= time.monotonic():
            # A scan that is asked for from now on is another scan.
            self._begin(self._whole, folder, "", awaited=folder.scan_due == 0.0)
            self._asked.pop(root, None)
            folder.scan_due = float("inf")
        if root not in self._partial and root in self._asked:
            asked = self._asked[root]
            self._begin(self._partial, folder, asked.take(), awaited=True)
            if not asked:
                del self._asked[root]
        # The directory first, because a hint says that it changed.
        for walks in (self._partial, self._whole):
            walk = walks.get(root)
            scan = None if walk is None else self._advance(walk, has_time)
            if walk is not None and scan is not None:
                del walks[root]
                if walks is self._whole:
                    _plan_next(walk, active_at)
                yield Found(scan, walk.below, frozenset(walk.touched))

    def _begin(self, walks: dict[str, _Walk], folder: WorkspaceFolder, below: str, *, awaited: bool) -> None:
        steps = scan_in_steps(folder.root, folder.rules, folder.settings, below=below)
        walks[folder.root] = _Walk(folder, below, steps, awaited, time.monotonic())

    def _advance(self, walk: _Walk, has_time: Callable[[], bool]) -> Scan | None:
        """Advances a scan by one step, and by more while there is time. Returns its result if it ended, else None."""
        started = time.monotonic()
        try:
            next(walk.steps)
            while has_time():
                next(walk.steps)
        except StopIteration as ended:
            found: Scan = ended.value
            return found
        except Exception:
            self.forget(walk.folder.root)
            raise
        finally:
            walk.took += time.monotonic() - started
        return None


def _plan_next(walk: _Walk, active_at: float) -> None:
    """Sets when a folder that was scanned is scanned next: the longer no change was noticed, the later."""
    folder = walk.folder
    interval = _SOON_SECONDS
    if walk.began - active_at > _SOON_SECONDS:
        interval = min(_SELDOM_SECONDS, max(interval, folder.scan_interval * 2))
    folder.scan_interval = max(interval, walk.took * _SHARE)
    folder.scan_due = min(folder.scan_due, time.monotonic() + folder.scan_interval)


def _ancestors(path: str) -> tuple[str, ...]:
    """Returns the directories that contain a path; an empty one stands for the folder itself."""
    return ("", *map(str, PurePosixPath(path).parents))
