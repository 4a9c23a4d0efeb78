"""Shows the progress of the engine's work in one line on standard error, if standard error is a terminal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from conexus.cli import terminal
from conexus.escape import one_line
from conexus.values import Event, Progress

Show = Callable[[], None]

#: Width of a terminal that does not know its own.
_COLUMNS = 80


class LatestProgress:
    """Keeps the latest progress event.

    The engine calls it from its own threads. It needs no lock, because the assignment of one reference is atomic.
    """

    def __init__(self) -> None:
        self.value: Progress | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.value = event


@contextmanager
def progress_line(latest: LatestProgress) -> Iterator[Show]:
    """Yields a function that shows the latest progress. The line is cleared at the end: it is no part of the output."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda: None
        return
    began = time.monotonic()
    shown = ""

    def show() -> None:
        nonlocal shown
        if latest.value is None:
            return
        columns = os.get_terminal_size(sys.stderr.fileno()).columns or _COLUMNS
        # A line as wide as the terminal could go on in the next row, which would not be cleared.
        line = _line(latest.value, int(time.monotonic() - began))[: columns - 1]
        if line != shown:
            shown = line
            terminal.show(line)

    try:
        yield show
    finally:
        if shown:
            terminal.show("")


def _line(progress: Progress, seconds: int) -> str:
    """Returns, for example, ``Indexing: 30% (1200 of 4000), 12 s``."""
    title = one_line(progress.title)
    if progress.total <= 0:
        return f"{title}, {seconds} s"
    percent = 100 * progress.done // progress.total
    return f"{title}: {percent}% ({progress.done} of {progress.total}), {seconds} s"
