"""Runs LanceDB in child processes: the store process, which writes tables, and the candidates process, which searches.

LanceDB takes seconds to import and some 200 MB. So the server neither waits for it nor grows with it, and a fault in
native code ends such a process alone.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from pathlib import Path

from conexus import limits
from conexus.limits import Limit
from conexus.processes.child import lower_priority, spawn_context
from conexus.processes.memory import private_bytes
from conexus.processes.start import ended_by_force, started
from conexus.storage.lance.requests import Answer, Answered, CloseTables, Failed, Request
from conexus.storage.lance.server import serve
from conexus.storage.lance.tables import StoreError

log = logging.getLogger(__name__)

#: Seconds between two looks at the memory of a process that is at work.
_WATCH_SECONDS = 0.25
#: Seconds without a request after which the process ends.
_IDLE_SECONDS = 20.0
#: Most seconds that a process may take to end.
_GRACE_SECONDS = 20.0


class ShutDown(Exception):
    """The server is shutting down: the process had not answered a request yet and was killed, or is not started."""


class NeedsMemory(StoreError):
    """A process used more memory than it may, and was ended."""


class LanceProcess:
    """Sends requests to a process that runs LanceDB: the store process, or the candidates process.

    The first request starts the process. Any thread may call it.
    """

    def __init__(self, name: str = "store", *, low_priority: bool = True) -> None:
        """``name`` is ``store`` or ``candidates``: errors, the log and the system name the process by it.

        ``low_priority``: whether the process has low priority, because no one waits for it.
        """
        self._name = name
        #: The memory that the process may use, in MiB; 0: any. Set by any thread, for the next requests.
        self.memory_mib = 0
        self._low_priority = low_priority
        #: Held during a request: requests are answered one after the other.
        self._lock = threading.Lock()
        #: The process, if it runs. Changed under ``_lock`` alone.
        self._child: _Child | None = None
        #: When the latest request ended, in seconds on the monotonic clock.
        self._used_at = 0.0
        self._shut_down = False

    @property
    def running(self) -> bool:
        """Whether the process runs, so that a request does not wait for its start."""
        return self._child is not None

    def ask(self, request: Request[Answer]) -> Answer:
        """Returns the answer to a request. Blocks until there is one, at most ``request.TIMEOUT_SECONDS``.

        Raises StoreError if the request fails, or if the process ends or takes too long; it is killed then, and the
        next request starts another one. Raises ShutDown after ``kill_if_starting``.
        """
        with self._lock:
            try:
                outcome = self._exchange(request)
            finally:
                self._used_at = time.monotonic()
        if isinstance(outcome, Failed):
            raise StoreError(outcome.message)
        answer: Answer = outcome.answer
        return answer

    def close_tables(self, directory: Path) -> None:
        """Closes the tables of an index directory, so that they can be removed. Starts no process."""
        if self.running:
            # If the request fails, the process has ended, and no process has the tables open.
            with contextlib.suppress(StoreError, ShutDown):
                self.ask(CloseTables(directory))

    def close_if_idle(self) -> None:
        """Ends the process if it had no request for ``_IDLE_SECONDS``. The next request starts another one."""
        if self.running and time.monotonic() - self._used_at > _IDLE_SECONDS and self._lock.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._lock.release()

    def kill_if_starting(self) -> None:
        """Kills the process unless it has answered a request: the server's end would wait for it to import LanceDB.

        Requests raise ShutDown from then on. The next start of the server stores what they would have stored.
        """
        child = self._child
        if child is not None and child.has_answered:
            return
        # In this order, because a process may be starting now: ``_exchange`` sets ``_child`` first, then it looks.
        self._shut_down = True
        child = self._child
        if child is not None:
            child.kill("the server ended while it started")

    def close(self) -> None:
        """Ends the process after its present request."""
        with self._lock:
            self._end()

    def _exchange(self, request: Request[Answer]) -> Answered | Failed:
        if self._shut_down:
            raise ShutDown
        child = self._child
        try:
            if child is None:
                child = self._child = _Child(self._name, low_priority=self._low_priority)
            if self._shut_down:
                raise ShutDown
            outcome = child.exchange(request, request.TIMEOUT_SECONDS, self.memory_mib << 20)
        except BaseException as error:
            # The connection may hold a part of a message, so the process is of no use any more.
            if child is not None:
                child.kill("")
                self._end()
            if not isinstance(error, (OSError, EOFError)):
                raise
            if self._shut_down:
                raise ShutDown from error
            if child is not None and child.grew:
                limits.hit(Limit.STORE_MEMORY)
                raise NeedsMemory(
                    f"the {self._name} process needed more than {self.memory_mib} MiB and was ended"
                    " (see `storeMemoryMib`)"
                ) from error
            if isinstance(error, TimeoutError):
                log.error("the %s process did not answer `%s` and is ended", self._name, type(request).__name__)
                raise StoreError(f"the {self._name} process did not answer") from error
            raise StoreError(f"the {self._name} process ended") from error
        if child.killed:
            # The time ran out while the answer was received.
            self._end()
        return outcome

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()


class _Child:
    """One process, from its start to its end. The thread that holds ``LanceProcess._lock`` owns it."""

    def __init__(self, name: str, *, low_priority: bool) -> None:
        """Starts the process. Raises OSError if that fails."""
        self._name = name
        context = spawn_context()
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), name=f"conexus-{name}", daemon=True)
        try:
            self._process.start()
        except BaseException:
            self._connection.close()
            raise
        finally:
            theirs.close()
        self._name = name
        started(name, self._process.pid or 0)
        if low_priority:
            lower_priority(self._process.pid or 0)
        #: Whether the process has answered a request; whether it was killed. Any thread may read them.
        self.has_answered = False
        self.killed = False
        #: Whether it was killed because it used too much memory.
        self.grew = False

    def exchange(self, request: Request[Answer], seconds: float, memory: int) -> Answered | Failed:
        """Sends a request and receives its outcome. The process is killed after ``seconds``, whatever it does then.

        It is killed, too, if it uses more than ``memory`` bytes; 0: any number. Raises TimeoutError if it was killed,
        OSError or EOFError if it ended.
        """
        # A thread that kills the process, because neither sending to a full pipe nor receiving has a time-out.
        done = threading.Event()
        watch = threading.Thread(target=self._watch, args=(done, seconds, memory), daemon=True)
        watch.start()
        try:
            self._connection.send(request)
            outcome: Answered | Failed = self._connection.recv()
        except (OSError, EOFError) as error:
            if self.killed:
                raise TimeoutError from error
            raise
        finally:
            done.set()
            watch.join()
        self.has_answered = True
        return outcome

    def _watch(self, done: threading.Event, seconds: float, memory: int) -> None:
        """Kills the process if ``seconds`` pass before ``done``, or if it uses more than ``memory`` bytes."""
        end = time.monotonic() + seconds
        while not done.wait(min(_WATCH_SECONDS, max(0.0, end - time.monotonic()))):
            if memory and private_bytes(self._process.pid) > memory:
                self.grew = True
                self.kill("used too much memory")
                return
            if time.monotonic() >= end:
                self.kill("took too long")
                return

    def kill(self, reason: str) -> None:
        """Kills the process. Any thread may call it. ``reason``: for the audit log; empty if it has ended."""
        if reason:
            ended_by_force(self._name, self._process.pid or 0, reason)
        self.killed = True
        self._process.kill()

    def end(self) -> None:
        """Closes the connection, upon which the process ends, and waits for its end. A process that goes on is killed.

        Returns also if the system cannot end the process, for example while a dead disk keeps it.
        """
        self._connection.close()
        self._process.join(_GRACE_SECONDS)
        if self._process.is_alive():
            ended_by_force(self._name, self._process.pid or 0, "did not end")
            self._process.kill()
            self._process.join(_GRACE_SECONDS)
