"""A workspace of about a million chunks: does it index to the end, in how much memory, and does it stay quick?"""

from __future__ import annotations

import random
import time
from typing import Any

from benchmarks import edits
from benchmarks.client import Server
from benchmarks.live_copies import make_copies
from benchmarks.live_job import Figure, Job, Row, session, size_of, wait_until_stored
from benchmarks.live_pulse import Pulse
from benchmarks.memory import PeakMemory, proportional_mib, resident_mib
from benchmarks.renaming import Renamer
from benchmarks.table import percentile

_PATIENCE = 4 * 3600.0
#: So long the indices may take to be made after the tables are written.
_INDICES_SECONDS = 1200.0
_RUNS = 3
_SAVES = 10
_TAIL_MS = 150.0
_MOST_MIB = 1024.0


def _tier_in_the_end(server: Server) -> str:
    """What finds candidates once LanceDB's indices are made, or ``memory`` if they are not made in time."""
    deadline = time.monotonic() + _INDICES_SECONDS
    while True:
        tier = str(server.ask("conexus/status", {})["folders"][0]["tier"])
        if tier != "memory" or time.monotonic() > deadline:
            return tier
        time.sleep(1.0)


def measure(job: Job) -> Figure:
    dice = random.Random(job.numbers.seed)  # noqa: S311  repeatable, not secret
    size = job.size("large", "mid", "small")
    copies = job.numbers.copies
    folder = make_copies(job.workspaces[size], job.scratch / f"million-{size}", copies)
    name = f"{copies} × {size}"
    # Half as they are, half in the words of some copy.
    queries = [*job.queries, *(Renamer(1 + n % max(1, copies - 1)).text(query) for n, query in enumerate(job.queries))]
    figure = Figure()
    with job.folder("data") as data, session(folder, data) as server, PeakMemory(server.process.pid) as memory:
        server.initialize()
        began = time.perf_counter()
        with Pulse(server) as pulse:
            progress = _watch(server)
            seconds = time.perf_counter() - began
            stored = wait_until_stored(data, patience=_PATIENCE)
        tier = _tier_in_the_end(server)
        at_rest = resident_mib(server.process.pid)
        query_ms = []
        for _ in range(_RUNS):
            for query in queries:
                asked = time.perf_counter()
                server.ask("conexus/search", {"query": query, "limit": 10})
                query_ms.append(1000 * (time.perf_counter() - asked))
        after_queries = resident_mib(server.process.pid)
        all_processes = proportional_mib(server.process.pid)
        files = edits.editable_files(folder, _SAVES, dice)
        before = {file: file.read_bytes() for file in files}
        try:
            saved = edits.save_ms(server, files, _SAVES, dice, told=True)
        finally:
            for file, content in before.items():
                file.write_bytes(content)
        status = server.ask("conexus/status", {})
        disk = size_of(data)[0]
        peak = memory.mib
        server.stop()
    beat = pulse.summary(0.0, seconds)
    figure.rows = [
        Row("files", name, status["files"], ""),
        Row("chunks", name, status["chunks"], ""),
        Row("complete index, after `initialize`", name, seconds, "s"),
        Row("… stored, after that", name, stored, "s"),
        Row("server memory (RSS), before the queries", name, at_rest["VmRSS"], "MiB", _MOST_MIB),
        Row("server memory (RSS), after the queries", name, after_queries["VmRSS"], "MiB", _MOST_MIB),
        Row("… of that not of files", name, after_queries["RssAnon"], "MiB"),
        Row("server memory (RSS), peak", name, after_queries["VmHWM"], "MiB"),
        Row("all processes (PSS), after the queries", name, all_processes, "MiB"),
        Row("all processes (PSS), peak", name, peak, "MiB"),
        Row("candidates come from LanceDB's indices (1: yes)", name, float(tier == "lancedb"), ""),
        Row("index on disk", name, disk / 2**20, "MiB"),
        Row("query p50, at the client", name, percentile(query_ms, 50), "ms"),
        Row("query p95, at the client", name, percentile(query_ms, 95), "ms", _TAIL_MS),
        Row("save to searchable, p50", name, percentile(saved, 50), "ms"),
        Row("save to searchable, longest", name, max(saved), "ms"),
        Row("longest stall while indexing", name, beat["server"]["max"], "ms"),
    ]
    figure.measured = {
        "status": status,
        "progress": progress,
        "queryMs": query_ms,
        "saveMs": saved,
        "memory": {"atRest": at_rest, "afterQueries": after_queries},
        "pulse": beat,
        "pulseStoring": pulse.summary(seconds),
    }
    return figure


def _watch(server: Any) -> list[dict[str, Any]]:
    """Wait until the index is complete; returns what the status said on the way, every few seconds."""
    seen: list[dict[str, Any]] = []
    began = time.monotonic()
    while True:
        status = server.ask("conexus/status", {})
        now = time.monotonic() - began
        if not seen or now - seen[-1]["seconds"] > 5.0 or status["quiescent"]:
            keys = ("phase", "files", "chunks", "pending", "memoryBytes", "indexBytes")
            seen.append({"seconds": now, **{key: status[key] for key in keys}})
        if status["quiescent"]:
            return seen
        if now > _PATIENCE:
            raise TimeoutError(f"not indexed in {_PATIENCE:.0f} s")
        time.sleep(0.25)
