"""Makes the process return unused memory to the system."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from pathlib import Path

#: Parameter numbers of mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
#: Size in bytes above which a freed array is returned straight to the system. By default glibc raises this threshold to
#: 32 MiB, and holes then stay in the heap.
_LARGE = 4 << 20
#: Free bytes at the end of the heap that the server and its helper processes keep for later allocations. A request
#: allocates and frees some ten MiB.
KEPT, KEPT_BY_HELPERS = 32 << 20, 1 << 20


def limit(kept: int = KEPT) -> None:
    """Limits the unused memory of this process: one heap for all threads, with ``kept`` free bytes at its end.

    Only glibc's allocator needs this.

    One heap suffices: one heap for each thread, the default, makes threads no faster, because they hold Python's lock
    while they allocate.
    """
    for parameter, value in ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, kept)):
        _call("mallopt", parameter, value)


def trim() -> None:
    """Returns free memory to the system."""
    _call("malloc_trim", 0)


def mapped_bytes() -> int:
    """Returns how many bytes of mapped files are in this process's memory; 0 if the system does not report it."""
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
