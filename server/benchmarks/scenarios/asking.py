"""Queries to an index at rest, in turns with the peer's: each waits for the next question of this process."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from benchmarks.harness import peer, plot
from benchmarks.harness.beside import query_rows
from benchmarks.harness.client import Server, time_queries
from benchmarks.harness.samples import sentences
from benchmarks.harness.trial import Scenario, Trial

#: Rounds of all queries, of which the first is not counted.
_RUNS = 6
#: How many other queries are asked once.
_NEW = 300


def measure(trial: Trial) -> None:
    """Milliseconds of queries that are asked again and again, and of ``new`` ones that are asked once."""
    job, folder = trial.job, trial.folder
    new = sentences(folder, _NEW, trial.dice)
    run_concurrently = peer.Asked(job.peer_python, folder, job.peer_model) if job.peer_python else nullcontext()
    with trial.session("stored") as server, run_concurrently as other:
        again, once = _Turns(server, other), _Turns(server, other)
        # Round by round, so that a busy spell of the machine hits both, and each has its data in the caches.
        for run in range(_RUNS):
            again.ask(job.queries, counted=run > 0)
        for start in range(0, len(new), len(job.queries)):
            once.ask(new[start : start + len(job.queries)])
    trial.measured(**{trial.size: {"again": again.times, "new": once.times}})
    query_rows(trial, again.times, again.times["peerMs"])
    for percent in (50, 95):
        for name, key in (("`tookMs`", "tookMs"), ("at the client", "queryMs")):
            trial.percentile(f"new query p{percent}, {name}", once.times[key], percent, peer=once.times["peerMs"])


class _Turns:
    """What queries take that the server is asked, and then the peer."""

    def __init__(self, server: Server, other: peer.Asked | None) -> None:
        self._server, self._other = server, other
        self.times: dict[str, list[float]] = {"queryMs": [], "tookMs": [], "peerMs": []}

    def ask(self, queries: Sequence[str], *, counted: bool = True) -> None:
        times = time_queries(self._server, queries)
        times["peerMs"] = [self._other.ask(query) for query in queries] if self._other else []
        if counted:
            for key, ms in times.items():
                self.times[key] += ms


def _panel(axes: Any, measured: dict[str, Any]) -> None:
    size = "mid" if "mid" in measured else [*measured][-1]
    for kind, dashes in (("again", "-"), ("new", ":")):
        for key, colour, label in (
            ("tookMs", plot.OURS, "conexus, `tookMs`"),
            ("queryMs", plot.MORE[2], "conexus, at the client"),
            ("peerMs", plot.THEIRS, "semble, in its process"),
        ):
            values = sorted(measured[size][kind][key])
            shares = [(place + 1) / len(values) for place in range(len(values))]
            axes.plot(values, shares, dashes, color=colour, label=f"{label}, {kind}", zorder=2)
    axes.set_xscale("log")
    axes.set_xlabel("ms")
    plot.title(axes, f"share of queries to {size} that take at most so long, in turns")
    plot.legend(axes)


SCENARIO = Scenario(measure, panels=(_panel,))
