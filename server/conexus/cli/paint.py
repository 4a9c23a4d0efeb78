"""Colours, and text from files made fit for a terminal."""

from __future__ import annotations

import os
import re
from typing import TextIO

PATH, LINE, SYMBOL, MATCH, DIM = "35", "32", "1", "1;31", "2"
_GOOD, _WARNING, _BAD = "32", "33", "31"
LEVELS = {"OK": _GOOD, "WARN": _WARNING, "FAIL": _BAD}

#: Control characters, which could drive the terminal, and marks that reverse the direction of what follows,
#: which could show other code than there is (CVE-2021-42574, "Trojan Source").
_UNFIT = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def wants_colour(stream: TextIO) -> bool:
    """Colour goes only to a terminal, and not where NO_COLOR is set (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str, colour: bool) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if colour and text else text


def printable(text: str) -> str:
    """One line of text in which every character that could drive a terminal is written as an escape."""
    return _UNFIT.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
