"""The lock on a file of an index directory. The process that holds it writes the stored index."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from filelock import FileLock, Timeout


def index_directory(data_directory: Path, folder: str, model: str) -> Path:
    """Returns the directory of an index; each pair of a folder (absolute path) and a model has its own."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(folder).name)[:40] or "root"
    key = hashlib.blake2b(f"{folder}\0{model}".encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    return data_directory / "indexes" / f"{name}-{key}"


NAME = "writer.lock"


class WriterLock:
    """The lock of one index directory. Not thread-safe. It is released when the process ends, however that ends."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME
        self._lock: FileLock | None = None
        #: State of the file that is locked: if someone removes the file, another process may lock another one.
        self._locked: os.stat_result | None = None

    @property
    def held(self) -> bool:
        """Whether this process took the lock."""
        return self._lock is not None

    def take(self) -> bool:
        """Takes the lock if no process holds it. Returns whether this process has it now.

        Raises OSError if the file cannot be used.
        """
        lock = FileLock(str(self._path), mode=0o600)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        self._lock, self._locked = lock, self._path.stat()
        return True

    def release(self) -> None:
        """Releases the lock. Does nothing if the lock is not held."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def is_lost(self) -> bool:
        """Returns whether the lock was taken, but its file is gone or is another one."""
        try:
            return self.held and (self._locked is None or not os.path.samestat(self._locked, self._path.stat()))
        except OSError:
            return True
