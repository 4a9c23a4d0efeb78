"""Writes the command line's output for people: one line at a time, with foreign text escaped."""

from __future__ import annotations

import sys

from conexus.escape import one_line


def say(line: str) -> None:
    """Writes a line of an answer to standard output."""
    print(one_line(line))


def warn(message: str) -> None:
    """Writes a warning or an error to standard error."""
    print(f"conexus: {one_line(message)}", file=sys.stderr)
