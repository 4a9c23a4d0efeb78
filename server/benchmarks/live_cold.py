"""The first index beside the peer's, its memory, its queries, and the longest stall of the event loop meanwhile."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import peer
from benchmarks.client import time_queries
from benchmarks.live_asking import query_rows
from benchmarks.live_job import Figure, Job, Row, for_each_workspace, session, size_of, wait_until_stored
from benchmarks.live_pulse import Pulse
from benchmarks.memory import PeakMemory

_INDEX_RATIO = {"small": 1.2, "mid": 0.8, "large": 0.8}
_RUNS = 3
_MEMORY_RATIO = 0.5
_STALL_MS, _STORING_STALL_MS = 50.0, 120.0


def measure(job: Job) -> Figure:
    """Each workspace: rounds of both in turns, then one more of ours with a pulse."""
    return for_each_workspace(job, _measure, _rows)


def _measure(job: Job, folder: Path) -> dict[str, Any]:
    ours: list[dict[str, Any]] = []
    theirs: list[peer.PeerRound] = []

    def measure_ours() -> None:
        ours.append(_round(job, folder))

    def measure_theirs() -> None:
        if job.peer_python:
            theirs.append(peer.measure(job.peer_python, folder, job.peer_model, job.queries, _RUNS))

    for number in range(job.numbers.rounds):
        # In turns, so that a busy spell of the machine or a warm file cache favours neither.
        for step in (measure_ours, measure_theirs) if number % 2 == 0 else (measure_theirs, measure_ours):
            step()
    return {"conexus": ours, "semble": [asdict(each) for each in theirs], "stall": _stall(job, folder)}


def _round(job: Job, folder: Path) -> dict[str, Any]:
    """One session from an empty data directory until the index is complete, was asked, and is stored.

    The first answer is of a session of its own: who asks ever again until one comes slows the indexing down.
    """
    first_answer = _first_answer(job, folder)
    with job.folder("data") as data, session(folder, data) as server, PeakMemory(server.process.pid) as memory:
        server.initialize()
        initialized = time.perf_counter()
        status = server.wait_until_indexed()
        indexed = time.perf_counter()
        asked = [time_queries(server, job.queries) for _ in range(_RUNS)]
        peak_unstored = memory.mib
        wait_until_stored(data)
        stored, peak = time.perf_counter(), memory.mib
        found = {
            "firstAnswerSeconds": first_answer,
            "indexSeconds": indexed - initialized,
            "storedSeconds": stored - initialized,
            "files": status["files"],
            "chunks": status["chunks"],
            "queryMs": [ms for query_ms, _ in asked for ms in query_ms],
            "tookMs": [ms for _, took_ms in asked for ms in took_ms],
            "peakMibUnstored": peak_unstored,
            "peakMib": peak,
            "storedBytes": size_of(data)[0],
            "status": server.ask("conexus/status", {}),
        }
        server.stop()
    return found


def _first_answer(job: Job, folder: Path) -> float:
    """Seconds from the answer to `initialize` to the first hit."""
    with job.folder("data") as data, session(folder, data) as server:
        server.initialize()
        initialized = time.perf_counter()
        while not server.ask("conexus/search", {"query": job.queries[0]})["hits"]:
            time.sleep(0.01)
        seconds = time.perf_counter() - initialized
        server.stop()
    return seconds


def _stall(job: Job, folder: Path) -> dict[str, Any]:
    """One more cold start, undisturbed but for the pulse."""
    with job.folder("data") as data, session(folder, data) as server:
        server.initialize()
        with Pulse(server) as pulse:
            status = server.wait_until_indexed(every=0.1)
            complete = pulse.now()
            wait_until_stored(data)
            stored = pulse.now()
        server.stop()
    return {
        "completeSeconds": complete,
        "storedSeconds": stored,
        "chunks": status["chunks"],
        "indexing": pulse.summary(0.0, complete),
        "storing": pulse.summary(complete),
        "at": pulse.server.at,
        "ms": pulse.server.ms,
    }


def _rows(size: str, found: dict[str, Any]) -> list[Row]:
    ours, theirs, stall = found["conexus"], found["semble"], found["stall"]

    def row(name: str, value: float, unit: str, theirs: float | None = None, **bar: float | None) -> Row:
        return Row(name, size, value, unit, peer=theirs, **bar)

    rows = [
        row("files", ours[-1]["files"], "", theirs[-1]["files"] if theirs else None),
        row("chunks", ours[-1]["chunks"], "", theirs[-1]["chunks"] if theirs else None),
        row("first answer, after `initialize`", _median(ours, "firstAnswerSeconds"), "s"),
        row(
            "complete index, after `initialize`",
            _median(ours, "indexSeconds"),
            "s",
            _median(theirs, "index_seconds") if theirs else None,
            most_ratio=_INDEX_RATIO[size],
        ),
        row(
            "peak memory, all processes (PSS), until stored",
            max(each["peakMib"] for each in ours),
            "MiB",
            max((each["peak_mib"] for each in theirs), default=None),
            most_ratio=_MEMORY_RATIO if size == "large" else None,
        ),
    ]
    times = {key: [ms for each in ours for ms in each[key]] for key in ("tookMs", "queryMs")}
    rows += query_rows(size, times, [ms for each in theirs for ms in each["query_ms"]])
    for phase, most in (("indexing", _STALL_MS), ("storing", _STORING_STALL_MS)):
        for who in ("server", "echo"):
            if beat := stall[phase][who]:
                name = f"longest stall while {phase}" + ("" if who == "server" else ", of a process that echoes")
                when = f", at {beat['maxAtSeconds']:.1f} s of {stall['completeSeconds']:.1f}"
                rows.append(row(f"{name}{when}", beat["max"], "ms", most=most if who == "server" else None))
    return rows


def _median(rounds: Sequence[dict[str, Any]], key: str) -> float:
    return float(statistics.median(each[key] for each in rounds))
