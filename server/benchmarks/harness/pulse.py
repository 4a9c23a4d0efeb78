"""A request that costs nothing, sent every few milliseconds: how long does the server's event loop keep it waiting?"""

from __future__ import annotations

import subprocess
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import IO, Any, Self

from benchmarks.harness.background import Background
from benchmarks.harness.client import Server, ServerError
from benchmarks.harness.table import percentile

_EVERY_SECONDS = 0.005


@dataclass(slots=True)
class Latencies:
    """When each request was sent, in seconds since the first, and how long its answer took, in milliseconds."""

    at: list[float] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)

    def summary(self, since: float = 0.0, until: float = float("inf")) -> dict[str, float]:
        """Of the requests that were sent between two times; empty if there was none."""
        chosen = [(ms, at) for at, ms in zip(self.at, self.ms, strict=True) if since <= at < until]
        if not chosen:
            return {}
        longest, when = max(chosen)
        values = [ms for ms, _ in chosen]
        percents = {f"p{percent}": percentile(values, percent) for percent in (50, 95, 99)}
        return {"count": len(values), **percents, "max": longest, "maxAtSeconds": when}


class Pulse(Background):
    """Asks for a method that does not exist, from a thread, in a ``with`` statement.

    The server refuses it on its event loop without any work. The same beat goes to a process that only echoes:
    what that one is late is the machine's doing, and this client's.
    """

    def __init__(self, server: Server) -> None:
        super().__init__(self._send, self._hear)
        self.server = Latencies()
        self.echo = Latencies()
        self.began = 0.0
        self._server = server
        self._guard = threading.Lock()
        self._cat = subprocess.Popen(["cat", "-u"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def now(self) -> float:
        """Seconds since the first request."""
        return time.perf_counter() - self.began

    def summary(self, since: float = 0.0, until: float = float("inf")) -> dict[str, Any]:
        with self._guard:
            return {"server": self.server.summary(since, until), "echo": self.echo.summary(since, until)}

    def __enter__(self) -> Self:
        self.began = time.perf_counter()
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._cat.wait()

    def _send(self) -> None:
        pipe = self._cat.stdin
        assert pipe is not None
        with pipe:  # its end is that of the process
            self._beat(pipe)

    def _beat(self, pipe: IO[bytes]) -> None:
        due = time.perf_counter()
        while not self.ending.is_set():
            sent = time.perf_counter()
            pipe.write(f"{sent!r}\n".encode("ascii"))
            try:
                answer = self._server.send("conexus/nothing", {})
            except ServerError:
                return
            answer.add_done_callback(lambda answer, sent=sent: self._answered(answer, sent))  # type: ignore[misc]
            # A beat that was missed is not made up for: requests in a heap would measure each other.
            due = max(due + _EVERY_SECONDS, time.perf_counter())
            self.ending.wait(due - time.perf_counter())

    def _answered(self, answer: Future[Any], sent: float) -> None:
        if "-32601" in str(answer.exception()):  # else the server ended
            self._note(self.server, sent)

    def _hear(self) -> None:
        assert self._cat.stdout is not None
        rest = b""
        while received := self._cat.stdout.read(4096):
            *lines, rest = (rest + received).split(b"\n")
            for line in lines:
                self._note(self.echo, float(line))

    def _note(self, latencies: Latencies, sent: float) -> None:
        now = time.perf_counter()
        with self._guard:
            latencies.at.append(sent - self.began)
            latencies.ms.append(1000 * (now - sent))
