"""Sends the notifications that a client requested in its experimental capabilities."""

from collections.abc import Callable

from conexus.lsp import convert, types
from conexus.lsp.events import merged
from conexus.lsp.protocol import Protocol
from conexus.lsp.throttle import Throttle
from conexus.values import IndexChanged

#: Seconds between two notifications `conexus/indexChanged`: at most two are sent per second.
_INDEX_CHANGED_SECONDS = 0.5


class Announcer:
    def __init__(
        self, protocol: Protocol, *, wants_index: Callable[[], bool], wants_status: Callable[[], bool]
    ) -> None:
        self._protocol = protocol
        self._wants_index = wants_index
        self._wants_status = wants_status
        self._change: IndexChanged | None = None
        self._throttle = Throttle(_INDEX_CHANGED_SECONDS, self._send_change)
        self._status: types.ServerStatusParams | None = None

    def index_changed(self, event: IndexChanged) -> None:
        if self._wants_index():
            self._change = merged(self._change, event) if self._change else event
            self._throttle.ask()

    def status(self, status: types.StatusResult) -> None:
        """Sends the status if it changed for the user since it was last sent."""
        if not self._wants_status():
            return
        params = types.ServerStatusParams(
            health=status.health, quiescent=status.quiescent, message=status.message or None
        )
        if params != self._status:
            self._status = params
            self._protocol.notify(types.SERVER_STATUS, params)

    def close(self) -> None:
        self._throttle.cancel()

    def _send_change(self) -> None:
        if self._protocol.stdio.is_behind:
            self._throttle.ask()
        elif self._change is not None:
            params = convert.index_changed(self._change)
            self._change = None
            self._protocol.notify(types.INDEX_CHANGED, params)
