"""Time and memory of the server on real workspaces, beside the peer in the same run. See README.md here.

python -m benchmarks.latency FOLDER… [--peer-python PYTHON] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import edits, peer
from benchmarks.client import Server, time_queries
from benchmarks.machine import machine
from benchmarks.memory import PeakMemory
from benchmarks.table import comparison

QUERIES = (
    "where are errors turned into responses",
    "parse command line arguments",
    "retry after a failure with a delay",
    "read the configuration file",
    "open a connection",
    "close and release resources",
    "validate user input",
    "convert a value to a string",
    "cache of computed results",
    "spawn a background task",
    "compare two versions",
    "test that a timeout is raised",
    "encode as json",
    "log a warning",
    "iterate over all children of a node",
    "default settings",
    "merge two dictionaries",
    "cancel what is running",
    "Connection",
    "get_name",
)


@dataclass(frozen=True, slots=True)
class ServerRound:
    """One session with the server on one folder, from a cold start with an empty data directory."""

    #: From the start of the process.
    initialize_seconds: float
    #: From the answer to initialize to the first search with a hit.
    first_answer_seconds: float
    #: From the answer to initialize to a complete index.
    index_seconds: float
    files: int
    chunks: int
    #: As the client sees it, and as the server says (``tookMs``).
    query_ms: list[float]
    took_ms: list[float]
    peak_mib: float
    keystroke_ms: list[float] = field(default_factory=list)
    save_ms: list[float] = field(default_factory=list)
    disk_ms: list[float] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="copied first, never written to")
    parser.add_argument("--peer-python", type=Path, help="the Python of an environment with semble in it")
    parser.add_argument("--peer-model", default="", help="the peer's model; `own` is what it downloads itself")
    parser.add_argument("--queries", type=Path, help="a JSON list of queries, or of repositories with queries")
    parser.add_argument("--rounds", type=int, default=3, help="cold starts of each (default 3)")
    parser.add_argument("--runs", type=int, default=3, help="times that every query is asked in a round (default 3)")
    parser.add_argument("--edits", type=int, default=20, help="edits of each kind in a round (default 20)")
    parser.add_argument("--out", type=Path, help="write every measurement as JSON")
    arguments = parser.parse_args()
    for folder in arguments.folders:
        if not folder.is_dir():
            parser.error(f"there is no folder {folder}")

    with tempfile.TemporaryDirectory(prefix="conexus-benchmark-") as scratch:
        model = {"own": "", "": str(Path(scratch, "model"))}.get(arguments.peer_model, arguments.peer_model)
        if arguments.peer_python and not arguments.peer_model:
            print(
                "The peer runs with random weights of its model's shape: times and memory, no quality.", file=sys.stderr
            )
            peer.make_stand_in(arguments.peer_python, Path(model), arguments.folders)
        results = []
        for folder in arguments.folders:
            copy = Path(scratch, "workspaces", folder.resolve().name)
            shutil.copytree(folder, copy, symlinks=True)
            result = _measure(copy, _queries(arguments.queries, copy.name), model, arguments)
            shutil.rmtree(copy)
            results.append(result)
            print(comparison(result), flush=True)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        taken_with = {**machine(), "load": os.getloadavg()}
        report = {"machine": taken_with, "peerModel": arguments.peer_model or "stand-in", "workspaces": results}
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def _measure(folder: Path, queries: Sequence[str], model: str, arguments: argparse.Namespace) -> dict[str, Any]:
    ours: list[ServerRound] = []
    theirs: list[peer.PeerRound] = []

    def measure_ours() -> None:
        ours.append(measure(folder, queries, arguments.runs, arguments.edits))

    def measure_theirs() -> None:
        if arguments.peer_python:
            theirs.append(peer.measure(arguments.peer_python, folder, model, queries, arguments.runs))

    for number in range(arguments.rounds):
        # In turns, so that a busy spell of the machine or a warm file cache favours neither.
        for step in (measure_ours, measure_theirs) if number % 2 == 0 else (measure_theirs, measure_ours):
            step()
    return {
        "workspace": folder.name,
        "queries": len(queries),
        "conexus": [asdict(each) for each in ours],
        "semble": [asdict(each) for each in theirs],
    }


def measure(folder: Path, queries: Sequence[str], runs: int, edit_count: int) -> ServerRound:
    """One session. Edits are written to ``folder`` and taken back."""
    dice = random.Random(0)  # noqa: S311  repeatable, not secret
    command = [sys.executable, "-m", "conexus", "serve", "--stdio"]
    with tempfile.TemporaryDirectory(prefix="conexus-data-") as data:
        started = time.perf_counter()
        with (
            Server(command, folder, environment={"CONEXUS_DATA_DIR": data}) as server,
            PeakMemory(server.process.pid) as memory,
        ):
            server.initialize()
            initialized = time.perf_counter()
            while not server.ask("conexus/search", {"query": queries[0]})["hits"]:
                time.sleep(0.01)
            answered = time.perf_counter()
            status = server.wait_until_indexed()
            indexed = time.perf_counter()
            asked = [time_queries(server, queries) for _ in range(runs)]
            files = edits.editable_files(folder, 5, dice)
            before = {file: file.read_bytes() for file in files}
            try:
                keystroke = edits.keystroke_ms(server, files, edit_count, dice)
                save = edits.save_ms(server, files, edit_count, dice, told=True)
                disk = edits.save_ms(server, files, edit_count, dice, told=False)
            finally:
                for file, content in before.items():
                    file.write_bytes(content)
            peak = memory.mib
            server.stop()
    return ServerRound(
        initialize_seconds=initialized - started,
        first_answer_seconds=answered - initialized,
        index_seconds=indexed - initialized,
        files=status["files"],
        chunks=status["chunks"],
        query_ms=[ms for query_ms, _ in asked for ms in query_ms],
        took_ms=[ms for _, took_ms in asked for ms in took_ms],
        peak_mib=peak,
        keystroke_ms=keystroke,
        save_ms=save,
        disk_ms=disk,
    )


def _queries(file: Path | None, workspace: str) -> Sequence[str]:
    if file is None:
        return QUERIES
    given = json.loads(file.read_text(encoding="utf-8"))
    if all(isinstance(entry, str) for entry in given):
        return list(given)
    found = [query["query"] for entry in given if entry["name"] == workspace for query in entry["queries"]]
    return found or QUERIES


if __name__ == "__main__":
    sys.exit(main())
