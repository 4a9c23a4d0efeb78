"""A workspace of about a million chunks: does it index to the end, in how much memory, and does it stay quick?"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
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
_LEAST_RECALL = 95.0
#: A budget that the index is larger than.
_LITTLE_MIB = 128


def measure(job: Job) -> Figure:
    dice = random.Random(job.numbers.seed)  # noqa: S311  repeatable, not secret
    size = job.size("large", "mid", "small")
    copies = job.numbers.copies
    folder = make_copies(job.workspaces[size], job.scratch / f"million-{size}", copies)
    name = f"{copies} × {size}"
    # Half as they are, half in the words of some copy.
    queries = [*job.queries, *(Renamer(1 + n % max(1, copies - 1)).text(query) for n, query in enumerate(job.queries))]
    figure = Figure()
    with job.folder("data") as data:
        cold = _first_index(folder, data, queries)
        small = _below_the_budget(folder, data, queries, dice)
    figure.rows = [
        Row("files", name, cold["status"]["files"], ""),
        Row("chunks", name, cold["status"]["chunks"], ""),
        Row("complete index, after `initialize`", name, cold["seconds"], "s"),
        Row("… stored, after that", name, cold["storedSeconds"], "s"),
        Row("longest stall while indexing", name, cold["pulse"]["server"]["max"], "ms"),
        *_rows(name, "every row looked at", cold),
        Row("another start, to the first answer", name, small["firstAnswerSeconds"], "s"),
        Row("LanceDB's indices made (`memoryMib` of less than is needed), after that", name, small["madeSeconds"], "s"),
        *_rows(name, "LanceDB's candidates", small),
        Row(
            "recall@10 of LanceDB's candidates",
            name,
            100 * statistics.mean(map(_recall, small["answers"], cold["answers"])),
            "%",
            least=_LEAST_RECALL,
        ),
        Row("save to searchable, p50", name, percentile(small["saveMs"], 50), "ms"),
        Row("save to searchable, longest", name, max(small["saveMs"]), "ms"),
        Row("index on disk", name, small["diskBytes"] / 2**20, "MiB"),
    ]
    if small["searchMode"] != "indexed":
        figure.defects.append(f"LanceDB's indices were not made in {_INDICES_SECONDS:.0f} s")
    figure.measured = {"first": cold, "belowTheBudget": small}
    return figure


def _first_index(folder: Path, data: Path, queries: Sequence[str]) -> dict[str, Any]:
    """From nothing to the stored index, then questions with the settings as they are unasked."""
    with session(folder, data) as server, PeakMemory(server.process.pid) as memory:
        server.initialize()
        began = time.perf_counter()
        with Pulse(server) as pulse:
            progress = _watch(server)
            seconds = time.perf_counter() - began
            stored = wait_until_stored(data, patience=_PATIENCE)
        found = {
            "seconds": seconds,
            "storedSeconds": stored,
            "progress": progress,
            "pulse": pulse.summary(0.0, seconds),
            "pulseStoring": pulse.summary(seconds),
            **_asked(server, queries),
            "status": server.ask("conexus/status", {}),
            "peakMib": memory.mib,
        }
        server.stop()
    return found


def _below_the_budget(folder: Path, data: Path, queries: Sequence[str], dice: random.Random) -> dict[str, Any]:
    """The same questions to an index that is larger than the memory budget, then saves."""
    with session(folder, data) as server, PeakMemory(server.process.pid) as memory:
        server.initialize(options={"memoryMib": _LITTLE_MIB})
        began = time.perf_counter()
        while not server.ask("conexus/search", {"query": queries[0]})["hits"]:
            time.sleep(0.05)
        first_answer = time.perf_counter() - began
        server.wait_until_indexed()
        search_mode = _search_mode_in_the_end(server)
        found = {
            "firstAnswerSeconds": first_answer,
            "searchMode": search_mode,
            "madeSeconds": time.perf_counter() - began,
            **_asked(server, queries),
        }
        files = edits.editable_files(folder, _SAVES, dice)
        before = {file: file.read_bytes() for file in files}
        try:
            found["saveMs"] = edits.save_ms(server, files, _SAVES, dice, told=True)
        finally:
            for file, content in before.items():
                file.write_bytes(content)
        found |= {
            "status": server.ask("conexus/status", {}),
            "diskBytes": size_of(data)[0],
            "peakMib": memory.mib,
        }
        server.stop()
    return found


def _asked(server: Server, queries: Sequence[str]) -> dict[str, Any]:
    """How long answers take, what they are, and the server's memory then."""
    at_rest = resident_mib(server.process.pid)
    query_ms: list[float] = []
    answers: list[list[tuple[str, int]]] = []
    for _ in range(_RUNS):
        answers = []
        for query in queries:
            began = time.perf_counter()
            hits = server.ask("conexus/search", {"query": query, "limit": 10})["hits"]
            query_ms.append(1000 * (time.perf_counter() - began))
            answers.append([(hit["location"]["uri"], hit["location"]["range"]["start"]["line"]) for hit in hits])
    return {
        "queryMs": query_ms,
        "answers": answers,
        "memory": {"atRest": at_rest, "afterQueries": resident_mib(server.process.pid)},
        "allMib": proportional_mib(server.process.pid),
    }


def _rows(name: str, how: str, found: dict[str, Any]) -> list[Row]:
    memory = found["memory"]["afterQueries"]
    return [
        Row(f"{how}: query p50, at the client", name, percentile(found["queryMs"], 50), "ms"),
        Row(f"{how}: query p95, at the client", name, percentile(found["queryMs"], 95), "ms", _TAIL_MS),
        Row(f"{how}: server memory (RSS), after the queries", name, memory["VmRSS"], "MiB", _MOST_MIB),
        Row(f"{how}: … of that not of files", name, memory["RssAnon"], "MiB"),
        Row(f"{how}: server memory (RSS), peak", name, memory["VmHWM"], "MiB", _MOST_MIB),
        Row(f"{how}: all processes (PSS), after the queries", name, found["allMib"], "MiB"),
        Row(f"{how}: all processes (PSS), peak", name, found["peakMib"], "MiB"),
    ]


def _recall(found: Sequence[Any], wanted: Sequence[Any]) -> float:
    return len(set(found) & set(wanted)) / max(len(set(wanted)), 1)


def _search_mode_in_the_end(server: Server) -> str:
    """``indexed`` once LanceDB's indices are made, or ``exact`` if they are not made in time."""
    deadline = time.monotonic() + _INDICES_SECONDS
    while True:
        search_mode = str(server.ask("conexus/status", {})["folders"][0]["searchMode"])
        if search_mode != "exact" or time.monotonic() > deadline:
            return search_mode
        time.sleep(1.0)


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
