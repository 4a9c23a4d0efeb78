"""Reading a file that may be anything by now."""

from __future__ import annotations

import os
import stat
from pathlib import Path

#: Follow no symlink, and do not wait for the writer of a pipe.
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_AT_ONCE = 2**20


def read_bytes(path: str | Path, most: int) -> tuple[os.stat_result, bytes]:
    """What a file was just before reading, and its first ``most`` bytes; none of what is not a regular file.

    Raises OSError, or ValueError for a name that no file can have.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        facts = os.fstat(descriptor)
        parts: list[bytes] = []
        # One more than it had, to see that it did not grow: most files are read at once, into no more than they need.
        size = facts.st_size + 1
        while most > 0 and stat.S_ISREG(facts.st_mode) and (part := os.read(descriptor, min(most, size, _AT_ONCE))):
            parts.append(part)
            most -= len(part)
            size = _AT_ONCE
        return facts, b"".join(parts)
    finally:
        os.close(descriptor)
