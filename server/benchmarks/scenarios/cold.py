"""The first index beside the peer's, its memory, its queries, and the longest stall of the event loop meanwhile."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.harness import plot
from benchmarks.harness.beside import all_of, in_turns, index_rows, query_rows
from benchmarks.harness.client import time_queries
from benchmarks.harness.data_directory import size_of, wait_until_stored
from benchmarks.harness.memory import PeakMemory
from benchmarks.harness.pulse import Pulse
from benchmarks.harness.trial import Scenario, Trial

#: Times of the peer's.
_INDEX_RATIO = {"small": 1.2, "mid": 0.8, "large": 0.8}
_MEMORY_RATIO = {"large": 0.5}
_STALL_MS = {"indexing": 50.0, "storing": 120.0}
_RUNS = 3


def measure(trial: Trial) -> None:
    """Rounds of both in turns, then one more of ours with a pulse."""
    ours, theirs = in_turns(trial, lambda: _round(trial), _RUNS)
    stall = _stall(trial)
    trial.measured(**{trial.size: {"conexus": ours, "semble": theirs, "stall": stall}})
    ratios = {"index_ratio": _INDEX_RATIO[trial.size], "memory_ratio": _MEMORY_RATIO.get(trial.size)}
    index_rows(trial, ours, theirs, until=", until stored", **ratios)
    query_rows(trial, {key: all_of(ours, key) for key in ("tookMs", "queryMs")}, all_of(theirs, "query_ms"))
    _rows_of_stall(trial, stall)


def _round(trial: Trial) -> dict[str, Any]:
    """One session from an empty data directory until the index is complete, was asked, and is stored.

    The first answer is of a session of its own: who asks ever again until one comes slows the indexing down.
    """
    with trial.session() as server:
        initialized = time.perf_counter()
        server.wait_for_a_hit(trial.job.queries[0])
        first_answer = time.perf_counter() - initialized
    with trial.session() as server, PeakMemory(server.process.pid) as memory:
        initialized = time.perf_counter()
        status = server.wait_until_indexed()
        indexed = time.perf_counter()
        times = time_queries(server, trial.job.queries, _RUNS)
        peak_unstored = memory.mib
        wait_until_stored(server.data)
        return {
            "firstAnswerSeconds": first_answer,
            "indexSeconds": indexed - initialized,
            "storedSeconds": time.perf_counter() - initialized,
            "files": status["files"],
            "chunks": status["chunks"],
            **times,
            "peakMibUnstored": peak_unstored,
            "peakMib": memory.mib,
            "storedBytes": size_of(server.data)[0],
            "status": server.status(),
        }


def _stall(trial: Trial) -> dict[str, Any]:
    """One more cold start, undisturbed but for the pulse."""
    with trial.session() as server, Pulse(server) as pulse:
        status = server.wait_until_indexed(every=0.1)
        complete = pulse.now()
        wait_until_stored(server.data)
        stored = pulse.now()
    return {
        "completeSeconds": complete,
        "storedSeconds": stored,
        "chunks": status["chunks"],
        "indexing": pulse.summary(0.0, complete),
        "storing": pulse.summary(complete),
        "at": pulse.server.at,
        "ms": pulse.server.ms,
    }


def _rows_of_stall(trial: Trial, stall: dict[str, Any]) -> None:
    for phase, most in _STALL_MS.items():
        for who, of, bar in (("server", "", most), ("echo", ", of a process that echoes", None)):
            if beat := stall[phase][who]:
                when = f"at {beat['maxAtSeconds']:.1f} s of {stall['completeSeconds']:.1f}"
                trial.row(f"longest stall while {phase}{of}, {when}", beat["max"], "ms", bar)


def _panel_of_rounds(axes: Any, measured: dict[str, Any]) -> None:
    sizes = [*measured]
    for shift, who, key, colour in (
        (-0.2, "conexus", "indexSeconds", plot.OURS),
        (0.2, "semble", "index_seconds", plot.THEIRS),
    ):
        values = [min((each[key] for each in measured[size][who]), default=0) for size in sizes]
        axes.barh([place + shift for place in range(len(sizes))], values, 0.4, color=colour, label=who, zorder=2)
        for place, value in enumerate(values):
            axes.text(value, place + shift, f" {value:.2f} s", va="center", fontsize=8, color=plot.INK)
    axes.set_yticks(range(len(sizes)), sizes)
    axes.invert_yaxis()
    plot.title(axes, "complete index, from the answer to `initialize`, best round")
    plot.legend(axes)


def _panel_of_stall(axes: Any, measured: dict[str, Any]) -> None:
    size = [*measured][-1]
    stall = measured[size]["stall"]
    axes.plot(stall["at"], stall["ms"], ".", markersize=2, color=plot.OURS, zorder=2)
    axes.axvline(stall["completeSeconds"], color=plot.INK, linewidth=0.8, label="index complete")
    plot.bar(axes, _STALL_MS["indexing"], f"bar: {_STALL_MS['indexing']:.0f} ms", of="y")
    axes.set_yscale("log")
    axes.set_xlabel("seconds")
    plot.title(axes, f"a request that costs nothing, while {size} is indexed, ms")
    plot.legend(axes)


SCENARIO = Scenario(measure, panels=(_panel_of_rounds, _panel_of_stall))
