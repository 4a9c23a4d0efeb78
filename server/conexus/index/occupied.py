"""Which directories some files lie in."""

from __future__ import annotations


class OccupiedDirectories:
    """Relative paths with ``/``. To add or discard one takes constant time, averaged over many."""

    def __init__(self) -> None:
        #: How many files and directories each has.
        self._sizes: dict[str, int] = {}

    def __contains__(self, directory: str) -> bool:
        """Whether any file lies in a directory or below it; the top, which has no name, is none."""
        return directory in self._sizes

    def add(self, path: str) -> None:
        """A file that was not there."""
        while directory := path.rpartition("/")[0]:
            known = self._sizes.get(directory, 0)
            self._sizes[directory] = known + 1
            if known:
                return
            path = directory

    def discard(self, path: str) -> None:
        """A file that was there."""
        while directory := path.rpartition("/")[0]:
            left = self._sizes[directory] - 1
            if left:
                self._sizes[directory] = left
                return
            del self._sizes[directory]
            path = directory
