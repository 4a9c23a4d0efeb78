"""Colours text on a terminal."""

from __future__ import annotations

import os
from typing import TextIO

PATH, LINE, SYMBOL, MATCH, DIM = "35", "32", "1", "1;31", "2"
_GOOD, _WARNING, _BAD = "32", "33", "31"
LEVELS = {"OK": _GOOD, "WARN": _WARNING, "FAIL": _BAD}


def wants_colour(stream: TextIO) -> bool:
    """Decides whether to write colours: only to a terminal, and not if NO_COLOR is set (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str, colour: bool) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if colour and text else text
