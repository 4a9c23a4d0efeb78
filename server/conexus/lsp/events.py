"""Passes the engine's events, which are sent on threads of its own, to the event loop."""

import asyncio
import threading
from collections.abc import Callable, Hashable

from conexus.values import Event, IndexChanged, Progress, SettingsFileChanged, StatusChanged


class EventInbox:
    """Carries events to the event loop. Several waiting events on the same subject are delivered as one, the latest."""

    def __init__(self, loop: asyncio.AbstractEventLoop, handle: Callable[[Event], None]) -> None:
        self._loop = loop
        self._handle = handle
        self._lock = threading.Lock()
        self._waiting: dict[Hashable, Event] = {}

    def put(self, event: Event) -> None:
        """Adds an event. Callable from any thread; returns at once."""
        with self._lock:
            wake = not self._waiting
            key = _subject(event)
            former = self._waiting.get(key)
            if isinstance(event, IndexChanged) and isinstance(former, IndexChanged):
                event = merged(former, event)
            self._waiting[key] = event
        if wake:
            try:
                self._loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:
                return  # the loop is closed: the connection is over

    def _deliver(self) -> None:
        with self._lock:
            events = list(self._waiting.values())
            self._waiting.clear()
        for event in events:
            self._handle(event)


def merged(former: IndexChanged, later: IndexChanged) -> IndexChanged:
    """Returns one event that replaces two."""
    return IndexChanged(later.generation, tuple(dict.fromkeys(former.folders + later.folders)))


def _subject(event: Event) -> Hashable:
    match event:
        case Progress(title=title):
            return title
        case IndexChanged():
            return IndexChanged
        case SettingsFileChanged():
            return event
        case StatusChanged():
            return StatusChanged
