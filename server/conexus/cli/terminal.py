"""Writes to the terminal: lines with foreign text escaped, and colours."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from conexus.escape import one_line

PATH, LINE, SYMBOL, MATCH, DIM = "35", "32", "1", "1;31", "2"
_GOOD, _WARNING, _BAD = "32", "33", "31"
_CLEAR = "\r\x1b[K"
LEVELS = {"OK": _GOOD, "WARN": _WARNING, "FAIL": _BAD}


def say(line: str) -> None:
    """Writes a line of an answer to standard output."""
    print(one_line(line))


def warn(message: str) -> None:
    """Writes a warning or an error to standard error."""
    print(f"conexus: {one_line(message)}", file=sys.stderr)


def show(line: str) -> None:
    """Shows an unfinished line on standard error, in the place of the one before; an empty line clears it.

    The caller has made sure that standard error is a terminal.
    """
    print(f"{_CLEAR}{one_line(line)}", end="", file=sys.stderr, flush=True)


def wants_colour(stream: TextIO) -> bool:
    """Decides whether to write colours: only to a terminal, and not if NO_COLOR is set (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str, colour: bool) -> str:
    """Returns the text in a style, or as it is without colours."""
    return f"\x1b[{style}m{text}\x1b[0m" if colour and text else text
