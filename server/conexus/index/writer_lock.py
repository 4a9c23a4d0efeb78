"""Which process writes a folder's stored index: the one that holds the lock on a file of its directory."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

NAME = "writer.lock"


class WriterLock:
    """Not thread-safe. It ends with the process, however that ends."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME
        self._lock: FileLock | None = None
        #: Which file the lock is on: if someone removes it, another process may lock another one.
        self._locked: os.stat_result | None = None

    @property
    def held(self) -> bool:
        """Whether this process took it."""
        return self._lock is not None

    def take(self) -> bool:
        """Take it if no one holds it; returns whether this process has it now. OSError if the file cannot be used."""
        lock = FileLock(str(self._path), mode=0o600)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        self._lock, self._locked = lock, self._path.stat()
        return True

    def release(self) -> None:
        """Let others take it. Nothing if it is not held."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def is_lost(self) -> bool:
        """Whether it was taken, and the file is gone or another one."""
        try:
            return self.held and (self._locked is None or not os.path.samestat(self._locked, self._path.stat()))
        except OSError:
            return True
