"""Reads a file safely, because by now the path may name anything: a symbolic link, a pipe, a directory."""

from __future__ import annotations

import os
import stat
from pathlib import Path

#: Flags that follow no symbolic link and do not wait for the writer of a pipe.
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_AT_ONCE = 2**20


def read_bytes(path: str | Path, most: int) -> tuple[os.stat_result, bytes]:
    """Returns the status of a file just before reading, and its first ``most`` bytes.

    Returns no bytes of anything but a regular file. Raises OSError if the file cannot be opened or read, or ValueError
    for a name that no file can have.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        facts = os.fstat(descriptor)
        parts: list[bytes] = []
        # One byte more than the file had, to notice that it grew. Most files are read at once, into a buffer that is no
        # larger than needed.
        size = facts.st_size + 1
        while most > 0 and stat.S_ISREG(facts.st_mode) and (part := os.read(descriptor, min(most, size, _AT_ONCE))):
            parts.append(part)
            most -= len(part)
            size = _AT_ONCE
        return facts, b"".join(parts)
    finally:
        os.close(descriptor)
