"""Lays out a file: assigns every non-blank line to exactly one chunk."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, groupby

from conexus import limits
from conexus.chunking import markdown
from conexus.chunking.budget import Budget, OverBudget, TooManyChunks
from conexus.chunking.chunk import Chunk
from conexus.chunking.documentation import string_text
from conexus.chunking.languages import LANGUAGES
from conexus.chunking.outline import WHOLE, Definition, Outline, outline
from conexus.chunking.splitting import Bounds, pieces
from conexus.limits import Limit

_TEXT = Bounds(lines=40, bytes=1500)

# Larger files, and files that consist mostly of one longer line, were not written by hand: their definitions help
# nobody.
_MOST_BYTES = 2_000_000
_LONG_LINE = 5_000

# Larger files that consist mostly of brackets and quotes were not written by hand either, and their nesting takes some
# parsers minutes. A quarter of code is punctuation.
_FEW_BYTES = 16_000
_MOST_PUNCTUATION = 0.45
_NO_PUNCTUATION = bytes(byte for byte in range(256) if byte > 127 or chr(byte).isalnum() or chr(byte) in "_ \t\r\n")

_LONE_RETURN = re.compile(rb"\r(?!\n)")

_MOST_REFERENCES = 200
_LONGEST_NAME = 100

# Lines that say nothing by themselves stay with the lines before them: brackets, `end`, `} // namespace x`.
_CLOSER = re.compile(
    rb"\s*(?:[^\w\s]*|(?:end|fi|done|esac|endif|else|public|private|protected)\b[^\w]*"
    rb"|(?:[})\]]+|end\b|#\s*endif\b|\?>)[;,)]*\s*(?:(?://|/\*|#|--).*)?)\s*",
    re.DOTALL,
)
_MOST_CLOSERS = 6
_LONGEST_CLOSER = 200

_MOST_HEADER_LINES = 2
_OPENERS = (b"{", b"(", b"[")

# Number of lines above which a head that is mostly documentation is cut.
_LONG_HEAD = 40
_LEAST_LINES_OF_PIECE = 8


@dataclass(slots=True)
class _Segment:
    """Consecutive lines with one owner. ``owner`` is the index of a definition, or -1 for none."""

    owner: int
    first: int
    end: int
    #: Whether this is the first segment of its owner.
    head: bool = False


def chunks(text: str, language: str, most: int) -> list[Chunk]:
    """Returns the chunks of a text. ``language`` is a canonical name.

    If there are more than ``most``, or finding them takes too much time or memory, the chunks are runs of lines: the
    text stays searchable. Raises TooManyChunks if these are more than ``most``, too.
    """
    # Lone surrogates are not valid UTF-8, but an editor may send them.
    data = text.encode("utf-8", "surrogatepass")
    lines = data.splitlines(keepends=True)
    starts = [0, *accumulate(map(len, lines))]
    budget = Budget(len(data))
    try:
        return _laid_out(data, lines, starts, _outline(data, lines, starts, language, budget, most), budget, most)
    except TooManyChunks:
        limits.hit(Limit.CHUNKS_OF_FILE)
    except (OverBudget, MemoryError):
        limits.hit(Limit.WORKER_MEMORY)
    return _laid_out(data, lines, starts, Outline(), None, most)


def _laid_out(
    data: bytes, lines: list[bytes], starts: list[int], found: Outline, budget: Budget | None, most: int
) -> list[Chunk]:
    if len(found.definitions) > most:
        raise TooManyChunks
    owners = _owners(len(lines), found.definitions)
    _take_docstrings(data, starts, owners, found)
    segments = _without_bare_headers(lines, _segments(lines, owners), found.definitions)
    if budget is not None:
        budget.check()
    return _emit(data, lines, starts, segments, found, budget, most)


def _outline(data: bytes, lines: list[bytes], starts: list[int], language: str, budget: Budget, most: int) -> Outline:
    if language not in LANGUAGES or not _is_written_by_hand(data, lines):
        return Outline()
    if language == "markdown":
        return markdown.outline(data, lines, starts, budget, most)
    # The grammars treat a lone carriage return as a blank.
    return outline(_LONE_RETURN.sub(b"\n", data) if b"\r" in data else data, starts, language, budget)


def _is_written_by_hand(data: bytes, lines: list[bytes]) -> bool:
    if not data or len(data) > _MOST_BYTES or b"\0" in data:
        return False
    if len(data) > _FEW_BYTES and len(data.translate(None, _NO_PUNCTUATION)) > _MOST_PUNCTUATION * len(data):
        return False
    longest = max(map(len, lines))
    return longest <= _LONG_LINE or 2 * longest < len(data)


def _owners(count: int, definitions: list[Definition]) -> list[int]:
    """Returns, for each line, the index of the innermost definition that contains it, or -1."""
    owners = [-1] * count
    for index, definition in enumerate(definitions):
        start, end = definition.start_line, definition.end_line
        owners[start:end] = [index] * (end - start)
    return owners


def _take_docstrings(data: bytes, starts: list[int], owners: list[int], found: Outline) -> None:
    for start, end in found.docstrings:
        owner = owners[bisect_right(starts, start) - 1]
        if owner >= 0 and not found.definitions[owner].documentation:
            found.definitions[owner].documentation = string_text(data[start:end].decode("utf-8", "replace"))


def _segments(lines: list[bytes], owners: list[int]) -> list[_Segment]:
    segments: list[_Segment] = []
    seen = {-1}
    first = 0
    for owner, group in groupby(owners):
        end = first + len(list(group))
        start, first = first, end
        while start < end and not lines[start].strip():
            start += 1
        if start == end:
            continue
        if owner in seen and segments and _says_nothing(lines, start, end):
            segments[-1].end = end
        else:
            segments.append(_Segment(owner, start, end, head=owner not in seen))
        seen.add(owner)
    return segments


def _says_nothing(lines: list[bytes], start: int, end: int) -> bool:
    return end - start <= _MOST_CLOSERS and all(
        len(line) <= _LONGEST_CLOSER and _CLOSER.fullmatch(line) for line in lines[start:end]
    )


def _without_bare_headers(
    lines: list[bytes], segments: list[_Segment], definitions: list[Definition]
) -> list[_Segment]:
    """Joins lines such as ``impl Foo {`` and ``export default {``, which are of no use alone, to the next member."""
    kept: list[_Segment] = []
    pending: _Segment | None = None
    for segment in segments:
        if pending is not None:
            if segment.first - pending.end <= 1:
                segment.first = pending.first
            else:
                kept.append(pending)
            pending = None
        if _is_bare_header(lines, segment, definitions):
            pending = segment
        else:
            kept.append(segment)
    if pending is not None:
        kept.append(pending)
    return kept


def _is_bare_header(lines: list[bytes], segment: _Segment, definitions: list[Definition]) -> bool:
    if segment.end - segment.first > _MOST_HEADER_LINES:
        return False
    if not segment.head:
        return lines[segment.end - 1].rstrip().endswith(_OPENERS)
    definition = definitions[segment.owner]
    return definition.scope_only and not definition.documentation and segment.end < definition.end_line


def _emit(
    data: bytes,
    lines: list[bytes],
    starts: list[int],
    segments: list[_Segment],
    found: Outline,
    budget: Budget | None,
    most: int,
) -> list[Chunk]:
    chunks: list[Chunk] = []
    references = sorted(found.references)
    reference = 0
    parts: dict[int, int] = {}
    for segment in segments if budget is None else budget.checked(segments):
        definition = found.definitions[segment.owner] if segment.owner >= 0 else None
        part = parts.get(segment.owner, 0) if definition else 0
        for first, end in _pieces(lines, starts, segment, definition):
            stop = starts[end]
            begin = reference
            while reference < len(references) and references[reference][0] < stop:
                reference += 1
            symbol = definition.symbol if definition else ""
            if len(chunks) == most:
                raise TooManyChunks
            chunks.append(
                Chunk(
                    start_line=first,
                    end_line=end,
                    kind=definition.kind if definition and symbol else "text",
                    symbol=symbol,
                    breadcrumb=definition.breadcrumb if definition else (),
                    documentation=definition.documentation
                    if definition and first <= definition.first_line < end
                    else "",
                    code=data[starts[first] : stop].decode("utf-8", "surrogatepass"),
                    references=_names(references[begin:reference], symbol),
                    part=part,
                )
            )
            part += 1
        parts[segment.owner] = part
    return chunks


def _pieces(
    lines: list[bytes], starts: list[int], segment: _Segment, definition: Definition | None
) -> Iterator[tuple[int, int]]:
    if definition is None:
        yield from pieces(lines, starts, segment.first, segment.end, _TEXT)
        return
    first = segment.first
    own = segment.end - definition.first_line
    if segment.head and segment.end - first > max(_LONG_HEAD, 3 * own):
        # Pages of documentation above a few lines of code are cut off, so that a search for the code shows the code.
        latest = definition.first_line
        cut = min(latest, max(segment.end - max(_LONG_HEAD, 3 * own), first + _LEAST_LINES_OF_PIECE))
        yield from pieces(lines, starts, first, cut, WHOLE)
        first = cut
    yield from pieces(lines, starts, first, segment.end, WHOLE)


def _names(references: list[tuple[int, bytes]], symbol: str) -> tuple[str, ...]:
    names = dict.fromkeys([name for _, name in references])
    names.pop(symbol.encode("utf-8", "replace"), None)
    kept = [name.decode("utf-8", "replace") for name in names if 2 <= len(name) <= _LONGEST_NAME]
    return tuple(kept[:_MOST_REFERENCES])
