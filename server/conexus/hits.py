"""Ranked rows -> hits: reads the text that a row stands for, as it is now, and says where it lies."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from conexus.index.folder import Fresh
from conexus.index.snapshot import RowRef
from conexus.related.relations import Related
from conexus.search.matches import find_matches
from conexus.search.query import Query
from conexus.search.search import Ranked
from conexus.text import Encoding, split_lines, units
from conexus.values import Hit, Position, TextRange
from conexus.workspace.read import Skipped, read_text

#: Bytes of a preview, in UTF-8: what a client shows beside a list.
PREVIEW_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Reader:
    """How hits are made of rows."""

    overlay: Mapping[tuple[str, str], Fresh]
    encoding: Encoding
    max_file_bytes: int
    #: Told of a file that is no longer what was indexed; the hit is still given.
    on_stale: Callable[[str], None]


def hits_of(ranked: Iterable[Ranked | Related], reader: Reader, query: Query | None = None) -> tuple[Hit, ...]:
    """A hit for each ranked row, in order; the words of ``query`` are marked in it."""
    return tuple(_hit(each, reader, query) for each in ranked)


def _hit(ranked: Ranked | Related, reader: Reader, query: Query | None) -> Hit:
    ref, segment, row = ranked.ref, ranked.ref.view.segment, ranked.ref.row
    folder, path = ref.view.folder, ref.path
    fresh = reader.overlay.get((folder, path))
    lines = _lines(ref, reader, fresh)
    start = int(segment.start_lines[row])
    document = os.path.join(folder, path) if folder else path  # noqa: PTH118  a path's cost, twenty times a query
    symbol = segment.symbols[row]
    preview = _clip("".join(lines), PREVIEW_BYTES)
    spans = find_matches(preview, query) if query is not None else []
    return Hit(
        document=document,
        range=TextRange(Position(start, 0), _end(start, lines, reader.encoding)),
        version=fresh.version if fresh is not None else None,
        folder=folder,
        language=segment.files[segment.file_of[row]].language,
        kind=segment.kind(row),
        symbol=symbol,
        container=".".join(segment.breadcrumbs[row]),
        score=ranked.score,
        reasons=ranked.reasons,
        preview=preview,
        matches=tuple(_ranges(preview, spans, start, reader.encoding)),
        relation=ranked.relation if isinstance(ranked, Related) else None,
        name_range=_name_range(lines, symbol, start, reader.encoding),
    )


def _lines(ref: RowRef, reader: Reader, fresh: Fresh | None) -> list[str]:
    """The lines of a chunk: of the buffer that was indexed, or of the file as it is on disk now."""
    segment, row = ref.view.segment, ref.row
    start, end = int(segment.start_lines[row]), int(segment.end_lines[row])
    if fresh is not None:
        ordinal = row - int(segment.first_rows[segment.file_of[row]])
        return split_lines(fresh.file.chunks[ordinal].code)
    facts = segment.files[segment.file_of[row]]
    path = os.path.join(ref.view.folder, facts.path)  # noqa: PTH118  as above
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        reader.on_stale(path)
        return []
    if (status.st_size, status.st_mtime_ns) != (facts.size, facts.mtime_ns):
        reader.on_stale(path)
    return list(_file_lines(path, status.st_size, status.st_mtime_ns, reader.max_file_bytes)[start:end])


@lru_cache(maxsize=256)
def _file_lines(path: str, _size: int, _mtime_ns: int, max_bytes: int) -> tuple[str, ...]:
    # Size and time are part of the key, so that a changed file is read again.
    text = read_text(path, max_bytes)
    return () if isinstance(text, Skipped) else tuple(split_lines(text.text))


def _end(start: int, lines: list[str], encoding: Encoding) -> Position:
    if not lines:
        return Position(start, 0)
    last = lines[-1].rstrip("\r\n")
    return Position(start + len(lines) - 1, units(last, encoding))


def _name_range(lines: list[str], symbol: str, start: int, encoding: Encoding) -> TextRange | None:
    if not symbol:
        return None
    for number, line in enumerate(lines):
        at = line.find(symbol)
        if at >= 0 and not line.lstrip().startswith(("#", "//", "/*", "*", "--", '"""')):
            before = units(line[:at], encoding)
            return TextRange(
                Position(start + number, before), Position(start + number, before + units(symbol, encoding))
            )
    return None


def _clip(text: str, most: int) -> str:
    """The text cut to a number of UTF-8 bytes, at a line end if one is not far."""
    if len(text) * 4 <= most:
        return text
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= most:
        return text
    cut = encoded[:most].decode("utf-8", "ignore")
    line_end = cut.rfind("\n")
    return cut[: line_end + 1] if line_end > most // 2 else cut


def _ranges(preview: str, spans: list[tuple[int, int]], start: int, encoding: Encoding) -> Iterable[TextRange]:
    """Spans of offsets in a text that begins at the beginning of line ``start``, as ranges; none crosses a line end."""
    if not spans:
        return
    lines = split_lines(preview)
    starts = list(accumulate(map(len, lines), initial=0))
    for first, last in spans:
        number = bisect_right(starts, first) - 1
        line, begins = lines[number], starts[number]
        before = units(line[: first - begins], encoding)
        until = before + units(line[first - begins : last - begins], encoding)
        yield TextRange(Position(start + number, before), Position(start + number, until))
