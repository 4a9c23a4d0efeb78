"""Time and memory of the server on real workspaces, beside the peer in the same run. See README.md here.

python -m benchmarks.latency FOLDER… [--peer-python PYTHON] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness import edits, peer
from benchmarks.harness.beside import all_of, in_turns, index_rows
from benchmarks.harness.client import Server, time_queries
from benchmarks.harness.figure import Figure, table
from benchmarks.harness.job import QUERIES, Job, Numbers
from benchmarks.harness.machine import write_report
from benchmarks.harness.memory import PeakMemory
from benchmarks.harness.table import median_of
from benchmarks.harness.trial import Scenario, Trial

_EDITED_FILES = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="copied first, never written to")
    peer.add_arguments(parser)
    parser.add_argument("--queries", type=Path, help="a JSON list of queries, or of repositories with queries")
    parser.add_argument("--rounds", type=int, default=3, help="cold starts of each (default 3)")
    parser.add_argument("--runs", type=int, default=3, help="times that every query is asked in a round (default 3)")
    parser.add_argument("--edits", type=int, default=20, help="edits of each kind in a round (default 20)")
    parser.add_argument("--out", type=Path, help="write every measurement as JSON")
    arguments = parser.parse_args()
    for folder in arguments.folders:
        if not folder.is_dir():
            parser.error(f"there is no folder {folder}")

    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="conexus-benchmark-") as temporary:
        scratch = Path(temporary)
        model = peer.model_of(arguments, scratch, arguments.folders)
        for folder in arguments.folders:
            name = folder.resolve().name
            job = Job(
                workspaces={name: folder},
                scratch=scratch,
                numbers=Numbers(rounds=arguments.rounds, edits=arguments.edits),
                queries=_queries(arguments.queries, name),
                peer_python=arguments.peer_python,
                peer_model=model,
            )
            figures.append(Scenario(partial(measure, runs=arguments.runs), project=False).take(job))
            print(table(f"{name} ({arguments.rounds} rounds, {len(job.queries)} queries)", figures[-1]), flush=True)
    report = {"peerModel": arguments.peer_model or "stand-in", "workspaces": [each.as_json() for each in figures]}
    write_report(arguments.out, report)
    return 0


def measure(trial: Trial, runs: int) -> None:
    """Rounds of both in turns; in each, every query is asked ``runs`` times."""
    ours, theirs = in_turns(trial, lambda: _round(trial, runs), runs)
    trial.measured(queries=len(trial.job.queries), conexus=ours, semble=theirs)
    trial.row("`initialize` answered", median_of(ours, "initializeSeconds"), "s")
    index_rows(trial, ours, theirs)
    peer_ms = all_of(theirs, "query_ms")
    for name, key in (("at the client", "queryMs"), ("`tookMs`", "tookMs")):
        for percent in (50, 95):
            trial.percentile(f"query p{percent}, {name}", all_of(ours, key), percent, peer=peer_ms)
    trial.spread("keystroke to searchable", all_of(ours, "keystrokeMs"))
    trial.spread("save to searchable", all_of(ours, "saveMs"))
    trial.spread("write by another program to searchable", all_of(ours, "diskMs"))


def _round(trial: Trial, runs: int) -> dict[str, Any]:
    """One session with an empty data directory. Edits are taken back."""
    job, count = trial.job, trial.job.numbers.edits
    with job.folder("data") as data:
        started = time.perf_counter()
        with Server(trial.folder, data) as server, PeakMemory(server.process.pid) as memory:
            server.initialize()
            initialized = time.perf_counter()
            server.wait_for_a_hit(job.queries[0])
            answered = time.perf_counter()
            status = server.wait_until_indexed()
            indexed = time.perf_counter()
            times = time_queries(server, job.queries, runs)
            files = edits.editable_files(trial.folder, _EDITED_FILES, trial.dice)
            with edits.put_back(files):
                times["keystrokeMs"] = edits.keystroke_ms(server, files, count, trial.dice)
                times["saveMs"] = edits.save_ms(server, files, count, trial.dice, told=True)
                times["diskMs"] = edits.save_ms(server, files, count, trial.dice, told=False)
            peak = memory.mib
            server.stop()
    return {
        "initializeSeconds": initialized - started,
        "firstAnswerSeconds": answered - initialized,
        "indexSeconds": indexed - initialized,
        "files": status["files"],
        "chunks": status["chunks"],
        **times,
        "peakMib": peak,
    }


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
