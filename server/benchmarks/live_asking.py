"""Queries to an index at rest, in turns with the peer's: each waits for the next question of this process."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from benchmarks import peer
from benchmarks.client import Server, time_queries
from benchmarks.live_compare import sentences
from benchmarks.live_job import Figure, Job, Row, for_each_workspace, session, wait_until_stored
from benchmarks.table import percentile

#: Rounds of all queries, of which the first is not counted.
_RUNS = 6
#: So many others are asked once.
_NEW = 300
_CLIENT_MS = 3.0
_TAIL_RATIO = 0.3

Times = Mapping[str, Sequence[float]]


def measure(job: Job) -> Figure:
    """Each workspace."""
    return for_each_workspace(job, _measure, _rows)


def _measure(job: Job, folder: Path) -> dict[str, Times]:
    """Milliseconds of each query: ours as the server says and at the client, the peer's in its process.

    Of those that are asked again and again, and of ``new`` ones that are asked once.
    """
    new = sentences(folder, _NEW, random.Random(job.numbers.seed))  # noqa: S311
    run_concurrently = peer.Asked(job.peer_python, folder, job.peer_model) if job.peer_python else nullcontext()
    with job.folder("data") as data, session(folder, data) as server, run_concurrently as other:
        server.initialize()
        server.wait_until_indexed()
        wait_until_stored(data)
        again, once = _Turns(server, other), _Turns(server, other)
        # Round by round, so that a busy spell of the machine hits both, and each has its data in the caches.
        for run in range(_RUNS):
            again.ask(job.queries, counted=run > 0)
        for start in range(0, len(new), len(job.queries)):
            once.ask(new[start : start + len(job.queries)])
        server.stop()
    return {"again": again.times, "new": once.times}


class _Turns:
    """What queries take that the server is asked, and then the peer."""

    def __init__(self, server: Server, other: peer.Asked | None) -> None:
        self._server, self._other = server, other
        self.times: dict[str, list[float]] = {"queryMs": [], "tookMs": [], "peerMs": []}

    def ask(self, queries: Sequence[str], *, counted: bool = True) -> None:
        query_ms, took_ms = time_queries(self._server, queries)
        peer_ms = [self._other.ask(query) for query in queries] if self._other else []
        if counted:
            self.times["queryMs"] += query_ms
            self.times["tookMs"] += took_ms
            self.times["peerMs"] += peer_ms


def _rows(size: str, found: Mapping[str, Times]) -> list[Row]:
    rows = query_rows(size, found["again"], found["again"]["peerMs"])
    new = found["new"]
    for percent in (50, 95) if new["tookMs"] else ():
        theirs = percentile(new["peerMs"], percent) if new["peerMs"] else None
        for name, key in (("`tookMs`", "tookMs"), ("at the client", "queryMs")):
            value = percentile(new[key], percent)
            rows.append(Row(f"new query p{percent}, {name}", size, value, "ms", peer=theirs))
    return rows


def query_rows(size: str, times: Times, peer_ms: Sequence[float]) -> list[Row]:
    """``times`` has milliseconds as the server says (`tookMs`) and at the client (`queryMs`)."""
    rows = []
    for percent in (50, 95):
        theirs = percentile(peer_ms, percent) if peer_ms else None
        took, client = (percentile(times[key], percent) for key in ("tookMs", "queryMs"))
        in_middle = (size, percent) == ("mid", 50)
        ratio = 1.0 if in_middle else None
        rows.append(Row(f"query p{percent}, `tookMs`", size, took, "ms", peer=theirs, most_ratio=ratio))
        most = theirs + _CLIENT_MS if theirs and in_middle else None
        tail = _TAIL_RATIO if (size, percent) == ("large", 95) else None
        name = f"query p{percent}, at the client"
        rows.append(Row(name, size, client, "ms", peer=theirs, most=most, most_ratio=tail))
    return rows
