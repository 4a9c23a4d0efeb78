"""A start on an index that is there already, with nothing changed and with a hundred changed files."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.harness.client import session
from benchmarks.harness.edits import editable_files, insert_word, is_found
from benchmarks.harness.table import median_of
from benchmarks.harness.trial import Scenario, Trial

_CHANGED_FILES = 100
_GRACE_SECONDS = 1.5
_PATIENCE = 120.0
_IMPORT = "import time; began = time.perf_counter(); import lancedb; print(time.perf_counter() - began)"


def measure(trial: Trial) -> None:
    query = trial.job.queries[0]
    rounds, imports = [], []
    with trial.job.folder("data") as data:
        with trial.session("stored", data=data) as server:
            cold = server.status()
            expected = _places(server.search(query))
        for _ in range(trial.job.numbers.rounds):
            imports.append(float(subprocess.check_output([sys.executable, "-c", _IMPORT])))
            rounds.append(_start(trial.folder, data, query, expected))
        changed = _after_changes(trial, data)
    lancedb = statistics.median(imports)
    trial.row("`import lancedb` in a fresh process", lancedb, "s")
    for name, key, most in (
        ("first answer, after the start of the process", "answeredSeconds", lancedb + _GRACE_SECONDS),
        ("first answer, after `initialize`", "answeredAfterInitialize", None),
        ("the same answer as before the stop", "sameSeconds", None),
        ("quiescent, nothing changed", "quiescentSeconds", None),
    ):
        trial.row(name, median_of(rounds, key), "s", most)
    trial.row("files at the first answer", median_of(rounds, "filesAtFirst"))
    trial.row(f"quiescent, {changed['files']} files changed", changed["quiescentSeconds"], "s")
    for name, value in changed["embedded"].items():
        trial.row(f"… {name}", value)
    trial.measured(cold=cold, importSeconds=imports, starts=rounds, changed=changed)
    for each in rounds:
        if any(each["status"][key] != cold[key] for key in ("files", "chunks")):
            trial.defect(f"a warm start changed the counts of files and chunks: {each['status']}")
    if changed["missing"]:
        trial.defect(f"{changed['missing']} of {changed['files']} files changed while it was down are not found")


def _start(folder: Path, data: Path, query: str, expected: list[Any]) -> dict[str, Any]:
    """One warm start; times from the start of the process."""
    began = time.perf_counter()
    with session(folder, data) as server:
        initialized = time.perf_counter()
        answered = same = 0.0
        first: dict[str, Any] = {}
        while not same:
            answer = server.search(query)
            now = time.perf_counter()
            if answer["hits"] and answer["index"]["indexedFiles"] and not answered:
                answered, first = now, answer["index"]
            if _places(answer) == expected:
                same = now
            elif now - began > _PATIENCE:
                raise TimeoutError(f"a warm start does not answer as before within {_PATIENCE:.0f} s")
            time.sleep(0.01)
        status = server.wait_until_indexed()
        quiescent = time.perf_counter()
    return {
        "initializeSeconds": initialized - began,
        "answeredSeconds": answered - began,
        "answeredAfterInitialize": answered - initialized,
        "sameSeconds": same - began,
        "quiescentSeconds": quiescent - began,
        "filesAtFirst": first["indexedFiles"],
        "indexAtFirst": first,
        "status": status,
    }


def _after_changes(trial: Trial, data: Path) -> dict[str, Any]:
    """Change files while no server runs, then start one."""
    files = editable_files(trial.folder, _CHANGED_FILES, trial.dice)
    words = {file: insert_word(file, trial.dice, anywhere=False) for file in files}
    began = time.perf_counter()
    with trial.session("indexed", data=data) as server:
        quiescent = time.perf_counter() - began
        status = server.status()
        missing = sum(not is_found(server, file, word) for file, word in words.items())
        trial.compare(server, "after a warm start with changed files", words=_CHANGED_FILES)
    embedded = {name: value for name, value in status.items() if "embed" in name.lower() and isinstance(value, int)}
    return {
        "files": len(words),
        "quiescentSeconds": quiescent,
        "missing": missing,
        "embedded": embedded,
        "status": status,
    }


def _places(answer: dict[str, Any]) -> list[Any]:
    return [hit["location"] for hit in answer["hits"]]


SCENARIO = Scenario(measure, ("large", "mid", "small"))
