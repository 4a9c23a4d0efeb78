"""Turns ranked rows into hits: reads the present text of each row and determines its range."""

from __future__ import annotations

import weakref
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate

from conexus.answers.live_text import CurrentTexts, Edited, document_of, lines_of_state, state_in
from conexus.chunking.chunk import Chunk
from conexus.related.relations import Related
from conexus.search.highlights import find_matches, marked_terms
from conexus.search.pipeline import Ranked
from conexus.search.query import Query
from conexus.segments.analysis import FileFacts
from conexus.segments.segment import MemorySegment
from conexus.segments.snapshot import Fresh, RowRef
from conexus.text.names import place_of_name
from conexus.text.positions import Encoding, split_lines, units
from conexus.values import Hit, Position, TextRange
from conexus.workspace.inside import Inside

#: Maximum number of lines of a hit that is a definition: a longer one is cut, but never inside its first chunk.
MOST_LINES = 40
#: Kinds of definition whose members need not be indented.
_UNINDENTED = frozenset({"module", "section"})

#: Number of rows whose shown form is cached.
_MOST_SHOWN = 512
#: Maximum size of a preview, in bytes of UTF-8. A client shows the preview beside a list.
PREVIEW_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Reader:
    """What ``hits_of`` needs to make hits of rows."""

    overlay: Mapping[tuple[str, str], Fresh]
    encoding: Encoding
    max_file_bytes: int
    #: Called with the path of a file that is no longer as it was indexed; the hit is still returned.
    on_stale: Callable[[str], None]
    #: The present texts of open documents: hits are given in their lines.
    texts: CurrentTexts
    #: Called before each hit; raises if the request was cancelled.
    check: Callable[[], None] = lambda: None
    #: Results of ``state`` by path, so that several hits of one file are of one text.
    _states: dict[str, tuple[int, int] | None] = field(default_factory=dict)
    #: Folders by root. They stay open for one call of ``hits_of``.
    _folders: dict[str, Inside] = field(default_factory=dict)

    def state(self, folder: str, document: str, facts: FileFacts) -> tuple[int, int] | None:
        """Returns the size (bytes) and time (ns) of a file; None if it no longer exists.

        Calls ``on_stale`` if they differ from ``facts``, the file's indexed state.
        """
        if document not in self._states:
            self._states[document] = state = state_in(self._open(folder), facts.path) if folder else None
            if state != (facts.size, facts.mtime_ns):
                self.on_stale(document)
        return self._states[document]

    def _open(self, folder: str) -> Inside:
        if folder not in self._folders:
            self._folders[folder] = Inside(folder)
        return self._folders[folder]

    def close(self) -> None:
        """Closes the folders that ``state`` has opened."""
        for folder in self._folders.values():
            folder.close()


def hits_of(ranked: Iterable[Ranked | Related], reader: Reader, query: Query | None = None) -> tuple[Hit, ...]:
    """Returns a hit for each ranked row, in order, with the words of ``query`` marked in it.

    A row is left out if all of its lines were removed from an open document since they were indexed.
    """
    asked = marked_terms(query) if query is not None else frozenset()
    try:
        hits = (_hit(each, reader, asked) for each in ranked)
        return tuple(hit for hit in hits if hit is not None)
    finally:
        reader.close()


