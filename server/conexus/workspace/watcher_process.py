"""The process that watches one folder: ``PYTHON -P watcher_process.py FOLDER strict|lenient MOST_DIRECTORIES``.

``watcher.py`` starts it.

It is a process of its own, because watchfiles keeps all other threads of its process from running when it begins, and
for each new directory: half a second for 20 000 directories, including ignored ones.

Where the system watches whole trees by itself (macOS, Windows), the folder is watched as one. Elsewhere each directory
is watched by itself, because watchfiles would follow symbolic links out of the folder.

The process writes one JSON object per line: ``{"began": true, "limited": false}`` once it sees changes, and again if
not all directories are watched any more (``"limited": true``);
``{"changed": [path, …], "more": false}``, where ``"more": true`` means that the same changes continue in the next line;
and at its end ``{"moved": true}`` if the folder was replaced by another one, or
``{"failed": message, "number": errno, "denied": false}``. The process ends when its standard input ends.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from conexus.workspace.inside import Inside

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

#: Milliseconds between two looks for changes, which are reported after one look without any, and number of looks after
#: which they are reported in any case.
_LOOK_MS, _MOST_LOOKS = 50, 3
#: Number of looks without a change between two checks of whether the folder is still the same one.
_IDLE_LOOKS = 5
#: Maximum number of paths in one line. More would take the reader's process too long at once.
_MOST_PATHS = 500
#: A directory that changed less than this time before it was listed is listed again, in ns: the times of directories
#: are coarse, on some file systems as coarse as two seconds.
_COARSE_NS = 2_000_000_000
#: A group of directories is joined with the next one if it has at most this many times as many directories.
_GROWTH = 8
#: Number of characters of the paths of all directories that are watched. For each, this process uses 5 bytes. A path
#: may have 4096, and those of 100,000 real directories have 6 million.
_MOST_CHARACTERS = 16 << 20
#: The directories of version control, and which directories in them are watched.
_CONTROL = {".git": frozenset({"info"}), ".hg": frozenset[str](), ".svn": frozenset[str]()}
#: The kind of change that watchfiles gives for all but what came, went or was moved.
_MODIFIED = 2
_IS_RECURSIVE = sys.platform in ("darwin", "win32")


def main(root: str, *, lenient: bool, most: int) -> None:
    """Watches until the folder was replaced by another one, or watching fails."""
    # An interrupt at the terminal reaches the whole process group. The process that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        _watch(root, lenient=lenient, most=most)
    except (OSError, RuntimeError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        _say(failed=str(error), number=number, denied=isinstance(error, PermissionError))


def _watch(root: str, *, lenient: bool, most: int) -> None:
    identity = _identity(root)
    tree = _Tree(root, lenient=lenient, most=most)
    tree.add([""])
    _say(began=True, limited=tree.limited)
    while True:
        was_limited = tree.limited
        changes = tree.changes()
        # New directories are watched before they are reported, so that their reader misses nothing.
        tree.follow(changes)
        paths = list(dict.fromkeys(path for _, path in changes))
        if tree.limited and not was_limited:
            _say(began=True, limited=True)
        for first in range(0, len(paths), _MOST_PATHS):
            end = first + _MOST_PATHS
            _say(changed=paths[first:end], more=end < len(paths))
        if identity != _identity(root):
            _say(moved=True)
            return


class _Group:
    """Directories that one object of watchfiles watches."""

    def __init__(self, directories: list[str], watched: RustNotify) -> None:
        self.directories, self.watched = directories, watched


class _Tree:
    """Watches the real directories of a folder. Paths are relative to it.

    An object of watchfiles cannot be given more directories, and the system allows a user few objects. So new
    directories get a new object, and groups of directories are joined in such a way that each group has more than
    ``_GROWTH`` times as many directories as the next one: six groups for 100 000 directories.
    """

    def __init__(self, root: str, *, lenient: bool, most: int) -> None:
        self._root, self._lenient, self._most = root, lenient, most
        self._groups: list[_Group] = []
        #: The identity of each directory that is watched.
        self._known: dict[str, tuple[int, int]] = {}
        self._pending: set[tuple[int, str]] = set()
        #: Whether there are more directories than may be watched.
        self.limited = False

    def add(self, tops: list[str]) -> None:
        """Watches directories and all below them. Raises OSError if they cannot be watched."""
        if _IS_RECURSIVE:
            self._groups.append(_Group([""], self._watched([""])))
            return
        while tops:
            found = self._walk(tops)
            self._put(list(found))
            tops = self._changed_meanwhile(found)
        self._join()

    def follow(self, changes: Iterable[tuple[int, str]]) -> None:
        """Watches the directories that came, and forgets the ones that went. ``changes`` have absolute paths."""
        if _IS_RECURSIVE:
            return
        prefix = self._root.rstrip("/") + "/"
        came: set[str] = set()
        gone: set[str] = set()
        with Inside(self._root) as inside:
            for kind, absolute in changes:
                path = absolute.removeprefix(prefix)
                above, _, name = path.rpartition("/")
                # A new directory may have the number of a removed one, so numbers do not tell that nothing happened.
                if kind == _MODIFIED or not path or path == absolute or name not in _watched_in(above):
                    continue
                if path in self._known:
                    gone.add(path)
                if _directory(inside, path) is not None:
                    came.add(path)
        if gone:
            for path in [path for path in self._known if _is_below(path, gone)]:
                del self._known[path]
        self.add(sorted(path for path in came if path.rpartition("/")[0] in self._known or "/" not in path))

    def changes(self) -> set[tuple[int, str]]:
        """Waits for changes, and returns their kinds and absolute paths; none if nothing changes for a while."""
        found, self._pending = self._pending, set()
        looks = 0
        for _ in range(_IDLE_LOOKS):
            time.sleep(_LOOK_MS / 1000)
            new = {change for group in self._groups for change in _look(group.watched)}
            looks += bool(found or new)
            found |= new
            if found and (not new or looks >= _MOST_LOOKS):
                break
        return found

    def _walk(self, tops: list[str]) -> dict[str, int]:
        """Returns directories at or below ``tops`` that were not known, upper ones first, and when each was listed.

        The directories among ``tops`` are listed even if they are known. Times are in ns.
        """
        found: dict[str, int] = {}
        room = _MOST_CHARACTERS - sum(map(len, self._known))
        with Inside(self._root) as inside:
            level, listed_again = tops, True
            while level:
                below: list[str] = []
                for path in level:
                    if path not in self._known:
                        identity = _directory(inside, path)
                        if identity is None:
                            continue
                        if len(self._known) >= self._most:
                            self.limited = True
                            return found
                        self._known[path] = identity
                        found[path] = time.time_ns()
                    elif not listed_again:
                        continue
                    directories = self._directories_in(inside, path)
                    room -= sum(len(each) for each in directories if each not in self._known)
                    if room < 0:
                        self.limited = True
                        return found
                    below += directories
                level, listed_again = below, False
        return found

    def _directories_in(self, inside: Inside, path: str) -> list[str]:
        wanted = _watched_in(path)
        prefix = f"{path}/" if path else ""
        try:
            with inside.listed(path) as entries:
                found = (item.name for item in entries if item.is_dir(follow_symlinks=False) and item.name in wanted)
                names = list(islice(found, self._most))
        except PermissionError:
            if not self._lenient:
                raise
            return []
        except (OSError, ValueError):
            return []
        return [prefix + name for name in names]

    def _changed_meanwhile(self, listed: dict[str, int]) -> list[str]:
        """Returns the directories that may have got entries after they were listed and before they were watched."""
        changed = []
        with Inside(self._root) as inside:
            for path, at in listed.items():
                try:
                    facts = inside.stat(path)
                except (OSError, ValueError):
                    continue
                if facts.st_mtime_ns > at - _COARSE_NS:
                    changed.append(path)
        return changed

    def _put(self, directories: list[str]) -> None:
        """Watches directories of which none is a link, neither before nor afterwards."""
        while directories:
            watched = self._watched(directories)
            with Inside(self._root) as inside:
                left = [path for path in directories if _directory(inside, path) == self._known[path]]
            if len(left) == len(directories):
                self._groups.append(_Group(directories, watched))
                return
            watched.close()
            for path in set(directories) - set(left):
                del self._known[path]
            directories = left

    def _join(self) -> None:
        """Joins groups until each has enough more directories than the next one."""
        while len(self._groups) > 1:
            sizes = [len(group.directories) for group in self._groups[-2:]]
            if sizes[0] > _GROWTH * sizes[1]:
                return
            last, before = self._groups.pop(), self._groups.pop()
            both = [path for path in dict.fromkeys(before.directories + last.directories) if path in self._known]
            if self._lenient:
                # What the system gives may not suffice for both.
                _end(before, self._pending)
                _end(last, self._pending)
                self._put(both)
            else:
                self._put(both)
                _end(before, self._pending)
                _end(last, self._pending)

    def _watched(self, directories: list[str]) -> RustNotify:
        from watchfiles._rust_notify import RustNotify

        while True:
            paths = [f"{self._root}/{path}" if path else self._root for path in directories]
            try:
                # If watchfiles passes over directories that may not be read, it silently passes over the system's
                # limit, too.
                return RustNotify(paths, False, False, 300, _IS_RECURSIVE, self._lenient)
            except FileNotFoundError:
                with Inside(self._root) as inside:
                    there = [path for path in directories if _directory(inside, path) is not None]
                if "" not in there and "" in directories:
                    raise
                directories = there


def _watched_in(directory: str) -> _Names:
    return _Names(_CONTROL.get(directory.rpartition("/")[2]))


class _Names:
    """The names of directories that are watched in a directory: the given ones, or all that watchfiles can take."""

    def __init__(self, names: frozenset[str] | None) -> None:
        self._names = names

    def __contains__(self, name: str) -> bool:
        if self._names is not None:
            return name in self._names
        try:
            name.encode()
        except UnicodeEncodeError:
            return False
        return True


def _directory(inside: Inside, path: str) -> tuple[int, int] | None:
    """Returns the identity of a directory, None for anything else."""
    try:
        facts = inside.stat(path)
    except (OSError, ValueError):
        return None
    return (facts.st_dev, facts.st_ino) if stat.S_ISDIR(facts.st_mode) else None


def _is_below(path: str, tops: set[str]) -> bool:
    """Returns whether a path or a directory above it is one of ``tops``."""
    while path:
        if path in tops:
            return True
        path = path.rpartition("/")[0]
    return False


def _look(watched: RustNotify) -> set[tuple[int, str]]:
    """Returns what changed since the last look. Raises RuntimeError if watching failed."""
    found = watched.watch(0, 1, 1, None)
    return found if isinstance(found, set) else set()


def _end(group: _Group, pending: set[tuple[int, str]]) -> None:
    pending |= _look(group.watched)
    group.watched.close()


def _identity(path: str) -> tuple[int, int] | None:
    try:
        facts = os.stat(path)  # noqa: PTH116  pathlib is not needed here, and takes a fifth of this process's start
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def _say(**message: object) -> None:
    try:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
    except OSError:
        os._exit(1)  # nobody listens any more


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], lenient=sys.argv[2] == "lenient", most=int(sys.argv[3]))
