"""Prints the hits of an answer: a line as grep writes it (``path:line: …``), then some lines of the code; or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from os.path import relpath
from pathlib import Path
from typing import TextIO

from conexus.cli.json_output import answer_value, dump
from conexus.cli.terminal import DIM, LINE, MATCH, PATH, SYMBOL, paint, wants_colour, warn
from conexus.escape import one_line
from conexus.text.positions import split_lines
from conexus.values import Answer, Hit

_TAB = 4
_WIDEST = 200


def print_answer(answer: Answer, folder: Path, *, as_json: bool, preview: int, output: TextIO) -> None:
    """Prints an answer. ``folder`` is the searched folder as the user named it.

    ``preview`` is the number of lines to show of each hit.
    """
    if as_json:
        output.write(dump(answer_value(answer)))
        return
    if answer.index.degraded:
        warn(answer.index.degraded)
    if not answer.hits:
        warn("nothing was found" if answer.index.total_files else f"nothing was found: {folder} has no files to search")
    colour = wants_colour(output)
    for number, hit in enumerate(answer.hits):
        if number and preview:
            output.write("\n")
        output.writelines(f"{line}\n" for line in hit_lines(hit, folder, preview=preview, colour=colour))


def hit_lines(hit: Hit, folder: Path, *, preview: int, colour: bool) -> Iterator[str]:
    """Yields a hit as lines without line ends. ``folder`` is the searched folder as the user named it.

    The columns of the hit count code points, because the session's encoding is UTF-32.
    """
    path = paint(one_line(_shown_path(hit, folder)), PATH, colour)
    line = paint(str(hit.range.start.line + 1), LINE, colour)
    what = " ".join(word for word in (_named(hit.relation), hit.kind, _name(hit, colour)) if word)
    why = paint(f"[{one_line(', '.join(hit.reasons))}]", DIM, colour) if hit.reasons else ""
    yield f"{path}:{line}: {what}  {why}".rstrip()
    for number, text in _preview_lines(hit, preview):
        yield f"  {paint(f'{number + 1:>5}', DIM, colour)}  {_marked(hit, number, text, colour)}"


def _shown_path(hit: Hit, folder: Path) -> str:
    # As in grep, the path begins with the folder as the user named it, so that an editor can open the printed path.
    return str(folder / relpath(hit.document, folder.resolve()))


def _named(relation: str | None) -> str:
    return f"{relation}:" if relation else ""


def _name(hit: Hit, colour: bool) -> str:
    if not hit.symbol:
        return ""
    container = f" in {one_line(hit.container)}" if hit.container else ""
    return paint(one_line(hit.symbol), SYMBOL, colour) + container


def _preview_lines(hit: Hit, count: int) -> Iterator[tuple[int, str]]:
    """Yields (number, text) of the first ``count`` non-blank lines of a hit; numbers count from 0.

    If none of these lines has a match, the first line with a match takes the place of the last of them.
    """
    shown = [
        (number, text)
        for number, text in enumerate((line.rstrip("\r\n") for line in split_lines(hit.preview)), hit.range.start.line)
        if text.strip()
    ]
    matched = {match.start.line for match in hit.matches}
    head, rest = shown[:count], shown[count:]
    if head and not any(number in matched for number, _ in head):
        further = next((row for row in rest if row[0] in matched), None)
        head = [*head[:-1], further] if further else head
    yield from head


def _marked(hit: Hit, number: int, text: str, colour: bool) -> str:
    """Returns the line with its matches painted. A very long line is cut."""
    line, end = "", 0
    for match in sorted(hit.matches, key=lambda span: (span.start.line, span.start.column)):
        if match.start.line == match.end.line == number and end <= match.start.column < _WIDEST:
            line += _plain(text[end : match.start.column])
            end = match.end.column
            line += paint(_plain(text[match.start.column : end]), MATCH, colour)
    return line + _plain(text[end : max(end, _WIDEST)]) + ("…" if len(text) > max(end, _WIDEST) else "")


def _plain(text: str) -> str:
    return one_line(text).replace("\t", " " * _TAB)
