"""pyte's terminal, taught what today's full-screen programs send."""

from __future__ import annotations

import re
from typing import Any

import pyte

#: A control sequence, or a string for the terminal.
_SEQUENCE = re.compile(
    r"\x1b\[(?P<prefix>[<=>?]?)(?P<parameters>[\d;:]*)(?P<between>[ -/]*)(?P<final>[@-~])|\x1b[P_^X].*?(?:\x1b\\|\x07)",
    re.DOTALL,
)
#: The beginning of one, at the end of what was read.
_UNFINISHED = re.compile(r"\x1b(?:\[[ -?]*|[P_^X](?:(?!\x1b\\|\x07).)*)?\Z", re.DOTALL)


class Emulator(pyte.Screen):
    """A screen that eats a program's output."""

    def __init__(self, columns: int, lines: int) -> None:
        super().__init__(columns, lines)
        self._stream = _Stream(self)
        self._rest = ""

    def feed(self, text: str) -> None:
        text = self._rest + text
        if unfinished := _UNFINISHED.search(text):
            text, self._rest = text[: unfinished.start()], unfinished[0]
        else:
            self._rest = ""
        self._stream.feed(_SEQUENCE.sub(_understandable, text))

    def scroll_up(self, count: int | None = None) -> None:
        self._scroll(self.delete_lines, count)

    def scroll_down(self, count: int | None = None) -> None:
        self._scroll(self.insert_lines, count)

    def _scroll(self, move: Any, count: int | None) -> None:
        """Lines are moved at the top of the scrolled region; the cursor stays."""
        place = self.cursor.y, self.cursor.x
        self.cursor.y = self.margins.top if self.margins else 0
        move(count)
        self.cursor.y, self.cursor.x = place


class _Stream(pyte.Stream):
    csi = {  # noqa: RUF012  as pyte has it
        **pyte.Stream.csi,
        "S": "scroll_up",
        "T": "scroll_down",
    }
    events = pyte.Stream.events | {"scroll_up", "scroll_down"}


def _understandable(sequence: re.Match[str]) -> str:
    """What pyte takes for something else is left out: strings, newer keyboard protocols, questions about modes."""
    prefix, parameters, between, final = sequence.group("prefix", "parameters", "between", "final")
    if final is None or between or prefix in {"<", "=", ">"} or (prefix == "?" and final not in "hl"):
        return ""
    if final == "m" and ":" in parameters:
        return f"\x1b[{';'.join(filter(None, map(_plain, parameters.split(';'))))}m"
    return sequence[0]


def _plain(attribute: str) -> str:
    """An attribute with parts, such as `4:3` (a wavy line) and `38:2::255:0:0` (red), in the older way."""
    number, *parts = attribute.split(":")
    if not parts:
        return attribute
    if number == "4":
        return "24" if parts[0] == "0" else "4"
    if number in {"38", "48"}:
        return ";".join([number, parts[0], *[part for part in parts[1:] if part][-3:]])
    return ""
