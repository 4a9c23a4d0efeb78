"""Decides which files of a folder are left out because the folder has too many bytes or chunks.

The largest files are left out first. So a folder keeps as many files as it can, files that were made to be large go
before files that people wrote, and which files go depends on nothing but the files: it is the same after each start.
"""

from __future__ import annotations

from collections.abc import Sequence

from conexus.workspace.scan import Entry

#: Why a file is left out, in words for the user.
BEYOND_SIZE = "beyond maxFolderMib"
BEYOND_CHUNKS = "beyond maxFolderChunks"


def within_size(entries: Sequence[Entry], most: int) -> tuple[Sequence[Entry], int]:
    """Returns the files that have at most ``most`` bytes together, and the number of the others, the largest ones."""
    total = sum(entry.size for entry in entries)
    if total <= most:
        return entries, 0
    ordered = sorted(entries, key=lambda entry: (entry.size, entry.path))
    while total > most:
        total -= ordered.pop().size
    return ordered, len(entries) - len(ordered)
