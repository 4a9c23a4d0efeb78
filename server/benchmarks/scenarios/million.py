"""A workspace of about a million chunks: does it index to the end, in how much memory, and does it stay quick?"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.harness import edits
from benchmarks.harness.client import Server
from benchmarks.harness.copies import make_copies
from benchmarks.harness.data_directory import size_of, wait_until_stored
from benchmarks.harness.memory import PeakMemory, proportional_mib, resident_mib
from benchmarks.harness.pulse import Pulse
from benchmarks.harness.renaming import Renamer
from benchmarks.harness.table import percentile
from benchmarks.harness.trial import Scenario, Trial
from benchmarks.harness.waiting import seconds_until

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


def measure(trial: Trial) -> None:
    job, copies = trial.job, trial.job.numbers.copies
    made = make_copies(job.workspaces[trial.size], job.scratch / f"million-{trial.size}", copies)
    # Half as they are, half in the words of some copy.
    queries = [*job.queries, *(Renamer(1 + n % max(1, copies - 1)).text(query) for n, query in enumerate(job.queries))]
    trial = replace(trial, folder=made, size=f"{copies} × {trial.size}")
    with job.folder("data") as data:
        cold = _first_index(trial, data, queries)
        small = _below_the_budget(trial, data, queries)
    trial.row("files", cold["status"]["files"])
    trial.row("chunks", cold["status"]["chunks"])
    trial.row("complete index, after `initialize`", cold["seconds"], "s")
    trial.row("… stored, after that", cold["storedSeconds"], "s")
    trial.row("longest stall while indexing", cold["pulse"]["server"]["max"], "ms")
    _add_rows(trial, "every row looked at", cold)
    trial.row("another start, to the first answer", small["firstAnswerSeconds"], "s")
    name = "LanceDB's indices made (`memoryMib` of less than is needed), after that"
    trial.row(name, small["madeSeconds"], "s")
    _add_rows(trial, "LanceDB's candidates", small)
    recall = statistics.mean(map(_recall, small["answers"], cold["answers"]))
    trial.row("recall@10 of LanceDB's candidates", 100 * recall, "%", least=_LEAST_RECALL)
    trial.spread("save to searchable", small["saveMs"], at=(50, 100))
    trial.row("index on disk", small["diskBytes"] / 2**20, "MiB")
    trial.measured(first=cold, belowTheBudget=small)
    if small["searchMode"] != "indexed":
        trial.defect(f"LanceDB's indices were not made in {_INDICES_SECONDS:.0f} s")


def _first_index(trial: Trial, data: Path, queries: Sequence[str]) -> dict[str, Any]:
    """From nothing to the stored index, then questions with the settings as they are unasked."""
    with trial.session(data=data) as server, PeakMemory(server.process.pid) as memory:
        began = time.perf_counter()
        with Pulse(server) as pulse:
            progress = _watch(server)
            seconds = time.perf_counter() - began
            stored = wait_until_stored(data, patience=_PATIENCE)
        return {
            "seconds": seconds,
            "storedSeconds": stored,
            "progress": progress,
            "pulse": pulse.summary(0.0, seconds),
            "pulseStoring": pulse.summary(seconds),
            **_asked(server, queries),
            "status": server.status(),
            "peakMib": memory.mib,
        }


def _below_the_budget(trial: Trial, data: Path, queries: Sequence[str]) -> dict[str, Any]:
    """The same questions to an index that is larger than the memory budget, then saves."""
    options = {"memoryMib": _LITTLE_MIB}
    with trial.session(data=data, options=options) as server, PeakMemory(server.process.pid) as memory:
        began = time.perf_counter()
        server.wait_for_a_hit(queries[0], every=0.05)
        first_answer = time.perf_counter() - began
        server.wait_until_indexed()
        seconds_until(lambda: _search_mode(server) != "exact", patience=_INDICES_SECONDS, every=1.0)
        made_seconds = time.perf_counter() - began
        asked = _asked(server, queries)
        files = edits.editable_files(trial.folder, _SAVES, trial.dice)
        with edits.put_back(files):
            save_ms = edits.save_ms(server, files, _SAVES, trial.dice, told=True)
        return {
            "firstAnswerSeconds": first_answer,
            "searchMode": _search_mode(server),
            "madeSeconds": made_seconds,
            **asked,
            "saveMs": save_ms,
            "status": server.status(),
            "diskBytes": size_of(data)[0],
            "peakMib": memory.mib,
        }


def _search_mode(server: Server) -> str:
    """``exact``, or ``indexed`` once LanceDB's indices are made."""
    return str(server.status()["folders"][0]["searchMode"])


def _asked(server: Server, queries: Sequence[str]) -> dict[str, Any]:
    """How long answers take, what they are, and the server's memory then."""
    at_rest = resident_mib(server.process.pid)
    query_ms: list[float] = []
    answers: list[list[tuple[str, int]]] = []
    for _ in range(_RUNS):
        answers = []
        for query in queries:
            began = time.perf_counter()
            hits = server.search(query)["hits"]
            query_ms.append(1000 * (time.perf_counter() - began))
            answers.append([(hit["location"]["uri"], hit["location"]["range"]["start"]["line"]) for hit in hits])
    return {
        "queryMs": query_ms,
        "answers": answers,
        "memory": {"atRest": at_rest, "afterQueries": resident_mib(server.process.pid)},
        "allMib": proportional_mib(server.process.pid),
    }


def _add_rows(trial: Trial, how: str, found: dict[str, Any]) -> None:
    memory = found["memory"]["afterQueries"]
    for percent, most in ((50, None), (95, _TAIL_MS)):
        trial.row(f"{how}: query p{percent}, at the client", percentile(found["queryMs"], percent), "ms", most)
    trial.row(f"{how}: server memory (RSS), after the queries", memory["VmRSS"], "MiB", _MOST_MIB)
    trial.row(f"{how}: … of that not of files", memory["RssAnon"], "MiB")
    trial.row(f"{how}: server memory (RSS), peak", memory["VmHWM"], "MiB", _MOST_MIB)
    trial.row(f"{how}: all processes (PSS), after the queries", found["allMib"], "MiB")
    trial.row(f"{how}: all processes (PSS), peak", found["peakMib"], "MiB")


def _recall(found: Sequence[Any], wanted: Sequence[Any]) -> float:
    return len(set(found) & set(wanted)) / max(len(set(wanted)), 1)


def _watch(server: Server) -> list[dict[str, Any]]:
    """Wait until the index is complete; returns what the status said on the way, every few seconds."""
    seen: list[dict[str, Any]] = []
    began = time.monotonic()
    while True:
        status = server.status()
        now = time.monotonic() - began
        if not seen or now - seen[-1]["seconds"] > 5.0 or status["quiescent"]:
            keys = ("phase", "files", "chunks", "pending", "memoryBytes", "indexBytes")
            seen.append({"seconds": now, **{key: status[key] for key in keys}})
        if status["quiescent"]:
            return seen
        if now > _PATIENCE:
            raise TimeoutError(f"not indexed in {_PATIENCE:.0f} s")
        time.sleep(0.25)


SCENARIO = Scenario(measure, ("large", "mid", "small"))
