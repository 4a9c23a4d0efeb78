"""Cuts a run of lines into pieces of bounded size, where a reader would cut it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """The maximum size of a piece, in lines and in bytes of UTF-8. A single line is never cut."""

    lines: int
    bytes: int


def pieces(
    lines: Sequence[bytes], starts: Sequence[int], first: int, end: int, bounds: Bounds
) -> Iterator[tuple[int, int]]:
    """Cuts lines ``[first, end)`` into consecutive runs within ``bounds``, without blank lines at their edges.

    ``lines`` are the file's lines, ``starts`` their byte offsets, followed by the file's size. A run that exceeds the
    bounds by up to a fifth stays whole. The cut of a longer run is in the second half of the lines that fit into the
    bounds, before the least indented line, by preference after a blank line.
    """
    while True:
        while first < end and not lines[first].strip():
            first += 1
        while end > first and not lines[end - 1].strip():
            end -= 1
        if first >= end:
            return
        size = starts[end] - starts[first]
        if (end - first) * 5 <= bounds.lines * 6 and size * 5 <= bounds.bytes * 6:
            yield first, end
            return
        cut = _cut(lines, starts, first, end, bounds)
        yield first, _without_blanks(lines, first, cut)
        first = cut


def _without_blanks(lines: Sequence[bytes], first: int, end: int) -> int:
    while end > first + 1 and not lines[end - 1].strip():
        end -= 1
    return end


def _cut(lines: Sequence[bytes], starts: Sequence[int], first: int, end: int, bounds: Bounds) -> int:
    """Returns the line before which to cut; ``first < cut <= end``."""
    allowed = starts[first] + bounds.bytes
    latest = first + 1
    while latest < end and latest - first < bounds.lines and starts[latest + 1] <= allowed:
        latest += 1
    # The first line alone may be longer than allowed.
    best, best_cost = latest, 1 << 30
    for line in range(latest, first + (latest - first) // 2, -1):
        if line >= end:
            continue
        cost = _cost(lines[line], lines[line - 1])
        if cost < best_cost:
            best, best_cost = line, cost
    return best


def _cost(line: bytes, before: bytes) -> int:
    """Returns the cost of a cut before ``line``.

    The cost grows with the line's indentation in columns. It is lower after a blank line, higher if the line closes or
    continues a block, and very high if the line is blank.
    """
    text = line.lstrip(b" \t")
    indentation = len(line) - len(text)
    if line[:1] == b"\t":
        indentation = 4 * (line[:indentation].count(b"\t")) + line[:indentation].count(b" ")
    cost = 2 * min(indentation, 200)
    if not text.strip():
        return cost + 1000
    if not before.strip():
        return cost - 12
    if text[:1] in b"})]" or text.startswith((b"end", b"else", b"elif", b"catch", b"fi", b"done")):
        return cost + 14
    return cost
