"""Is the index live at every scale? Measures it through the real server, with the bars beside. See README.md here.

python -m benchmarks.live FIGURE… [--small DIR] [--mid DIR] [--large DIR] [--peer-python PYTHON] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path

from benchmarks import (
    live_asking,
    live_branches,
    live_cancelling,
    live_cold,
    live_faults,
    live_first,
    live_growth,
    live_kills,
    live_million,
    live_plot,
    live_processes,
    live_reuse,
    live_saves,
    live_typing,
    live_warm,
    peer,
)
from benchmarks.latency import QUERIES
from benchmarks.live_job import Figure, Job, NotHere, Numbers, Row
from benchmarks.machine import machine
from benchmarks.quality_plot import NoPlotting
from benchmarks.table import amount

FIGURES: Mapping[str, Callable[[Job], Figure]] = {
    "typing": live_typing.measure,
    "saves": live_saves.measure,
    "cold": live_cold.measure,
    "asking": live_asking.measure,
    "first": live_first.measure,
    "cancelling": live_cancelling.measure,
    "warm": live_warm.measure,
    "branches": live_branches.measure,
    "processes": live_processes.measure,
    "growth": live_growth.measure,
    "kills": live_kills.measure,
    "faults": live_faults.measure,
    "reuse": live_reuse.measure,
    "million": live_million.measure,
}
_SIZES = ("small", "mid", "large")
_HELP = {
    "rounds": "starts of each kind",
    "edits": "edits of each kind",
    "saves": "saves of `growth`",
    "kills": "rounds of `kills`",
    "switches": "switches in a row of `branches`",
    "copies": "copies of the large workspace for `million`",
    "seed": "what chance starts from",
}
_SWITCH_SECONDS = 0.0005


def main() -> int:
    arguments = _arguments()
    # Threads of this client must not make each other's clocks late.
    sys.setswitchinterval(_SWITCH_SECONDS)
    chosen = [*FIGURES] if "all" in arguments.figures else list(dict.fromkeys(arguments.figures))
    figures: dict[str, Figure] = {}
    failed = False
    with tempfile.TemporaryDirectory(prefix="conexus-live-") as temporary:
        job = _job(arguments, Path(arguments.scratch or temporary), not {"asking", "cold"}.isdisjoint(chosen))
        for name in chosen:
            began = time.monotonic()
            try:
                figures[name] = FIGURES[name](job)
            except NotHere as error:
                figures[name] = Figure(defects=[f"not measured: {error}"])
            except Exception:  # noqa: BLE001  the other figures are worth having
                failed = True
                figures[name] = Figure(defects=[traceback.format_exc()])
            figures[name].minutes = (time.monotonic() - began) / 60
            print(table(name, figures[name]), flush=True)
            if arguments.out:
                _write(arguments.out, figures)
    if arguments.plot:
        try:
            live_plot.draw({name: figure for name, figure in figures.items() if figure.rows}, arguments.plot)
        except NoPlotting as error:
            print(error, file=sys.stderr)
    return int(failed)


def table(name: str, figure: Figure) -> str:
    """A figure family as Markdown, with what should not have happened below it."""
    lines = [
        f"\n### {name}\n",
        "| | workspace | here | bar | semble | ratio | |",
        "|---|---|---:|---:|---:|---:|---|",
        *(_line(row) for row in figure.rows),
    ]
    lines += [f"\nDEFECT: {defect}" for defect in figure.defects]
    return "\n".join(lines)


def _line(row: Row) -> str:
    bar = "–"
    if row.most is not None:
        bar = f"≤ {amount(row.most, row.unit)}"
    elif row.least is not None:
        bar = f"≥ {amount(row.least, row.unit)}"
    elif row.most_ratio is not None:
        bar = f"≤ {row.most_ratio:g} ×"
    ratio = "–" if row.ratio is None else f"{row.ratio:.2f}"
    met = {None: "", True: "met", False: "MISSED"}[row.met]
    value, peers = amount(row.value, row.unit), amount(row.peer, row.unit)
    return f"| {row.name} | {row.workspace} | {value} | {bar} | {peers} | {ratio} | {met} |"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="+", choices=[*FIGURES, "all"], metavar="FIGURE", help=", ".join(FIGURES))
    for size in _SIZES:
        parser.add_argument(f"--{size}", type=Path, metavar="DIR", help="a workspace; copied, never written to")
    parser.add_argument("--peer-python", type=Path, help="the Python of an environment with semble in it")
    parser.add_argument("--peer-model", default="", help="the peer's model; `own` is what it downloads itself")
    parser.add_argument("--scratch", type=Path, help="where copies are made; the million chunks stay there for later")
    for each in fields(Numbers):
        text = f"{_HELP[each.name]} (default {each.default})"
        parser.add_argument(f"--{each.name}", type=int, default=each.default, metavar="N", help=text)
    parser.add_argument("--out", type=Path, help="write every measurement as JSON")
    parser.add_argument("--plot", type=Path, help="draw a picture; needs matplotlib")
    arguments = parser.parse_args()
    given = [getattr(arguments, size) for size in _SIZES if getattr(arguments, size)]
    if not given:
        parser.error("at least one of --small, --mid and --large is needed")
    for folder in given:
        if not folder.is_dir():
            parser.error(f"there is no folder {folder}")
    return arguments


def _job(arguments: argparse.Namespace, scratch: Path, peer_runs: bool) -> Job:
    workspaces = {size: getattr(arguments, size) for size in _SIZES if getattr(arguments, size)}
    scratch.mkdir(parents=True, exist_ok=True)
    model = arguments.peer_model
    if arguments.peer_python and not model and peer_runs:
        print("The peer runs with random weights of its model's shape: times and memory, no quality.", file=sys.stderr)
        model = str(scratch / "peer-model")
        try:
            peer.make_stand_in(arguments.peer_python, Path(model), [*workspaces.values()])
        except subprocess.CalledProcessError as error:
            sys.exit(f"the peer's Python cannot make a model: {error}")
    return Job(
        workspaces=workspaces,
        scratch=scratch,
        numbers=Numbers(**{each.name: getattr(arguments, each.name) for each in fields(Numbers)}),
        queries=QUERIES,
        peer_python=arguments.peer_python,
        peer_model="" if model == "own" else model,
    )


def _write(out: Path, figures: Mapping[str, Figure]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "machine": {**machine(), "load": os.getloadavg()},
        "figures": {name: figure.as_json() for name, figure in figures.items()},
    }
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
