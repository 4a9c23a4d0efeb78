"""Releases references that py-tree-sitter takes and never releases.

py-tree-sitter 0.26.1 never releases the bytes that a read callback returned, so each parse leaks the text of the file.
A server that parses at every keystroke would use up its memory in a day. A parse without a read callback leaks nothing,
but cannot be stopped. With a fixed release of the library, this module is not needed and finds nothing to release; then
a test fails that says so.
"""

from __future__ import annotations

import ctypes
import sys

_give_back = ctypes.pythonapi.Py_DecRef
_give_back.argtypes = [ctypes.py_object]
_give_back.restype = None


class ReadCallbackBuffers:
    """The pieces of a file's bytes that are lent to the library by a read callback."""

    def __init__(self, data: bytes) -> None:
        self._view = memoryview(data)
        self._lent: list[bytes] = []

    def lend(self, start: int, end: int) -> bytes:
        """Returns the bytes of a range, as an object that nobody else refers to."""
        # A slice of all bytes would be the bytes object itself, which others refer to, so a memoryview is sliced.
        piece = bytes(self._view[start:end])
        if len(piece) > 1:  # Python shares shorter objects in the whole process
            self._lent.append(piece)
        return piece

    def take_back(self) -> None:
        """Releases the references that the library still holds. Call it only when the library has ended its use."""
        # How many references this method itself has to a piece depends on the release of CPython, so they are counted
        # with a piece that was never lent.
        self._lent.append(bytes(bytearray(2)))
        counts = [sys.getrefcount(piece) for piece in self._lent]
        own = counts.pop()
        self._lent.pop()
        for piece, count in zip(self._lent, counts, strict=True):
            for _ in range(count - own):
                _give_back(piece)
        self._lent.clear()
