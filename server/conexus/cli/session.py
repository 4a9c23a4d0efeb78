"""Runs an engine for the time of one command."""

from __future__ import annotations

import argparse
import logging
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from pathlib import Path

from conexus import audit
from conexus.cli.audit import kept
from conexus.cli.progress import LatestProgress, progress_line
from conexus.cli.terminal import warn
from conexus.config import SETTINGS_FILE, Settings, record_changes
from conexus.engine import Engine
from conexus.processes.start import outside_workspace
from conexus.session import Session as IndexSession
from conexus.text.positions import Encoding
from conexus.values import EngineError, Status
from conexus.workspace.settings_file import read_settings_file

_TICK_SECONDS = 0.05
#: Maximum number of problems with settings that are reported one by one. A hostile file has thousands.
_MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Session:
    engine: Engine
    #: The engine's session.
    index: IndexSession
    latest: LatestProgress
    #: What is wrong with the folder's conexus.toml, one sentence each.
    problems: Sequence[str]
    #: Which settings conexus.toml decides, in a sentence for the user; empty for none.
    note: str

    def wait(self) -> Status:
        """Waits, with a progress line, until the index equals the files, and returns the status.

        Raises EngineError if the index cannot be brought up to date.
        """
        with progress_line(self.latest) as show:
            # In short steps, so that the line moves and Ctrl-C works.
            while not self.engine.wait(_TICK_SECONDS):
                show()
                _raise_if_broken(self.index.status())
        status = self.index.status()
        _raise_if_broken(status)
        if not all(part.complete for part in status.folders):
            # The engine names the setting, which here is an option.
            raise EngineError(status.message.replace("Set `allowLargeFolders`", "Use --allow-large-folders"))
        if status.health == "warning":
            warn(status.message)
        return self.status()

    def status(self) -> Status:
        """Returns the engine's status. Its health is no better than a warning if settings were rejected."""
        status = self.index.status()
        if status.health != "ok" or not self.problems:
            return replace(status, message=" ".join(filter(None, (status.message, self.note))))
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        return replace(status, health="warning", message=f"{self.problems[0]}{more}")


@contextmanager
def session(folder: Path, *, limits: argparse.Namespace, encoding: Encoding = Encoding.UTF16) -> Iterator[Session]:
    """Yields a session whose engine has begun to index a folder, with the folder's settings. Closes it at the end.

    ``limits`` are the parsed options of ``add_limit_options``.
    """
    # The engine's log is for people who run a server. Here, the command reports every failure in a sentence.
    logging.getLogger("conexus").addHandler(logging.NullHandler())
    folder = folder.resolve()
    file = read_settings_file(folder)
    settings, problems = file.merged_into(Settings())
    note = file.note(settings)
    for problem in problems[:_MOST_PROBLEMS]:
        warn(problem)
    if len(problems) > _MOST_PROBLEMS:
        warn(f"{len(problems) - _MOST_PROBLEMS} more settings of conexus.toml were rejected")
    latest = LatestProgress()
    # No watcher, because one scan of the files suffices for one command, and later changes do not matter.
    settings = replace(
        settings,
        watcher="off",
        allow_large_folders=limits.allow_large_folders,
        max_file_bytes=limits.max_file_bytes or settings.max_file_bytes,
    )
    options = {"allowLargeFolders": limits.allow_large_folders, "maxFileBytes": limits.max_file_bytes}
    with outside_workspace(), kept(limits.command):
        for problem in problems[:_MOST_PROBLEMS]:
            audit.record("settingRefused", reason=problem)
        record_changes(Settings(), settings, [(SETTINGS_FILE, file.values), ("commandLine", options)])
        engine = Engine(settings)
        index = engine.open_session(encoding=encoding, listener=latest)
        try:
            with _interrupts_for_this_thread_only():
                index.set_folders([folder])
            yield Session(engine, index, latest, problems, note)
        finally:
            engine.close()


@contextmanager
def _interrupts_for_this_thread_only() -> Iterator[None]:
    """Blocks Ctrl-C in the threads that are started inside, and in the processes that these threads start.

    The terminal sends Ctrl-C to all of them, and a process that is still importing would end with a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Started here, because otherwise the first of those threads starts it, which unblocks Ctrl-C in that thread.
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _raise_if_broken(status: Status) -> None:
    if status.health == "error":
        raise EngineError(status.message)
