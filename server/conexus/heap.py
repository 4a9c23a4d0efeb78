"""Keeps memory that is not used from staying with the process."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from pathlib import Path

#: Parameters of mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
#: An array of more bytes goes straight back to the system; by default glibc raises this to 32 MiB, and holes stay.
_LARGE = 4 << 20
#: So much free memory at the end of the heap is kept for what comes next. A question takes and frees some ten MiB.
KEPT, KEPT_BY_HELPERS = 32 << 20, 1 << 20


def limit(kept: int = KEPT) -> None:
    """Let this process hold little that it does not use: one heap for all threads, and ``kept`` free bytes of it.

    Only glibc's allocator needs to be told.

    A heap for each thread, the default, makes them no faster, for they hold Python's lock while they allocate.
    """
    for parameter, value in ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, kept)):
        _call("mallopt", parameter, value)


def trim() -> None:
    """Return what is free to the system."""
    _call("malloc_trim", 0)


def mapped_bytes() -> int:
    """What this process has of mapped files in its memory; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[2])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _call(name: str, *arguments: int) -> None:
    library = _libc()
    if library is not None and hasattr(library, name):
        getattr(library, name)(*arguments)


@cache
def _libc() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL("libc.so.6") if sys.platform == "linux" else None
    except OSError:
        return None
