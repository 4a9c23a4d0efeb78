"""Gives back references that a library took and forgot.

py-tree-sitter 0.26.1 never releases what a read callback returned: each parse leaks the text of the file, which for a
server that parses at every keystroke is its memory in a day. A parse that reads no callback leaks nothing, but cannot
be stopped either. A release that is mended needs none of this, and finds nothing to give back.
"""

from __future__ import annotations

import ctypes
import sys

_give_back = ctypes.pythonapi.Py_DecRef
_give_back.argtypes = [ctypes.py_object]
_give_back.restype = None

#: What holds an object of the list while it is looked at: the list, the loop's variable, the argument.
_OURS = 3


class ReadCallbackBuffers:
    """Pieces of bytes that are lent to a library."""

    def __init__(self, data: bytes) -> None:
        self._view = memoryview(data)
        self._lent: list[bytes] = []

    def lend(self, start: int, end: int) -> bytes:
        """The bytes of a range, as an object that no one else has."""
        # A slice of all bytes would be the bytes themselves, which others hold too.
        piece = bytes(self._view[start:end])
        if len(piece) > 1:  # shorter ones are shared by the whole process
            self._lent.append(piece)
        return piece

    def take_back(self) -> None:
        """Release what is still held of the pieces. Only when the library has no use for them any more."""
        for piece in self._lent:
            for _ in range(sys.getrefcount(piece) - _OURS):
                _give_back(piece)
        self._lent.clear()
