"""Gives freed memory back to the system."""

from __future__ import annotations

import ctypes
import sys


def trim() -> None:
    """Return what is free at the ends of the heaps; only glibc keeps so much that it is worth it."""
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        return
