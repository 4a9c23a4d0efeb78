"""What documents say at this moment, beside what of them is indexed: an edit is indexed a moment after it was made."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from conexus.chunking.chunk import Chunk
from conexus.index.folder import Fresh
from conexus.line_map import LineMap
from conexus.lines import Lines
from conexus.search.search import FileKey
from conexus.text import split_lines
from conexus.workspace.documents import Document, Documents
from conexus.workspace.read import Skipped, read_current

#: Who types a question gets nearly the same hits after each letter.
_MOST_FILES = 256


@dataclass(frozen=True, slots=True)
class Edited:
    """A document whose text is another one than the indexed one: the lines of both, with their line ends.

    A document that is gone has no lines.
    """

    indexed: Sequence[str]
    lines: Sequence[str]
    _moves: LineMap

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Where the indexed lines ``[first, last)`` are now; as ``LineMap.span``."""
        return self._moves.span(first, last)

    def indexed_span(self, first: int, last: int) -> tuple[int, int]:
        """Which indexed lines ``[first, last)`` of the present text were.

        For lines that are new, it is the line that they were put in after: what is typed mostly goes on with it.
        """
        start, end = LineMap(self.lines, self.indexed).span(first, max(last, first + 1))
        return (max(start - 1, 0), max(start, 1)) if start == end else (start, end)


class CurrentTexts:
    """The documents as they were when this was made. It is made for one answer, and used by one thread."""

    def __init__(self, documents: Documents, overlay: Mapping[FileKey, Fresh], max_file_bytes: int) -> None:
        """``documents`` are at least as new as ``overlay``, the indexed state of files by folder and path."""
        self._documents = documents
        self._overlay = overlay
        self._max_file_bytes = max_file_bytes
        self._edited: dict[FileKey, Edited | None] = {}
        self._lines: dict[str, list[str]] = {}

    def version(self, document: str) -> int | None:
        """The version of an open document, None if it is not open or has none."""
        opened = self._documents.get(document)
        return opened.version if opened is not None else None

    def lines(self, text: str) -> list[str]:
        """The lines of a document's text, with their line ends. Not to be changed."""
        if text not in self._lines:
            self._lines[text] = split_lines(text)
        return self._lines[text]

    def edited(self, folder: str, path: str) -> Edited | None:
        """How a file differs from what is indexed of it; None if it does not, or if no document tells.

        ``folder`` is empty for a document outside all folders, of which ``path`` is then the name.
        """
        key = (folder, path)
        if key not in self._edited:
            self._edited[key] = self._compare(key, self._overlay.get(key))
        return self._edited[key]

    def _compare(self, key: FileKey, fresh: Fresh | None) -> Edited | None:
        document = document_of(*key)
        opened = self._documents.get(document)
        if opened is not None:
            return self._of_buffer(opened, fresh)
        if fresh is None or fresh.text is None:
            return None
        # Closed a moment ago: what counts is the disk again, or nothing if the buffer was all there was.
        lines = file_lines(document, self._max_file_bytes) if key[0] else ()
        indexed = self.lines(fresh.text)
        return Edited(indexed, lines, LineMap(indexed, lines))

    def _of_buffer(self, opened: Document, fresh: Fresh | None) -> Edited | None:
        if fresh is not None and fresh.text == opened.text:
            return None
        lines = self.lines(opened.text)
        if fresh is None:
            # Opened a moment ago. A file that changed on disk since it was indexed is taken for what was indexed.
            indexed: Sequence[str] = file_lines(opened.id, self._max_file_bytes) or lines
        else:
            indexed = _lines_of_chunks(fresh.file.chunks) if fresh.text is None else self.lines(fresh.text)
        return Edited(indexed, lines, LineMap(indexed, lines))


def document_of(folder: str, path: str) -> str:
    """The absolute path of a folder's file; outside all folders the name that it has."""
    # A sum and no join, which takes five times as long: asked for each hit.
    return (folder if folder.endswith(os.sep) else folder + os.sep) + path if folder else path


def file_lines(path: str, max_bytes: int) -> Sequence[str]:
    """The lines of a file on disk; none if it cannot be read."""
    try:
        status = os.stat(path)  # noqa: PTH116  asked for each hit
    except (OSError, ValueError):
        return ()
    return lines_of_state(path, status.st_size, status.st_mtime_ns, max_bytes)


def lines_of_state(path: str, size: int, mtime_ns: int, max_bytes: int) -> Sequence[str]:
    """The lines of a file, which is read anew if it has another size or time than when it was read last."""
    last = _last_read(path, max_bytes)
    state, lines = last.read
    if state != (size, mtime_ns):
        text = read_current(path, max_bytes)
        lines = () if isinstance(text, Skipped) else Lines(text)
        last.read = ((size, mtime_ns), lines)
    return lines


class _LastRead:
    """The state that a file was read in last, and its lines: both replaced at once, for there are several threads."""

    __slots__ = ("read",)

    def __init__(self) -> None:
        self.read: tuple[tuple[int, int] | None, Sequence[str]] = (None, ())


@lru_cache(maxsize=_MOST_FILES)
def _last_read(_path: str, _max_bytes: int) -> _LastRead:
    return _LastRead()


def _lines_of_chunks(chunks: Sequence[Chunk]) -> list[str]:
    """The lines of a text up to the last that is not blank; blank ones between chunks may have had spaces."""
    lines: list[str] = []
    for chunk in chunks:
        lines += ["\n"] * (chunk.start_line - len(lines))
        lines += split_lines(chunk.code)
    return lines
