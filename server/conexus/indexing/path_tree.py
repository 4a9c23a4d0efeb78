"""Finds the files below a directory without reading all other paths."""

from __future__ import annotations

from collections.abc import Iterator


class PathTree:
    """A set of relative file paths, with ``/``. Adding or discarding a path takes time proportional to its depth."""

    def __init__(self) -> None:
        #: Directory -> the files directly in it; directory -> the directories directly in it. The top directory is "".
        self._files: dict[str, set[str]] = {}
        self._directories: dict[str, set[str]] = {}

    def __contains__(self, directory: str) -> bool:
        """Returns whether the set has a file in a directory or below it."""
        return directory in self._files or directory in self._directories

    def add(self, path: str) -> None:
        """Adds a file."""
        directory = path.rpartition("/")[0]
        known = directory in self
        self._files.setdefault(directory, set()).add(path)
        while directory and not known:
            parent = directory.rpartition("/")[0]
            known = parent in self
            self._directories.setdefault(parent, set()).add(directory)
            directory = parent

    def discard(self, path: str) -> None:
        """Removes a file that was added."""
        directory = path.rpartition("/")[0]
        _take(self._files, directory, path)
        while directory and directory not in self:
            parent = directory.rpartition("/")[0]
            _take(self._directories, parent, directory)
            directory = parent

    def below(self, directory: str) -> Iterator[str]:
        """Yields the files in a directory and below it; all files for the top directory."""
        waiting = [directory]
        while waiting:
            each = waiting.pop()
            yield from self._files.get(each, ())
            waiting.extend(self._directories.get(each, ()))


def _take(sets: dict[str, set[str]], key: str, item: str) -> None:
    sets[key].discard(item)
    if not sets[key]:
        del sets[key]
