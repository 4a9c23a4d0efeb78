"""Compares the present text of documents with their indexed text, because an edit is indexed only a moment later."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import eq

from conexus.chunking.chunk import Chunk
from conexus.segments.snapshot import FileKey, Fresh
from conexus.text.diff import LineMap
from conexus.text.lines import Lines
from conexus.text.positions import split_lines
from conexus.workspace.documents import Document, Documents
from conexus.workspace.inside import Inside
from conexus.workspace.read import Skipped, read_current

#: Number of files whose lines are cached, because a user who types a query gets nearly the same hits after each letter.
_MOST_FILES = 256


@dataclass(frozen=True, slots=True)
class Edited:
    """The lines, with their line ends, of a document's present text and of its different indexed text.

    ``lines`` is empty for a document that no longer exists.
    """

    indexed: Sequence[str]
    lines: Sequence[str]
    _moves: LineMap

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Returns the present position of the indexed lines ``[first, last)``; see ``LineMap.span``."""
        return self._moves.span(first, last)

    def indexed_span(self, first: int, last: int) -> tuple[int, int]:
        """Returns the indexed lines that correspond to the lines ``[first, last)`` of the present text.

        For new lines it returns the line after which they were inserted, because typed text mostly continues that
        line.
        """
        start, end = LineMap(self.lines, self.indexed).span(first, max(last, first + 1))
        return (max(start - 1, 0), max(start, 1)) if start == end else (start, end)


class CurrentTexts:
    """The documents as they were when this object was made. One thread uses it, for one answer."""

    def __init__(self, documents: Documents, overlay: Mapping[FileKey, Fresh], max_file_bytes: int) -> None:
        """``overlay`` maps folder and path to the indexed state of a file; ``documents`` are at least as new."""
        self._documents = documents
        self._overlay = overlay
        self._max_file_bytes = max_file_bytes
        self._edited: dict[FileKey, Edited | None] = {}
        self._lines: dict[str, list[str]] = {}

    def version(self, document: str) -> int | None:
        """Returns the version of an open document, or None if it is not open or has no version."""
        opened = self._documents.get(document)
        return opened.version if opened is not None else None

    def lines(self, text: str) -> list[str]:
        """Returns the lines of a document's text, with their line ends. Callers must not change the list."""
        if text not in self._lines:
            self._lines[text] = split_lines(text)
        return self._lines[text]

    def edited(self, folder: str, path: str) -> Edited | None:
        """Returns how a file differs from its indexed text.

        Returns None if it does not differ, or if neither an open nor a just closed document holds its text.
        ``folder`` is empty for a document outside all folders; ``path`` is then the document's name.
        """
        key = (folder, path)
        if key not in self._edited:
            self._edited[key] = self._compare(key, self._overlay.get(key))
        return self._edited[key]

    def _compare(self, key: FileKey, fresh: Fresh | None) -> Edited | None:
        document = document_of(*key)
        opened = self._documents.get(document)
        # A document that is too large for the index is searched, and shown, as its file is on disk.
        if opened is not None and not opened.is_larger_than(self._max_file_bytes):
            return self._of_buffer(opened, key, fresh)
        if fresh is None or fresh.text is None:
            return None
        # The document was closed a moment ago: the disk is the truth again, or nothing is left of a mere buffer.
        lines = file_lines(*key, self._max_file_bytes)
        indexed = self.lines(fresh.text)
        return Edited(indexed, lines, LineMap(indexed, lines))

    def _of_buffer(self, opened: Document, key: FileKey, fresh: Fresh | None) -> Edited | None:
        if fresh is not None and fresh.text == opened.text:
            return None
        lines = self.lines(opened.text)
        indexed = self._indexed_lines(key, fresh)
        if indexed and len(indexed) == len(lines) and all(map(eq, indexed, lines)):
            return None
        # If the indexed text is not known any more, its rows are taken to be where they are in the present text.
        indexed = indexed or lines
        return Edited(indexed, lines, LineMap(indexed, lines))

    def _indexed_lines(self, key: FileKey, fresh: Fresh | None) -> Sequence[str]:
        """Returns the lines of a document's indexed text; for a file of the base, its lines as they are on disk now."""
        if fresh is None:
            return file_lines(*key, self._max_file_bytes)
        if fresh.text is not None:
            return self.lines(fresh.text)
        facts = fresh.file.facts
        if file_state(*key) == (facts.size, facts.mtime_ns):
            return lines_of_state(*key, facts.size, facts.mtime_ns, self._max_file_bytes)
        return _lines_of_chunks(fresh.file.chunks)


def document_of(folder: str, path: str) -> str:
    """Returns the absolute path of a folder's file, or ``path`` itself for a document outside all folders."""
    # Concatenation, because a path join takes five times as long and this runs for each hit.
    return (folder if folder.endswith(os.sep) else folder + os.sep) + path if folder else path


def file_lines(folder: str, path: str, max_bytes: int) -> Sequence[str]:
    """Returns the lines of a folder's file on disk, or no lines if it cannot be read or is in no folder."""
    state = file_state(folder, path)
    return () if state is None else lines_of_state(folder, path, *state, max_bytes)


def file_state(folder: str, path: str) -> tuple[int, int] | None:
    """Returns the size (bytes) and time (ns) of a folder's file on disk; None if there is none."""
    if not folder:
        return None
    with Inside(folder) as inside:
        return state_in(inside, path)


def state_in(folder: Inside, path: str) -> tuple[int, int] | None:
    """Returns the size (bytes) and time (ns) of a file of an open folder; None if there is none."""
    try:
        facts = folder.stat(path)
    except (OSError, ValueError):
        return None
    return facts.st_size, facts.st_mtime_ns


def lines_of_state(folder: str, path: str, size: int, mtime_ns: int, max_bytes: int) -> Sequence[str]:
    """Returns the lines of a file, and reads the file again if its size or time differs from the last reading."""
    last = _last_read(folder, path, max_bytes)
    state, lines = last.read
    if state != (size, mtime_ns):
        text = read_current(folder, path, max_bytes)
        lines = () if isinstance(text, Skipped) else Lines(text)
        last.read = ((size, mtime_ns), lines)
    return lines


class _LastRead:
    """The state in which a file was last read, and its lines.

    Both are replaced in one assignment, because several threads use them.
    """

    __slots__ = ("read",)

    def __init__(self) -> None:
        self.read: tuple[tuple[int, int] | None, Sequence[str]] = (None, ())


@lru_cache(maxsize=_MOST_FILES)
def _last_read(_folder: str, _path: str, _max_bytes: int) -> _LastRead:
    return _LastRead()


def _lines_of_chunks(chunks: Sequence[Chunk]) -> list[str]:
    """Returns the lines of a text up to the last non-blank line.

    Blank lines between chunks are returned empty, even if they had spaces in the text.
    """
    lines: list[str] = []
    for chunk in chunks:
        lines += ["\n"] * (chunk.start_line - len(lines))
        lines += split_lines(chunk.code)
    return lines
