"""Our own watcher of one workspace folder. It gives hints, soon; that nothing is missed is the scan's task.

What it rests on (watchfiles 1.x) ends at the first file name that is not UTF-8, loses events below new
directories, and stops watching a folder that is moved away, without a word. So it is restarted whenever it ends
or the folder is another one than before, and each start is reported as a loss.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from conexus.workspace.ignore import IGNORE_FILES

log = logging.getLogger(__name__)

#: Changes are handed on after this much quiet, or at the latest after the second figure.
_QUIET_MS, _AT_MOST_MS = 50, 100
#: How often it is looked whether the folder is still the same one.
_LOOK_MS = 250
#: Above this many paths in one batch a scan is cheaper than following each.
_STORM = 1000
#: Seconds before the first restart, and before one after many failures.
_FIRST_DELAY, _LONGEST_DELAY = 0.05, 60.0

_LIMIT = (
    "The system's limit on watched {what} is reached, so changes made outside the editor are noticed late. "
    "Raise it, on Linux with `sudo sysctl fs.inotify.max_user_{setting}={value}`."
)
_TOO_MANY_DIRECTORIES = _LIMIT.format(what="directories", setting="watches", value=1048576)
_TOO_MANY_WATCHERS = _LIMIT.format(what="folders", setting="instances", value=1024)


#: Git files that decide what the folder holds or what is ignored in it.
_DECISIVE = (".git/HEAD", ".git/info/exclude")


def _everything(_path: str, _is_directory: bool) -> bool:
    return True


class Watcher:
    """Reports changes below a folder from a thread of its own."""

    def __init__(
        self,
        root: Path,
        on_paths: Callable[[set[str]], None],
        on_lost: Callable[[str], None],
        allows: Callable[[str, bool], bool] = _everything,
    ) -> None:
        """Starts nothing yet.

        ``on_paths`` gets paths relative to the folder, with ``/``: each, or what is below it, may have changed.
        ``on_lost`` gets a reason in words when changes may have been missed, and a scan is due.
        ``allows`` is the ignore rules' predicate; changes of paths that it leaves out are not reported.
        """
        self._root = root
        self._on_paths, self._on_lost, self._allows = on_paths, on_lost, allows
        self._degraded: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="conexus-watcher", daemon=True)

    @property
    def degraded(self) -> str | None:
        """Why changes are noticed late, in a sentence for the user; None while all is well."""
        return self._degraded

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """After this nothing more is reported. Idempotent."""
        self._stopping.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        delay = _FIRST_DELAY
        reason, lenient = "watching began", False
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._watch(reason, lenient)
                reason = "the folder is watched again"
            except PermissionError:
                lenient = True
            except (OSError, RuntimeError, ValueError) as error:
                reason = "the watcher failed and was restarted"
                log.debug("the watcher ended: %s", error)
                if "file watch limit" in str(error) or getattr(error, "errno", None) == errno.ENOSPC:
                    lenient = True  # some of the directories are better than none
                    self._degraded = _TOO_MANY_DIRECTORIES
                elif "Too many open files" in str(error):
                    self._degraded = _TOO_MANY_WATCHERS
            if time.monotonic() - began > _LONGEST_DELAY:
                delay = _FIRST_DELAY
            self._stopping.wait(delay)
            delay = min(delay * 2, _LONGEST_DELAY)

    def _watch(self, reason: str, lenient: bool) -> None:
        """Watch until stopped or until the folder is another one. Raises what the watcher beneath raises."""
        from watchfiles import watch

        identity = _identity(self._root)
        prefixes = tuple({str(self._root).rstrip("/\\"), os.path.realpath(self._root).rstrip("/\\")})
        batches = watch(
            self._root,
            watch_filter=None,
            debounce=_AT_MOST_MS,
            step=_QUIET_MS,
            rust_timeout=_LOOK_MS,
            yield_on_timeout=True,
            stop_event=self._stopping,
            raise_interrupt=False,
            # Where directories that may not be read are passed over, so is, silently, the system's limit.
            ignore_permission_denied=lenient,
        )
        for number, changes in enumerate(batches):
            if self._stopping.is_set():
                return
            if number == 0:  # only now are changes seen
                if not lenient:
                    self._degraded = None
                self._on_lost(reason)
            if changes:
                self._report({_relative(path, prefixes) for _, path in changes})
            if identity != _identity(self._root):
                self._on_lost("the folder was moved or replaced")
                return

    def _report(self, paths: set[str]) -> None:
        if any(f"/{path}".endswith(tuple(f"/{decisive}" for decisive in _DECISIVE)) for path in paths):
            self._on_lost("branch switched")
        paths = {path for path in paths if path and self._is_wanted(path)}
        if len(paths) > _STORM:
            self._on_lost("many files changed at once")
        elif paths:
            self._on_paths(paths)

    def _is_wanted(self, path: str) -> bool:
        parent, _, name = path.rpartition("/")
        if name in IGNORE_FILES:
            return self._allows(parent, True)
        # What is gone may have been either.
        return self._allows(path, False) or self._allows(path, True)


def _relative(path: str, prefixes: tuple[str, ...]) -> str:
    """Relative to the folder, which the system may call by its real path; empty for the folder itself."""
    for prefix in prefixes:
        if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] == os.sep:
            return path[len(prefix) + 1 :].replace(os.sep, "/")
    return ""


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino
