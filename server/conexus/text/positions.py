"""Text as editors see it: lines, and columns in UTF-8, UTF-16 or UTF-32 code units.

Line ends are exactly ``\\n``, ``\\r\\n`` and ``\\r``, as the Language Server Protocol defines them (3.17, "Text
Documents"). `str.splitlines` also ends lines at form feeds and other separators, which would shift every
later line of an open buffer. Offsets are indices into a Python string, that is, code points. Lone
surrogates, which an editor can send, are ordinary code points here.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from enum import StrEnum
from itertools import accumulate


class Encoding(StrEnum):
    """The unit of columns: code units of this encoding. The values are the protocol's names."""

    UTF8 = "utf-8"
    UTF16 = "utf-16"
    UTF32 = "utf-32"


#: Characters at which `str.splitlines` ends a line and the protocol does not.
_FOREIGN_LINE_ENDS = ("\f", "\v", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029")
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


def split_lines(text: str) -> list[str]:
    """Returns the lines of a text with their line ends; joined, they are the text. An empty text has no lines."""
    if any(mark in text for mark in _FOREIGN_LINE_ENDS):
        return _LINE.findall(text)
    return text.splitlines(keepends=True)


def units(text: str, encoding: Encoding) -> int:
    """Returns the length of a text in code units."""
    if encoding is Encoding.UTF32 or text.isascii():
        return len(text)
    if encoding is Encoding.UTF16:
        return len(text) + len(_ASTRAL.findall(text))
    return len(text.encode("utf-8", "surrogatepass"))


def index_of_column(line: str, column: int, encoding: Encoding) -> int:
    """Returns the index into a line that corresponds to a column.

    A column past the end gives the place before the line end, a column inside a character gives the character's
    start, and a negative column gives 0.
    """
    if column <= 0:
        return 0
    end = len(line)
    if line.endswith("\n"):
        end -= 1
    if line.endswith("\r", 0, end):
        end -= 1
    if encoding is Encoding.UTF32 or line.isascii():
        return min(column, end)
    if encoding is Encoding.UTF16:
        return min(_index_of_utf16(line, column), end)
    # Every code point takes at least one byte, so bytes past the column need not be encoded.
    encoded = line[: min(column, end)].encode("utf-8", "surrogatepass")
    if column < len(encoded):
        while encoded[column] & 0xC0 == 0x80:  # a continuation byte: the character began further left
            column -= 1
        encoded = encoded[:column]
    return len(encoded.decode("utf-8", "surrogatepass"))


def _index_of_utf16(line: str, column: int) -> int:
    pairs_before = 0
    for match in _ASTRAL.finditer(line, 0, min(column, len(line))):
        if column <= match.start() + pairs_before:
            break
        pairs_before += 1  # also if the column is inside the pair: the result is then the pair's start
    return column - pairs_before


class LineIndex:
    """A text with its lines; immutable, and cheap to edit.

    It stores the lines separately, so that an edit copies a list of references and not the text, and joins
    them only when the text is requested. The last line never has a line end: the text ``"a\\n"`` has the
    lines ``"a\\n"`` and ``""``.
    """

    __slots__ = ("_lines", "_starts", "_text")

    def __init__(self, text: str) -> None:
        self._text: str | None = text
        self._lines: list[str] | None = None
        self._starts: list[int] | None = None

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = "".join(self._all_lines())
        return self._text

    @property
    def line_count(self) -> int:
        """The number of lines, at least 1."""
        return len(self._all_lines())

    def line(self, number: int) -> str:
        """Returns the line with its line end, or an empty string if there is no such line."""
        lines = self._all_lines()
        return lines[number] if 0 <= number < len(lines) else ""

    def offset(self, line: int, column: int, encoding: Encoding) -> int:
        """Returns the code-point offset of a position; a position outside the text is clamped to the nearest place."""
        line, index = self._place(line, column, encoding)
        return self._line_starts()[line] + index

    def position(self, offset: int, encoding: Encoding) -> tuple[int, int]:
        """Returns the (line, column) of a code-point offset.

        An offset outside the text is clamped; an offset in the middle of ``\\r\\n`` gives the place before it.
        """
        starts = self._line_starts()
        line = bisect_right(starts, max(offset, 0)) - 1
        text = self._all_lines()[line]
        index = index_of_column(text, offset - starts[line], Encoding.UTF32)
        return line, units(text[:index], encoding)

    def edit(
        self,
        start_line: int,
        start_column: int,
        end_line: int,
        end_column: int,
        new_text: str,
        encoding: Encoding,
    ) -> LineIndex:
        """Returns the text with a range replaced by ``new_text``.

        Positions are clamped as by `offset`; the ends of a reversed range are swapped.
        """
        start, end = sorted(
            (self._place(start_line, start_column, encoding), self._place(end_line, end_column, encoding))
        )
        lines = self._all_lines()
        first, last = start[0], end[0]
        replaced = lines[first][: start[1]] + new_text + lines[last][end[1] :]
        # The new first line may complete a `\r\n` that began on the line before.
        if first > 0 and replaced.startswith("\n") and lines[first - 1].endswith("\r"):
            first -= 1
            replaced = lines[first] + replaced
        pieces = split_lines(replaced)
        if last == len(lines) - 1:
            _close(pieces)
        edited = LineIndex.__new__(LineIndex)
        edited._text = None
        edited._lines = [*lines[:first], *pieces, *lines[last + 1 :]]
        edited._starts = None
        return edited

    def _place(self, line: int, column: int, encoding: Encoding) -> tuple[int, int]:
        lines = self._all_lines()
        if line < 0:
            return 0, 0
        if line >= len(lines):
            return len(lines) - 1, len(lines[-1])
        return line, index_of_column(lines[line], column, encoding)

    def _all_lines(self) -> list[str]:
        if self._lines is None:
            lines = split_lines(self.text)
            _close(lines)
            self._lines = lines
        return self._lines

    def _line_starts(self) -> list[int]:
        if self._starts is None:
            self._starts = list(accumulate(map(len, self._all_lines()[:-1]), initial=0))
        return self._starts


def _close(lines: list[str]) -> None:
    if not lines or lines[-1].endswith(("\n", "\r")):
        lines.append("")
