"""Writes the events of this process in a thread, which the first event starts. Nobody waits for a disk."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    # The server records its first events before it is initialized, and what writes them is loaded later.
    from conexus.audit.events import Details, Event, Value

log = logging.getLogger(__name__)

#: Maximum number of events that wait to be written. A batch is written at once and costs one wait for the disk.
MOST_WAITING = 1000
_MOST_IN_BATCH = 200
#: Seconds that ``close`` waits for the disk.
_END_SECONDS = 2.0
#: Tests raise an error for an event that the table does not have. A user's server writes what it can.
_CHECKED = os.environ.get("CONEXUS_CHECK_OWNERS") == "1"

Reason = Literal["queueFull", "notWritten", "crash", "unknown"]


class Place(NamedTuple):
    """Where and how long events are kept."""

    #: The directory of the log, and the directory above it, which is the data directory.
    directory: Path
    #: Name of the command that runs, for example ``serve``.
    command: str
    #: Maximum size of all files, in MiB; maximum age in days.
    mib: int
    days: int


if TYPE_CHECKING:
    #: An event: the time at which it happened, in seconds since the epoch, its name, and its details.
    _Recorded = tuple[float, Event, Details]
    #: What the thread gets: an event, another place from now on, or None for the end.
    _Item = _Recorded | Place | None


class Writer:
    """Queues events and writes them in order. Any thread may call it."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[_Item] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        #: Where the events are written; the thread owns it while it runs. None before ``keep``.
        self._place: Place | None = None
        self._off = False
        self._lost: Counter[Reason] = Counter()
        self._has_warned = False

    def record(self, event: Event, /, **details: Value) -> None:
        """Records an event and returns at once. Before the first ``keep``, events wait.

        ``details`` are as the table of events says (``events.EVENTS``): never code, queries, or paths outside a folder.
        """
        if self._off:
            return
        if _CHECKED:
            from conexus.audit.events import problem

            if wrong := problem(event, details):
                raise TypeError(wrong)
        if self._waiting.qsize() >= MOST_WAITING:
            with self._lock:
                self._lost["queueFull"] += 1
            return
        self._waiting.put((time.time(), event, details))
        if self._thread is None and self._place is not None:
            self._begin()

    def keep(self, place: Place | None) -> None:
        """Has the events from now on written to a place; None: not at all."""
        with self._lock:
            self._off = place is None
            if self._thread is not None:
                if place is not None:
                    self._waiting.put(place)
                return
            self._place = place
            if place is None:
                self._waiting = SimpleQueue()
        if not self._waiting.empty():
            self._begin()

    def close(self, seconds: float = _END_SECONDS) -> None:
        """Has what waits written, and ends the thread. Waits for that, but not longer than ``seconds``."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join(seconds)
            if thread.is_alive():
                log.warning("the last events of the audit log could not be written in time")
        with self._lock:
            self._waiting, self._place, self._off = SimpleQueue(), None, False

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None and self._place is not None:
                self._thread = threading.Thread(
                    target=self._run, args=(self._waiting, self._place), name="conexus-audit", daemon=True
                )
                self._thread.start()

    # --- the thread ---

    def _run(self, waiting: SimpleQueue[_Item], place: Place) -> None:
        while True:
            items = [waiting.get()]
            while len(items) < _MOST_IN_BATCH and not waiting.empty():  # nothing but this thread takes items
                items.append(waiting.get())
            batch: list[_Recorded] = []
            for item in items:
                if item is not None and not isinstance(item, Place):
                    batch.append(item)
                    continue
                self._write(place, batch)
                batch = []
                if item is None:
                    self._write(place, batch, last=True)
                    return
                place = item
            self._write(place, batch)

    def _write(self, place: Place, batch: Sequence[_Recorded], *, last: bool = False) -> None:
        """Writes events, and before them how many others were lost; ``last``: even if there are no events."""
        with self._lock:
            lost = self._lost.copy() if batch or last else Counter[Reason]()
            self._lost -= lost
        if not batch and not lost:
            return
        from conexus.audit.events import Entry, problem

        known = [Entry(*each) for each in batch if not problem(each[1], each[2])]
        lost["unknown"] += len(batch) - len(known)
        now = time.time()
        counts = [Entry(now, "eventsLost", {"count": lost[reason], "reason": reason}) for reason in +lost]
        try:
            from conexus.audit.chain import append  # not before, because filelock is heavy

            append(place, [*counts, *known])
        except Exception as error:  # without this thread, all further events would be lost  # noqa: BLE001
            with self._lock:
                self._lost += lost
                self._lost["notWritten"] += len(known)
            if not self._has_warned:
                self._has_warned = True
                log.warning("the audit log cannot be written (%s); the number of lost events is recorded", error)
        else:
            self._has_warned = False
