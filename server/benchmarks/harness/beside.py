"""Rounds of the server and of the peer, from a cold start, and their rows side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.harness import peer
from benchmarks.harness.table import median_of, percentile
from benchmarks.harness.trial import Trial

_CLIENT_MS = 3.0
_TAIL_RATIO = 0.3

Rounds = list[dict[str, Any]]


def in_turns(trial: Trial, measure: Callable[[], dict[str, Any]], runs: int) -> tuple[Rounds, Rounds]:
    """Rounds that ``measure`` returns, and rounds of the peer if there is one, with all queries asked ``runs`` times.

    In turns, so that a busy spell of the machine or a warm file cache favours neither.
    """
    job = trial.job
    ours: Rounds = []
    theirs: Rounds = []

    def measure_peer() -> None:
        if job.peer_python:
            theirs.append(asdict(peer.measure(job.peer_python, trial.folder, job.peer_model, job.queries, runs)))

    steps = [lambda: ours.append(measure()), measure_peer]
    for number in range(job.numbers.rounds):
        for step in steps if number % 2 == 0 else reversed(steps):
            step()
    return ours, theirs


def all_of(rounds: Rounds, key: str) -> list[float]:
    """The single measurements of all rounds together."""
    return [value for each in rounds for value in each[key]]


def index_rows(
    trial: Trial,
    ours: Rounds,
    theirs: Rounds,
    *,
    until: str = "",
    index_ratio: float | None = None,
    memory_ratio: float | None = None,
) -> None:
    """Rows of the first index. Times are medians, memory is the largest, ``until`` says when it was last measured."""
    for key in ("files", "chunks"):
        trial.row(key, ours[-1][key], peer=theirs[-1][key] if theirs else None)
    trial.row("first answer, after `initialize`", median_of(ours, "firstAnswerSeconds"), "s")
    seconds = median_of(theirs, "index_seconds") if theirs else None
    name = "complete index, after `initialize`"
    trial.row(name, median_of(ours, "indexSeconds"), "s", peer=seconds, most_ratio=index_ratio)
    mib = max((each["peak_mib"] for each in theirs), default=None)
    name = f"peak memory, all processes (PSS){until}"
    trial.row(name, max(each["peakMib"] for each in ours), "MiB", peer=mib, most_ratio=memory_ratio)


def query_rows(trial: Trial, times: Mapping[str, Sequence[float]], peer_ms: Sequence[float]) -> None:
    """``times`` has milliseconds as the server says (`tookMs`) and at the client (`queryMs`)."""
    for percent in (50, 95):
        theirs = percentile(peer_ms, percent) if peer_ms else None
        took, client = (percentile(times[key], percent) for key in ("tookMs", "queryMs"))
        in_middle, at_large = (trial.size, percent) == ("mid", 50), (trial.size, percent) == ("large", 95)
        ratio = 1.0 if in_middle else None
        trial.row(f"query p{percent}, `tookMs`", took, "ms", peer=theirs, most_ratio=ratio)
        most = theirs + _CLIENT_MS if theirs and in_middle else None
        tail = _TAIL_RATIO if at_large else None
        trial.row(f"query p{percent}, at the client", client, "ms", most, peer=theirs, most_ratio=tail)
