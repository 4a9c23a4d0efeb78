"""A start on an index that is there already, with nothing changed and with a hundred changed files."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.client import Server
from benchmarks.edits import editable_files, is_found, new_word
from benchmarks.live_compare import compare_with_fresh, comparison_rows, defects_of
from benchmarks.live_job import Figure, Job, Row, session, wait_until_stored

_CHANGED_FILES = 100
_GRACE_SECONDS = 1.5
_PATIENCE = 120.0
_IMPORT = "import time; began = time.perf_counter(); import lancedb; print(time.perf_counter() - began)"


def measure(job: Job) -> Figure:
    dice = random.Random(job.numbers.seed)  # noqa: S311  repeatable, not secret
    size = job.size("large", "mid", "small")
    figure = Figure()
    with job.copy(size) as folder, job.folder("data") as data:
        with session(folder, data) as server:
            server.initialize()
            cold = server.wait_until_indexed()
            wait_until_stored(data)
            expected = _answer(server, job.queries[0])
            server.stop()
        rounds, imports = [], []
        for _ in range(job.numbers.rounds):
            imports.append(float(subprocess.check_output([sys.executable, "-c", _IMPORT])))
            rounds.append(_start(folder, data, job.queries[0], expected))
        changed = _after_changes(job, folder, data, dice)
    lancedb = statistics.median(imports)
    most = lancedb + _GRACE_SECONDS
    figure.rows = [
        Row("`import lancedb` in a fresh process", size, lancedb, "s"),
        Row("first answer, after the start of the process", size, _median(rounds, "answeredSeconds"), "s", most),
        Row("first answer, after `initialize`", size, _median(rounds, "answeredAfterInitialize"), "s"),
        Row("the same answer as before the stop", size, _median(rounds, "sameSeconds"), "s"),
        Row("quiescent, nothing changed", size, _median(rounds, "quiescentSeconds"), "s"),
        Row("files at the first answer", size, statistics.median(each["filesAtFirst"] for each in rounds), ""),
        Row(f"quiescent, {changed['files']} files changed", size, changed["quiescentSeconds"], "s"),
        *(Row(f"… {name}", size, value, "") for name, value in changed["embedded"].items()),
        *comparison_rows(size, changed["comparison"]),
    ]
    figure.measured = {"cold": cold, "importSeconds": imports, "starts": rounds, "changed": changed}
    for each in rounds:
        if any(each["status"][key] != cold[key] for key in ("files", "chunks")):
            figure.defects.append(f"a warm start changed the counts of files and chunks: {each['status']}")
    figure.defects += defects_of(changed["comparison"], "after a warm start with changed files")
    if changed["missing"]:
        figure.defects.append(
            f"{changed['missing']} of {changed['files']} files changed while it was down are not found"
        )
    return figure


def _start(folder: Path, data: Path, query: str, expected: list[Any]) -> dict[str, Any]:
    """One warm start; times from the start of the process."""
    began = time.perf_counter()
    with session(folder, data) as server:
        server.initialize()
        initialized = time.perf_counter()
        answered = same = 0.0
        first: dict[str, Any] = {}
        while not same:
            answer = server.ask("conexus/search", {"query": query, "limit": 10})
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
        server.stop()
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


def _after_changes(job: Job, folder: Path, data: Path, dice: random.Random) -> dict[str, Any]:
    """Change files while no server runs, then start one."""
    words = {}
    for file in editable_files(folder, _CHANGED_FILES, dice):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        words[file] = new_word(dice)
        lines.insert(len(lines) // 2, f"{words[file]}\n")
        file.write_text("".join(lines), encoding="utf-8")
    began = time.perf_counter()
    with session(folder, data) as server:
        server.initialize()
        status = server.wait_until_indexed()
        quiescent = time.perf_counter() - began
        missing = sum(not is_found(server, file, word) for file, word in words.items())
        comparison = compare_with_fresh(job, server, _CHANGED_FILES, dice)
        server.stop()
    embedded = {name: value for name, value in status.items() if "embed" in name.lower() and isinstance(value, int)}
    return {
        "files": len(words),
        "quiescentSeconds": quiescent,
        "missing": missing,
        "embedded": embedded,
        "status": status,
        "comparison": comparison,
    }


def _answer(server: Server, query: str) -> list[Any]:
    return _places(server.ask("conexus/search", {"query": query, "limit": 10}))


def _places(answer: dict[str, Any]) -> list[Any]:
    return [hit["location"] for hit in answer["hits"]]


def _median(rounds: list[dict[str, Any]], key: str) -> float:
    return float(statistics.median(each[key] for each in rounds))
