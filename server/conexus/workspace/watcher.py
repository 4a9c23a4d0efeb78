"""Watches one workspace folder and soon gives hints of changes. The scan ensures that no change is missed.

The watcher uses watchfiles 1.x, in a process of its own (``watcher_process``). watchfiles ends at the first file name
that is not UTF-8, loses events below new directories, and stops without a word if the folder is moved away. Therefore
the process is restarted whenever it ends or the folder was replaced, and each start is reported as a loss of events.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from conexus import limits
from conexus.config import SETTINGS_FILE
from conexus.limits import Limit
from conexus.processes.start import start_python
from conexus.timing import Backoff
from conexus.workspace.ignore import IGNORE_FILES

log = logging.getLogger(__name__)

#: Number of paths in one batch above which a scan is cheaper than a hint for each path.
_STORM = 1000
#: Seconds that ``wait`` waits for the end of the thread.
_END_SECONDS = 5.0
#: Seconds before the first restart, and before a restart after many failures.
_FIRST_DELAY, _LONGEST_DELAY = 0.05, 60.0

_LIMIT = (
    "The system's limit on watched {what} is reached, so changes made outside the editor are noticed late. "
    "Raise it, on Linux with `sudo sysctl fs.inotify.max_user_{setting}={value}`."
)
_TOO_MANY_DIRECTORIES = _LIMIT.format(what="directories", setting="watches", value=1048576)
_TOO_MANY_WATCHERS = _LIMIT.format(what="folders", setting="instances", value=1024)

_MORE_DIRECTORIES = (
    "This folder has more directories than `maxWatchedDirectories`, so changes that are made outside the editor in some"
    " of them are noticed late."
)

_PROCESS = Path(__file__).with_name("watcher_process.py")

#: Git files that decide what the folder holds or what is ignored in it.
_DECISIVE = (".git/HEAD", ".git/info/exclude")


def _everything(_path: str, _is_directory: bool) -> bool:
    return True


class _WatchFailed(Exception):
    """The watching process reported a failure, or ended by itself."""

    def __init__(self, message: str, number: int | None = None, *, denied: bool = False) -> None:
        super().__init__(message)
        self.number = number
        #: Whether the failure is that a directory may not be read.
        self.denied = denied


class Watcher:
    """Reports changes below a folder from a thread of its own."""

    def __init__(
        self,
        root: Path,
        on_paths: Callable[[set[str]], None],
        on_lost: Callable[[str], None],
        allows: Callable[[str, bool], bool] = _everything,
        *,
        most_directories: int = 100_000,
    ) -> None:
        """Starts nothing yet.

        ``on_paths`` gets paths relative to the folder, with ``/``: each path, or anything below it, may have changed.
        ``on_lost`` gets a reason in words when changes may have been missed, so that a scan is due.
        ``allows`` is the ignore rules' predicate; changes of paths that it excludes are not reported.
        At most ``most_directories`` are watched, the upper ones; symbolic links are not followed.
        """
        self._root = root
        self._on_paths, self._on_lost, self._allows = on_paths, on_lost, allows
        self._most_directories = most_directories
        self._degraded: str | None = None
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="conexus-watcher", daemon=True)

    @property
    def degraded(self) -> str | None:
        """Why changes are noticed late, in a sentence for the user; None while all is well."""
        return self._degraded

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stops reporting, except for a report that has begun. Returns at once; a second call is harmless."""
        self._stopping.set()
        if self._process is not None:
            self._process.terminate()

    def wait(self) -> None:
        """Waits until the thread and the process have ended, after ``stop``, but at most ``_END_SECONDS``."""
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(_END_SECONDS)

    def _run(self) -> None:
        restarts = Backoff(_FIRST_DELAY, _LONGEST_DELAY)
        reason, lenient = "watching began", False
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._watch(reason, lenient)
                reason = "the folder is watched again"
            except _WatchFailed as error:
                if not error.denied:
                    reason = "the watcher failed and was restarted"
                log.debug("the watcher ended: %s", error)
                lenient = self._learn(error) or lenient
            except (OSError, RuntimeError, ValueError):
                reason = "the watcher failed and was restarted"
                log.exception("the folder cannot be watched at the moment")
            if time.monotonic() - began > _LONGEST_DELAY:
                restarts.succeeded()
            restarts.failed()
            self._stopping.wait(restarts.delay)

    def _learn(self, error: _WatchFailed) -> bool:
        """Sets ``degraded`` to what the user can do about a failure.

        Returns whether to watch only what can be watched, which is better than nothing.
        """
        if error.denied:
            return True
        if "file watch limit" in str(error) or error.number == errno.ENOSPC:
            self._degraded = _TOO_MANY_DIRECTORIES
            return True
        if "Too many open files" in str(error):
            self._degraded = _TOO_MANY_WATCHERS
        return False

    def _watch(self, reason: str, lenient: bool) -> None:
        """Watches until ``stop`` is called or the folder was replaced by another one.

        Raises _WatchFailed if the process fails, or OSError if it cannot be started.
        """
        prefixes = tuple({str(self._root).rstrip("/\\"), os.path.realpath(self._root).rstrip("/\\")})
        changed: set[str] = set()
        folder = os.path.abspath(self._root)  # noqa: PTH100
        mode = "lenient" if lenient else "strict"
        self._process = start_python("watcher", [str(_PROCESS), folder, mode, str(self._most_directories)])
        with self._process as process:
            try:
                # A call of ``stop`` before there was a process could not end it.
                for message in () if self._stopping.is_set() else _messages(process):
                    if self._stopping.is_set():
                        return
                    match message:
                        case {"began": True, "limited": limited}:
                            if limited:
                                limits.hit(Limit.WATCHED_DIRECTORIES)
                                self._degraded = _MORE_DIRECTORIES
                            elif not lenient:
                                self._degraded = None
                            self._on_lost(reason)
                        case {"changed": paths, "more": more}:
                            changed.update(_relative(path, prefixes) for path in paths)
                            if not more:
                                self._report(changed)
                                changed.clear()
                        case {"moved": True}:
                            self._on_lost("the folder was moved or replaced")
                            return
                        case {"failed": text, "number": number, "denied": denied}:
                            raise _WatchFailed(text, number, denied=denied)
                if not self._stopping.is_set():
                    raise _WatchFailed("its process ended")
            finally:
                process.terminate()
                process.wait()

    def _report(self, paths: set[str]) -> None:
        if any(f"/{path}".endswith(tuple(f"/{decisive}" for decisive in _DECISIVE)) for path in paths):
            self._on_lost("branch switched")
        paths = {path for path in paths if path and self._is_wanted(path)}
        if len(paths) > _STORM:
            self._on_lost("many files changed at once")
        elif paths:
            self._on_paths(paths)

    def _is_wanted(self, path: str) -> bool:
        if path == SETTINGS_FILE:
            return True
        parent, _, name = path.rpartition("/")
        if name in IGNORE_FILES:
            return self._allows(parent, True)
        # A path that does not exist any more may have been a file or a directory.
        return self._allows(path, False) or self._allows(path, True)


def _relative(path: str, prefixes: tuple[str, ...]) -> str:
    """Returns a path relative to the folder, which the system may call by its real path.

    Returns an empty path for the folder itself.
    """
    for prefix in prefixes:
        if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] == os.sep:
            return path[len(prefix) + 1 :].replace(os.sep, "/")
    return ""


def _messages(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """Yields the messages of the process, until it ends."""
    for line in cast("IO[bytes]", process.stdout):
        if line.endswith(b"\n"):  # the process was not killed while it wrote the line
            yield json.loads(line)
