"""Keeps freed memory from staying with the process; only glibc's allocator needs it."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

#: Parameters of mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
#: An array of more bytes goes straight back to the system; by default glibc raises this to 32 MiB, and holes stay.
_LARGE = 4 << 20
#: So much free memory at the end of the heap is kept for what comes next. A question takes and frees some ten MiB.
KEPT, KEPT_BY_HELPERS = 32 << 20, 1 << 20


def limit(kept: int = KEPT) -> None:
    """Let this process hold little that it does not use: one heap for all threads, and ``kept`` free bytes of it.

    A heap for each thread, the default, makes them no faster, for they hold Python's lock while they allocate.
    """
    for parameter, value in ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, kept)):
        _call("mallopt", parameter, value)


def trim() -> None:
    """Return what is free to the system."""
    _call("malloc_trim", 0)


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
