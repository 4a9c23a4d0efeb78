"""Shows a progress bar on standard error while the engine works, if standard error is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from conexus.values import Event, Progress

Show = Callable[[], None]


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
def progress_bar(latest: LatestProgress) -> Iterator[Show]:
    """Yields a function that updates the bar. The bar is removed at the end, because it is no part of the output."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Starting", total=None)

        def show() -> None:
            if (now := latest.value) is not None:
                bar.update(task, description=now.title, completed=now.done, total=now.total or None)

        yield show
