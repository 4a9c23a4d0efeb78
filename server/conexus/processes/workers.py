"""Starts the worker processes. Light to import, because a server has them start while it loads the engine."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import TypeVar

from conexus.processes.child import begin_child, lower_priority, spawn_context
from conexus.processes.start import started

Given = TypeVar("Given")
Result = TypeVar("Result")

#: Most waiting files that are read without worker processes; if more wait, worker processes read them.
INLINE_FILES = 40
#: Most seconds to wait for the end of all processes, which takes some milliseconds.
_END_SECONDS = 2.0


class WorkerProcesses:
    """Worker processes, which start at the first task or ahead of it."""

    def __init__(self, count: int = 0) -> None:
        """``count``: number of processes; 0 for one for each processor core, but four at most."""
        self.count = count or max(1, min(4, os.cpu_count() or 1))
        self._executor: ProcessPoolExecutor | None = None
        # Ids of the processes whose priority is low already.
        self._gentle: set[int] = set()

    @property
    def running(self) -> bool:
        """Whether the processes were started and not stopped since."""
        return self._executor is not None

    def start_ahead(self, load: Callable[[], None]) -> None:
        """Starts all processes and has each call ``load``, a function of a module, unless they were started."""
        if self._executor is None:
            try:
                self._executor = self._new(load)
                for _ in range(self.count):
                    self.submit(_nothing, None)
            except (OSError, BrokenExecutor):
                self.close()  # a later task raises the error again

    def submit(self, work: Callable[[Given], Result], task: Given) -> Future[Result]:
        """Has a process do a piece of work. ``work`` is a function of a module.

        If a process dies, every future that was submitted before its death was noticed fails.
        """
        if self._executor is None:
            self._executor = self._new(None)
        try:
            future = self._executor.submit(work, task)
        except BrokenExecutor:
            self.close()
            self._executor = self._new(None)
            future = self._executor.submit(work, task)
        except RuntimeError as error:
            self.close()
            raise OSError(errno.EAGAIN, str(error)) from error  # the system starts no thread
        for process in list(self._processes):
            if process not in self._gentle:
                self._gentle.add(process)
                started("worker", process)
                lower_priority(process)
        return future

    def close(self) -> None:
        """Stops the processes; their work is lost. The next task starts new processes."""
        if self._executor is not None:
            executor, processes = self._executor, list(self._processes.values())
            manager: Thread | None = executor._executor_manager_thread  # type: ignore[assignment]
            self._executor = None
            self._gentle.clear()
            executor.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()
            if manager is not None:
                # If Python ends while this thread is ending, the thread may write to a closed pipe: the user would see
                # a traceback.
                manager.join(_END_SECONDS)

    def _new(self, load: Callable[[], None] | None) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self.count, spawn_context(), initializer=_begin, initargs=(load,))

    @property
    def _processes(self) -> Mapping[int, BaseProcess]:
        return self._executor._processes or {} if self._executor is not None else {}


def _begin(load: Callable[[], None] | None) -> None:
    begin_child()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # Where memory is refused, printing a backtrace needs more memory, and native code may hang.
    os.environ["RUST_BACKTRACE"] = "0"
    if load is not None:
        load()


def _nothing(_: None) -> None:
    pass
