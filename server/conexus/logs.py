"""Sends what is logged to standard error, where editors read it. Foreign text is escaped, private text left out."""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from pathlib import PurePath
from types import TracebackType

from conexus.escape import one_line
from conexus.isolation import workspaces

#: With this variable set, exceptions are logged with their messages and whole tracebacks, and paths as they are.
DEBUG_VARIABLE = "CONEXUS_DEBUG"

_Exception = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
#: An absolute path, with or without quotes. Without quotes it ends at the first blank.
_PATH = re.compile(
    r"""(?P<quote>['"`])(?P<quoted>(?:/|[A-Za-z]:[\\/]|\\\\)[^\n]*?)(?P=quote)"""
    r"""|(?<![\w./<>)\]-])(?P<bare>(?:/|[A-Za-z]:[\\/]|\\\\)[^\s'"`:;,]+)"""
)
_ELSEWHERE = "(a path outside the workspace)"
_MOST_FRAMES = 8


class EscapingFormatter(logging.Formatter):
    """Writes every record as one line, and an exception below it as indented lines.

    So no name of a file and no message of an exception can forge a record or drive a terminal. By default the log has
    no path outside the workspaces. Of an exception it has the type and the places in the code, because the message may
    hold anything: a line of the user's code, a query, a path.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        line = super().formatMessage(record)
        return one_line(line if _is_debugging() else without_foreign_paths(line))

    def formatException(self, ei: _Exception) -> str:  # noqa: N802 - logging's name
        lines = super().formatException(ei).splitlines() if _is_debugging() else [_in_short(ei[1])]
        return "\n".join(f"  {one_line(line)}" for line in lines)


def without_foreign_paths(text: str) -> str:
    """Returns the text with each absolute path that is below no workspace folder replaced."""

    def shown(found: re.Match[str]) -> str:
        path = found["quoted"] or found["bare"]
        return found[0] if any(PurePath(path).is_relative_to(folder) for folder in workspaces()) else _ELSEWHERE

    return _PATH.sub(shown, text)


def _in_short(error: BaseException | None) -> str:
    """Returns the exception and what caused it as one line: types and places in the code, the innermost first."""
    parts: list[str] = []
    while error is not None and len(parts) < _MOST_FRAMES:
        frames = reversed(traceback.extract_tb(error.__traceback__))
        places = [f"{PurePath(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames][:_MOST_FRAMES]
        number = f" [{error.strerror}]" if isinstance(error, OSError) and error.strerror else ""
        parts.append(f"{type(error).__name__}{number} at {' < '.join(places) or 'an unknown place'}")
        error = error.__cause__
    return "; because of ".join(parts) + f" (set {DEBUG_VARIABLE} for more)"


def _is_debugging() -> bool:
    return bool(os.environ.get(DEBUG_VARIABLE))


def log_to_stderr(level: int, layout: str) -> None:
    """Sends records of ``level`` and above to standard error. ``layout`` is the format of one record."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(EscapingFormatter(layout))
    logging.basicConfig(handlers=[handler], level=level)
