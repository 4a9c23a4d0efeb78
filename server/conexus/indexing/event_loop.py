"""Runs a thread that handles posted commands in order, and makes a step after them and at every deadline."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakSet

from conexus.timing import Backoff, Deadline

log = logging.getLogger(__name__)

C = TypeVar("C")
Action = Callable[[], None]

#: Seconds until a failed step is tried again: the first delay and the longest. Each failure doubles the delay.
_FIRST_REST_SECONDS, _LONGEST_REST_SECONDS = 0.1, 10.0


class Loop(Generic[C]):
    """A thread with an inbox. ``post``, ``wake``, ``holds``, ``wait`` and ``stop`` may be called from any thread."""

    def __init__(
        self,
        name: str,
        *,
        start: Callable[[], bool],
        handle: Callable[[C], None],
        in_words: Callable[[C], str],
        step: Action,
        has_news: Callable[[], bool],
        idle: Action,
        failed: Action,
        settled: Callable[[], bool],
    ) -> None:
        """All callables are called from the loop's thread alone.

        ``start``: is called first; False ends the loop. ``handle``: does what a command says. ``in_words``: returns a
        command in words, for the log. ``step``: is called after commands, at a deadline, and when there is news.
        ``has_news``: decides whether ``step`` is to be called at once. ``idle``: is called before each wait.
        ``failed``: is called after a command or step that raised. ``settled``: decides whether a step has nothing to do
        that anyone waits for.
        """
        self._handle, self._in_words = handle, in_words
        self._start, self._step = start, step
        self._news, self._idle, self._failed, self._settled = has_news, idle, failed, settled
        self._changed = threading.Condition()
        self._inbox: deque[tuple[C, bool]] = deque()
        self._busy = True
        self._deadlines: WeakSet[Deadline] = WeakSet()
        #: When a failed step is tried again. Until then only a command has it called.
        self._retry = Backoff(_FIRST_REST_SECONDS, _LONGEST_REST_SECONDS)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.stopping = False

    def begin(self) -> None:
        """Starts the thread."""
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether an awaited command waits or runs, or a step runs that is not for maintenance alone."""
        return self._busy or self.is_awaited

    @property
    def is_awaited(self) -> bool:
        """Whether a command waits that somebody waits for."""
        return any(awaited for _, awaited in self._inbox)

    @property
    def dropped(self) -> list[C]:
        """The commands that were still in the inbox when the loop was stopped."""
        return [command for command, _ in self._inbox] if self.stopping else []

    @property
    def waiting(self) -> bool:
        """Whether a command waits."""
        return bool(self._inbox)

    def watch(self, *deadlines: Deadline) -> None:
        """Has a step made when one of these deadlines is due, for as long as somebody else holds the deadline.

        The loop's thread calls this, and it alone sets the deadlines from then on. A deadline that the step leaves as
        it is calls for no further step.
        """
        self._deadlines.update(deadlines)

    def post(self, command: C, *, awaited: bool = True) -> None:
        """Puts a command into the inbox: it is handled after all commands posted before.

        ``awaited``: whether the loop is ``busy`` until then.
        """
        with self._changed:
            self._inbox.append((command, awaited))
            self._changed.notify_all()

    def wake(self) -> None:
        """Wakes the thread, because there is news."""
        with self._changed:
            self._changed.notify_all()

    def holds(self, condition: Callable[[], bool]) -> bool:
        """Evaluates ``condition`` under the inbox lock, so that no command is between "queued" and "running"."""
        with self._changed:
            return condition()

    def wait(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        """Blocks until ``condition`` holds or the loop ends. Returns whether it holds.

        The condition is evaluated after every step, under the inbox lock. ``timeout`` is in seconds.
        """
        with self._changed:
            self._changed.wait_for(lambda: condition() or self.stopping, timeout)
            return condition()

    def stop(self) -> None:
        """Ends the thread after the commands that it has taken from the inbox and the step that follows them.

        Blocks until then; commands that are still in the inbox are dropped.
        """
        with self._changed:
            self.stopping = True
            self._changed.notify_all()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        if not self._start():
            with self._changed:
                self.stopping = True
                self._changed.notify_all()
            return
        while True:
            # Before the loop counts as idle, so that whoever waits for that finds the present state.
            self._attempt(self._idle, "telling of the state")
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(self._is_due, self._seconds_to_wait())
                if self.stopping:
                    return
                self._busy = self.busy or not self._settled()
                commands, self._inbox = self._inbox, deque()
            while commands:
                # Removed first: while the loop waits, nothing may hold what a command held, such as old segments.
                self._attempt_command(commands.popleft()[0])
            for deadline in self._deadlines:
                deadline.notice()
            if self._attempt(self._step, "an indexing step"):
                self._retry.succeeded()
            else:
                self._retry.failed()

    def _seconds_to_wait(self) -> float | None:
        """Returns the seconds until a step is due without any command or news; None if none will be."""
        if self._retry.next_try.is_set:
            return self._retry.next_try.seconds_left()
        seconds = min((each.seconds_left() for each in self._deadlines if not each.noticed), default=math.inf)
        return seconds if seconds < threading.TIMEOUT_MAX else None

    def _attempt_command(self, command: C) -> None:
        self._attempt(lambda: self._handle(command), self._in_words(command))

    def _attempt(self, action: Action, words: str) -> bool:
        """Calls ``action`` and returns whether it succeeded. ``words`` say what the action is, for the log."""
        try:
            action()
        except Exception:
            # One bad file or event must not end the index: the next scan finds what it concerned.
            log.exception("failed: %s", words)
            if action is not self._failed:
                self._attempt(self._failed, "looking for the cause of a failure")
            return False
        return True

    def _is_due(self) -> bool:
        return self.stopping or bool(self._inbox) or (self._retry.may_try() and self._news())
