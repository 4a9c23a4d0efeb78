"""The lock on a file of an index directory. The process that holds it writes the stored index."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

from conexus.storage.index_directory import LOCK_FILE


class WriterLock:
    """The lock of one index directory. It is released when the process ends, however that ends.

    The directory's store thread owns it; any thread may read ``held`` and call ``is_lost``.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOCK_FILE
        #: The lock, and the state of the file when it was locked: if someone removes the file, another process may lock
        #: another file. One attribute, so that other threads read both of the same time. None if it is not held.
        self._held: tuple[FileLock, os.stat_result] | None = None

    @property
    def held(self) -> bool:
        """Whether this process took the lock."""
        return self._held is not None

    def take(self) -> bool:
        """Takes the lock if no process holds it. Returns whether this process has it now.

        Raises OSError if the file cannot be used.
        """
        # Not local to this thread: when the store threads have ended, another thread releases the lock.
        lock = FileLock(str(self._path), mode=0o600, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        try:
            self._held = lock, self._path.lstat()
        except OSError:
            lock.release()
            raise
        return True

    def release(self) -> None:
        """Releases the lock. Does nothing if the lock is not held."""
        if self._held is not None:
            lock, _ = self._held
            lock.release()
            self._held = None

    def is_lost(self) -> bool:
        """Returns whether the lock was taken, but its file is gone or is another one."""
        held = self._held
        try:
            return held is not None and not os.path.samestat(held[1], self._path.lstat())
        except OSError:
            return True
