"""Queries to an index at rest, in turns with the peer's: each waits for the next question of this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from benchmarks import peer
from benchmarks.client import time_queries
from benchmarks.live_job import Figure, Job, Row, for_each_workspace, session, wait_until_stored
from benchmarks.table import percentile

#: Rounds of all queries, of which the first is not counted.
_RUNS = 6
_CLIENT_MS = 3.0
_TAIL_RATIO = 0.3

Times = Mapping[str, Sequence[float]]


def measure(job: Job) -> Figure:
    """Each workspace."""
    return for_each_workspace(job, _measure, lambda size, times: query_rows(size, times, times["peerMs"]))


def _measure(job: Job, folder: Path) -> Times:
    """Milliseconds of each query: ours as the server says and at the client, the peer's in its process."""
    beside = peer.Asked(job.peer_python, folder, job.peer_model) if job.peer_python else nullcontext()
    with job.folder("data") as data, session(folder, data) as server, beside as other:
        server.initialize()
        server.wait_until_indexed()
        wait_until_stored(data)
        times: dict[str, list[float]] = {"queryMs": [], "tookMs": [], "peerMs": []}
        for run in range(_RUNS):
            # Round by round, so that a busy spell of the machine hits both, and each has its data in the caches.
            query_ms, took_ms = time_queries(server, job.queries)
            peer_ms = [other.ask(query) for query in job.queries] if other else []
            if run:
                times["queryMs"] += query_ms
                times["tookMs"] += took_ms
                times["peerMs"] += peer_ms
        server.stop()
    return times


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
