"""Finds the outline of a Markdown file, its sections.

Reads the file line by line, because the grammar's scanner crashes on deep nesting.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from conexus.chunking.budget import Budget, TooManyChunks
from conexus.chunking.outline import Definition, Outline

_FENCE = re.compile(rb" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_ATX = re.compile(rb" {0,3}(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?\s*$")
_LONGEST_HEADING = 500
#: Number of lines between two checks of the budget.
_LINES = 4096
_UNDERLINE = re.compile(rb" {0,3}(=+|-{2,})\s*$")
_NO_PARAGRAPH = re.compile(rb"\s*$|\s*(?:[-*+>|#]|\d+[.)])(?:\s|$)|    |\t| {0,3}[|=]")
_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])?")
_CODE_SPAN = re.compile(rb"`(?:[\w$]+(?:\.|::|#))*([A-Za-z_$][\w$]*[?!]?)(?:\(\))?`")
_FRONT_MATTER = re.compile(rb"(?:---|\+\+\+)\s*$")


def outline(data: bytes, lines: Sequence[bytes], starts: Sequence[int], budget: Budget, most: int) -> Outline:
    """Returns the sections, with the titles of the enclosing sections as breadcrumb.

    Raises OverBudget if finding them takes too much time or memory, TooManyChunks if there are more than ``most``.
    References are names in code spans. ``starts`` holds the byte offsets of the lines, followed by the file's size.
    """
    found = Outline()
    enclosing: list[tuple[int, Definition]] = []
    for line, level, title in _headings(lines, budget, most):
        while enclosing and enclosing[-1][0] >= level:
            _close(enclosing.pop()[1], line, starts)
        section = Definition(
            kind="section",
            symbol=title,
            scope=(),
            start_byte=starts[line],
            end_byte=starts[-1],
            start_line=line,
            first_line=line,
            end_line=len(lines),
            breadcrumb=tuple(outer.symbol for _, outer in enclosing),
        )
        found.definitions.append(section)
        enclosing.append((level, section))
    found.references.extend((match.start(1), match[1]) for match in budget.checked(_CODE_SPAN.finditer(data)))
    return found


def _close(section: Definition, line: int, starts: Sequence[int]) -> None:
    section.end_line, section.end_byte = line, starts[line]


def _headings(lines: Sequence[bytes], budget: Budget, most: int) -> list[tuple[int, int, str]]:
    """Returns (line, level, title) of each heading outside of code blocks and front matter."""
    headings: list[tuple[int, int, str]] = []
    fence = b""
    line = _after_front_matter(lines)
    paragraph = False
    while line < len(lines):
        if line % _LINES == 0:
            budget.check()
        if len(headings) > most:
            raise TooManyChunks
        text = lines[line]
        opening = _FENCE.match(text.rstrip())
        if fence:
            bare = text.strip()
            if opening and bare.startswith(fence) and not bare.strip(fence[:1]):
                fence = b""
        elif opening:
            fence, paragraph = opening[1], False
        elif (atx := _ATX.match(text[:_LONGEST_HEADING])) is not None:
            headings.append((line, len(atx[1]), _title(atx[2] or b"")))
            paragraph = False
        elif paragraph and (underline := _UNDERLINE.match(text[:_LONGEST_HEADING])) is not None:
            headings.append((line - 1, 1 if underline[1][:1] == b"=" else 2, _title(lines[line - 1])))
            paragraph = False
        else:
            paragraph = not _NO_PARAGRAPH.match(text)
        line += 1
    return headings


def _after_front_matter(lines: Sequence[bytes]) -> int:
    if lines and _FRONT_MATTER.match(lines[0]):
        for line in range(1, len(lines)):
            if lines[line].rstrip() == lines[0].rstrip():
                return line + 1
    return 0


def _title(text: bytes) -> str:
    title = _LINK.sub(r"\1", text[:300].decode("utf-8", "replace"))
    return " ".join(title.replace("`", "").replace("**", "").split())[:200]