def _hit(ranked: Ranked | Related, reader: Reader, asked: frozenset[str]) -> Hit | None:
    reader.check()
    ref, segment, row = ranked.ref, ranked.ref.view.segment, ranked.ref.row
    folder, path = ref.view.folder, ref.path
    document = document_of(folder, path)
    shown = _shown(ref, reader, document)
    if shown is None:
        return None
    spans = find_matches(shown.preview, asked)
    return Hit(
        document=document,
        range=shown.range,
        version=reader.texts.version(document),
        folder=folder,
        language=segment.files[segment.file_of[row]].language,
        kind=segment.kind(row),
        symbol=segment.symbols[row],
        container=shown.container,
        score=ranked.score,
        reasons=ranked.reasons,
        preview=shown.preview,
        matches=tuple(_ranges(shown.lines, spans, shown.range.start.line, reader.encoding)),
        relation=ranked.relation if isinstance(ranked, Related) else None,
        name_range=shown.name_range,
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    """The part of a hit that does not depend on the query."""

    lines: Sequence[str]
    preview: str
    range: TextRange
    name_range: TextRange | None
    container: str

    @staticmethod
    def of(segment: MemorySegment, row: int, start: int, own: int, lines: Sequence[str], encoding: Encoding) -> _Shown:
        """Makes a row's shown form. ``lines`` begin with line ``start``; the first ``own`` lines are the row's."""
        return _Shown(
            lines,
            _clip("".join(lines), PREVIEW_BYTES),
            TextRange(Position(start, 0), _end(start, lines, encoding)),
            _name_range(lines[:own], segment.symbols[row], segment.kind(row), start, encoding),
            ".".join(segment.containers[row]),
        )


def _shown(ref: RowRef, reader: Reader, document: str) -> _Shown | None:
    """Returns the shown form of a row; None if nothing is left of the row."""
    segment, row = ref.view.segment, ref.row
    key = (ref.view.folder, ref.path)
    fresh, edited = reader.overlay.get(key), reader.texts.edited(*key)
    facts = segment.files[segment.file_of[row]]
    if fresh is None and edited is None:
        state = reader.state(ref.view.folder, document, facts)
        if state is not None:
            return _shown_of_file(weakref.ref(segment), row, *key, *state, reader.max_file_bytes, reader.encoding)
    lines = _lines(ref, reader, document, fresh)
    start, own = int(segment.start_lines[row]), _length(segment, row)
    if edited is not None:
        start, own, lines = _moved(edited, start, own, len(lines))
        if not lines:
            return None
    return _Shown.of(segment, row, start, own, lines, reader.encoding)


@lru_cache(maxsize=_MOST_SHOWN)
def _shown_of_file(
    of: weakref.ref[MemorySegment],
    row: int,
    folder: str,
    path: str,
    size: int,
    mtime_ns: int,
    max_bytes: int,
    encoding: Encoding,
) -> _Shown:
    """Returns the shown form of a row, from its file as it is on disk now.

    The result is cached, because a user who types a query gets nearly the same hits after each letter.
    """
    segment = of()
    if segment is None:
        raise RuntimeError("whoever asks for a row holds its segment")
    start = int(segment.start_lines[row])
    of_file = lines_of_state(folder, path, size, mtime_ns, max_bytes)
    lines = _definition(segment, row, of_file[start : start + max(MOST_LINES, _length(segment, row))])
    return _Shown.of(segment, row, start, _length(segment, row), lines, encoding)


def _moved(edited: Edited, start: int, own: int, length: int) -> tuple[int, int, list[str]]:
    """Returns where a row and the lines of its hit are after an edit.

    ``own`` is the number of lines of the row, ``length`` the number of lines of the hit. Returns the first line, the
    number of lines that are the row's, and the lines: at most ``MOST_LINES`` or as many as before, whichever is more,
    and none if nothing is left of the row.
    """
    first, end = edited.span(start, start + max(own, length))
    left = edited.span(start, start + own)[1] - first
    lines = list(edited.lines[first : min(end, first + max(MOST_LINES, own, length))])
    if not any(line.strip() for line in lines[:left]):
        return first, 0, []
    while not lines[-1].strip():
        lines.pop()
    return first, left, lines


def _lines(ref: RowRef, reader: Reader, document: str, fresh: Fresh | None) -> list[str]:
    """Returns the lines of a hit: from the overlay if it has the file, else from the file as it is on disk now."""
    segment, row = ref.view.segment, ref.row
    start = int(segment.start_lines[row])
    if fresh is not None and fresh.text is None:
        return _definition(segment, row, _buffer_lines(fresh.file.chunks, row - _first_row(segment, row)))
    lines: Sequence[str] = ()
    if fresh is not None and fresh.text is not None:
        lines = reader.texts.lines(fresh.text)
    else:
        state = reader.state(ref.view.folder, document, segment.files[segment.file_of[row]])
        if state is not None:
            lines = lines_of_state(ref.view.folder, ref.path, *state, reader.max_file_bytes)
    return _definition(segment, row, lines[start : start + max(MOST_LINES, _length(segment, row))])


def _first_row(segment: MemorySegment, row: int) -> int:
    return int(segment.first_rows[segment.file_of[row]])


def _length(segment: MemorySegment, row: int) -> int:
    return int(segment.end_lines[row] - segment.start_lines[row])


def _buffer_lines(chunks: Sequence[Chunk], number: int) -> list[str]:
    """Returns the lines of a text from a chunk on, as many as a hit may have; lines between chunks are blank."""
    start = chunks[number].start_line
    lines: list[str] = []
    for chunk in chunks[number:]:
        if chunk.start_line - start >= MOST_LINES:
            break
        lines += ["\n"] * (chunk.start_line - start - len(lines))
        lines += split_lines(chunk.code)
    return lines


def _definition(segment: MemorySegment, row: int, lines: Sequence[str]) -> list[str]:
    """Returns the lines of the definition that a row begins, or the row's own lines if it begins none.

    ``lines`` begin with the row's first line. The result has at most ``MOST_LINES``, but all of the row's own lines.
    """
    start, own = int(segment.start_lines[row]), _length(segment, row)
    if not segment.symbols[row] or segment.parts[row] > 0:
        return list(lines[:own])
    end = own
    for follower in range(row + 1, segment.file_rows(int(segment.file_of[row])).stop):
        first = int(segment.start_lines[follower]) - start
        if first >= min(MOST_LINES, len(lines)):
            break
        if _is_inside(segment, row, follower, lines[0], lines[first]):
            end = int(segment.end_lines[follower]) - start
        elif segment.symbols[follower] or not _is_deeper(segment, row, follower):
            break
    kept = list(lines[: max(own, min(end, MOST_LINES))])
    while len(kept) > own and not kept[-1].strip():
        kept.pop()
    return kept


def _is_inside(segment: MemorySegment, row: int, follower: int, line: str, its_line: str) -> bool:
    """Decides whether a later row is a piece or a member of the definition that ``row`` begins.

    ``line`` and ``its_line`` are the first lines of ``row`` and of the later row.
    """
    symbol, crumb = segment.symbols[row], segment.containers[row]
    if segment.symbols[follower] == symbol and segment.containers[follower] == crumb:
        return bool(segment.parts[follower] > 0)
    if segment.containers[follower][: len(crumb) + 1] != (*crumb, symbol):
        return False
    # Methods written outside their type, as in Go and C++, have the same breadcrumb as methods inside it.
    return segment.kind(row) in _UNINDENTED or _indentation(its_line) > _indentation(line)


def _is_deeper(segment: MemorySegment, row: int, follower: int) -> bool:
    crumb = segment.containers[row]
    return bool(segment.containers[follower][: len(crumb)] == crumb)


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _end(start: int, lines: Sequence[str], encoding: Encoding) -> Position:
    if not lines:
        return Position(start, 0)
    last = lines[-1].rstrip("\r\n")
    return Position(start + len(lines) - 1, units(last, encoding))


def _name_range(lines: Sequence[str], symbol: str, kind: str, start: int, encoding: Encoding) -> TextRange | None:
    place = place_of_name(lines, symbol, kind) if symbol else None
    if place is None:
        return None
    number, at = place
    before = units(lines[number][:at], encoding)
    return TextRange(Position(start + number, before), Position(start + number, before + units(symbol, encoding)))


def _clip(text: str, most: int) -> str:
    """Returns the text cut to at most ``most`` bytes of UTF-8, at a line end if one is in the second half."""
    if len(text) * 4 <= most or (text.isascii() and len(text) <= most):
        return text
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= most:
        return text
    cut = encoded[:most].decode("utf-8", "ignore")
    line_end = cut.rfind("\n")
    return cut[: line_end + 1] if line_end > most // 2 else cut


def _ranges(lines: Sequence[str], spans: list[tuple[int, int]], start: int, encoding: Encoding) -> Iterable[TextRange]:
    """Yields spans of offsets in ``lines``, which begin with line ``start``, as ranges. No span crosses a line end."""
    if not spans:
        return
    starts = list(accumulate(map(len, lines), initial=0))
    for first, last in spans:
        number = bisect_right(starts, first) - 1
        before, until = first - starts[number], last - starts[number]
        line = lines[number]
        if not line.isascii():
            before, until = units(line[:before], encoding), units(line[:until], encoding)
        yield TextRange(Position(start + number, before), Position(start + number, until))
