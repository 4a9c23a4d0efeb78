"""An engine for the time of one command."""

from __future__ import annotations

import argparse
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from pathlib import Path

from conexus.cli.output import warn
from conexus.cli.progress import LatestProgress, progress_bar
from conexus.config import STATIC, Settings, default_data_directory
from conexus.engine import Engine
from conexus.index.directory import index_directory
from conexus.index.stored_index import exists
from conexus.text import Encoding
from conexus.values import EngineError, Status
from conexus.workspace.settings_file import load_file

_TICK_SECONDS = 0.05
#: Problems with settings that are told one by one; a hostile file has thousands.
_MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Session:
    engine: Engine
    latest: LatestProgress

    def wait(self) -> Status:
        """Wait until what is searchable equals the files, with a bar. Raises EngineError if it cannot."""
        with progress_bar(self.latest) as show:
            # In short steps, so that the bar moves and Ctrl-C is heard.
            while not self.engine.wait(_TICK_SECONDS):
                show()
                _raise_if_broken(self.engine.status())
        status = self.engine.status()
        _raise_if_broken(status)
        if not all(part.complete for part in status.folders):
            raise EngineError(status.message)
        if status.health == "warning":
            warn(status.message)
        return status


@contextmanager
def session(folder: Path, *, limits: argparse.Namespace, encoding: Encoding = Encoding.UTF16) -> Iterator[Session]:
    """An engine that has begun to index a folder with the folder's settings; it is closed at the end.

    ``limits`` are the parsed options of ``add_limit_options``.
    """
    # The engine logs for those who run a server; here every failure is said in a sentence by whoever asked.
    logging.getLogger("conexus").addHandler(logging.NullHandler())
    settings, problems = load_file(folder, Settings())
    for problem in problems[:_MOST_PROBLEMS]:
        warn(problem)
    if len(problems) > _MOST_PROBLEMS:
        warn(f"{len(problems) - _MOST_PROBLEMS} more settings of conexus.toml were not taken")
    latest = LatestProgress()
    # One look at the files answers one command; nobody is there to hear of later changes.
    settings = replace(
        settings,
        watcher="off",
        allow_large_folders=limits.allow_large_folders,
        max_file_bytes=limits.max_file_bytes or settings.max_file_bytes,
    )
    engine = Engine(settings, encoding=encoding, listener=latest)
    try:
        with _interrupts_for_this_thread_only():
            engine.start([folder.resolve()])
        yield Session(engine, latest)
    finally:
        engine.close()


@contextmanager
def _interrupts_for_this_thread_only() -> Iterator[None]:
    """Threads begun inside, and the processes that they begin, do not hear Ctrl-C.

    The terminal sends it to all of them; a process that is still importing would die of it with a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Its start, which is else left to the first of those threads, makes that thread hear again.
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def index_of(folder: Path) -> Path | None:
    """The directory of a folder's index, None if the folder was not indexed."""
    # A terminal has no other model than the shipped one: conexus.toml cannot name any.
    directory = index_directory(default_data_directory(), str(folder.resolve()), STATIC)
    return directory if exists(directory) else None


def _raise_if_broken(status: Status) -> None:
    if status.health == "error":
        raise EngineError(status.message)
