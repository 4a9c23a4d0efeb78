"""Sends what is logged to standard error, where editors read it, with foreign text escaped."""

from __future__ import annotations

import logging
import sys
from types import TracebackType

from conexus.escape import one_line

_Exception = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class EscapingFormatter(logging.Formatter):
    """Writes every record as one line, and an exception below it as indented lines.

    So no name of a file and no message of an exception can forge a record or drive a terminal.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return one_line(super().formatMessage(record))

    def formatException(self, ei: _Exception) -> str:  # noqa: N802 - logging's name
        return "\n".join(f"  {one_line(line)}" for line in super().formatException(ei).splitlines())


def log_to_stderr(level: int, layout: str) -> None:
    """Sends records of ``level`` and above to standard error. ``layout`` is the format of one record."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(EscapingFormatter(layout))
    logging.basicConfig(handlers=[handler], level=level)
