"""The workaround for references that py-tree-sitter never releases, and whether it is still needed."""

from __future__ import annotations

import ctypes
import gc
import sys
import tracemalloc
from importlib.metadata import version

import pytest
from tree_sitter import Parser
from tree_sitter_language_pack import get_language

from conexus.chunking.tree_sitter_leak import ReadCallbackBuffers

take_reference = ctypes.pythonapi.Py_IncRef
take_reference.argtypes = [ctypes.py_object]
take_reference.restype = None


def test_the_installed_tree_sitter_still_leaks_what_a_read_callback_returned() -> None:
    piece = bytes(bytearray(b"answer = 42\n"))
    before = sys.getrefcount(piece)
    tree = Parser(get_language("python")).parse(lambda offset, _: piece if offset == 0 else b"")
    assert not tree.root_node.has_error
    del tree
    gc.collect()
    assert sys.getrefcount(piece) > before, (
        f"tree-sitter {version('tree-sitter')} releases what a read callback returned. Once every release that "
        "pyproject.toml allows does so, delete conexus/chunking/tree_sitter_leak.py, its use in grammar.py and these "
        "tests."
    )


@pytest.mark.parametrize("leaked", [0, 1, 3])
def test_leaked_references_are_released(leaked: int) -> None:
    data = bytes(100_000)
    tracemalloc.start()
    try:
        buffers = ReadCallbackBuffers(data)
        for start in range(0, len(data), 10_000):
            piece = buffers.lend(start, start + 10_000)
            for _ in range(leaked):
                take_reference(piece)
        del piece  # from now on only the buffers and the leaked references hold the pieces
        lent, _ = tracemalloc.get_traced_memory()
        buffers.take_back()
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert lent >= len(data)
    assert left < 10_000
