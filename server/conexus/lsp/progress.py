"""Reports the progress of indexing in bars that open late, never hold up a request, and are always ended."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from conexus import escape
from conexus.lsp.protocol import Protocol
from conexus.lsp.throttle import Throttle
from conexus.values import Progress

#: Seconds between two reports of a bar.
_REPORT_SECONDS = 0.1

#: Maximum number of requests whose own bars are shown.
_MOST_ADOPTED = 100

_REINDEX_TITLE = "Reindexing"


@dataclass(slots=True)
class _Bar:
    token: lsp.ProgressToken
    latest: Progress
    #: Whether the client knows the bar: begin was sent and end was not.
    shown: bool = False
    over: bool = False
    throttle: Throttle | None = field(default=None)


class IndexProgress:
    """The bars of a connection: one for each title of work, and one for each request that has its own token."""

    def __init__(self, server: LanguageServer, protocol: Protocol, *, offered: Callable[[], bool]) -> None:
        self._server = server
        self._protocol = protocol
        self._offered = offered
        self._numbers = count(1)
        self._by_title: dict[str, _Bar] = {}
        self._adopted: dict[lsp.ProgressToken, _Bar] = {}

    def update(self, progress: Progress) -> None:
        """Shows the progress of the work."""
        finished = progress.done >= progress.total
        for bar in self._adopted.values():
            bar.latest = progress
            self._report(bar)
        if (shown := self._by_title.get(progress.title)) is None:
            # No bar is needed while a request's own bar shows the same work.
            if finished or self._adopted or not self._offered():
                return
            bar = _Bar(f"conexus-{next(self._numbers)}", progress)
            self._by_title[progress.title] = bar
            self._protocol.spawn(self._create(bar), "creating a progress bar")
            return
        shown.latest = progress
        if finished:
            del self._by_title[progress.title]
            self._end(shown, None)
        else:
            self._report(shown)

    def adopt(self, token: lsp.ProgressToken) -> None:
        """Shows the work that a request caused under the request's token, until `settle`.

        Does nothing if very many requests wait for that already.
        """
        if token not in self._adopted and len(self._adopted) < _MOST_ADOPTED:
            bar = self._adopted[token] = _Bar(token, Progress(_REINDEX_TITLE, 0, 0))
            self._begin(bar)

    @property
    def awaits_settling(self) -> bool:
        return bool(self._adopted)

    def settle(self) -> None:
        """Ends the bars of requests, because no work is waiting any more."""
        while self._adopted:
            self._end(self._adopted.popitem()[1], None)

    def cancel(self, token: lsp.ProgressToken) -> bool:
        """Ends all bars if ``token`` is the token of one of them. Returns whether it is."""
        bars = [*self._by_title.values(), *self._adopted.values()]
        if all(bar.token != token for bar in bars):
            return False
        self.close("Paused")
        return True

    def close(self, message: str | None = None) -> None:
        """Ends all bars."""
        bars = [*self._by_title.values(), *self._adopted.values()]
        self._by_title.clear()
        self._adopted.clear()
        for bar in bars:
            self._end(bar, message)

    async def _create(self, bar: _Bar) -> None:
        await self._server.window_work_done_progress_create_async(lsp.WorkDoneProgressCreateParams(token=bar.token))
        if not bar.over:
            self._begin(bar)

    def _begin(self, bar: _Bar) -> None:
        bar.shown = True
        bar.throttle = Throttle(_REPORT_SECONDS, lambda: self._send_report(bar))
        self._send(
            bar,
            lsp.WorkDoneProgressBegin(
                title=escape.message(bar.latest.title),
                cancellable=True,
                percentage=_percentage(bar.latest),
                message=_message(bar.latest),
            ),
        )

    def _report(self, bar: _Bar) -> None:
        if bar.throttle is not None:
            bar.throttle.ask()

    def _send_report(self, bar: _Bar) -> None:
        if self._protocol.stdio.is_behind:
            self._report(bar)
            return
        self._send(
            bar,
            lsp.WorkDoneProgressReport(percentage=_percentage(bar.latest), message=_message(bar.latest)),
        )

    def _end(self, bar: _Bar, message: str | None) -> None:
        bar.over = True
        if bar.throttle is not None:
            bar.throttle.cancel()
        if bar.shown:
            bar.shown = False
            self._send(bar, lsp.WorkDoneProgressEnd(message=message))

    def _send(
        self,
        bar: _Bar,
        value: lsp.WorkDoneProgressBegin | lsp.WorkDoneProgressReport | lsp.WorkDoneProgressEnd,
    ) -> None:
        self._server.progress(lsp.ProgressParams(token=bar.token, value=value))


def _percentage(progress: Progress) -> int:
    return min(100, 100 * progress.done // progress.total) if progress.total > 0 else 0


def _message(progress: Progress) -> str | None:
    return f"{progress.done} of {progress.total}" if progress.total > 0 else None
