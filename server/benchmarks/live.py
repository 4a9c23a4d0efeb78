"""Is the index live at every scale? Measures it through the real server, with the bars beside. See README.md here.

python -m benchmarks.live FIGURE… [--small DIR] [--mid DIR] [--large DIR] [--peer-python PYTHON] [--out FILE]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import fields
from pathlib import Path

from benchmarks import live_plot
from benchmarks.harness import peer
from benchmarks.harness.figure import Figure, table
from benchmarks.harness.job import QUERIES, SIZES, Job, NotHere, Numbers
from benchmarks.harness.machine import write_report
from benchmarks.harness.plot import NoPlotting
from benchmarks.scenarios import SCENARIOS

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
    chosen = [*SCENARIOS] if "all" in arguments.figures else list(dict.fromkeys(arguments.figures))
    figures: dict[str, Figure] = {}
    failed = False
    with tempfile.TemporaryDirectory(prefix="conexus-live-") as temporary:
        job = _job(arguments, Path(arguments.scratch or temporary), not {"asking", "cold"}.isdisjoint(chosen))
        for name in chosen:
            began = time.monotonic()
            try:
                figures[name] = SCENARIOS[name].take(job)
            except NotHere as error:
                figures[name] = Figure(defects=[f"not measured: {error}"])
            except Exception:  # noqa: BLE001  the other figures are worth having
                failed = True
                figures[name] = Figure(defects=[traceback.format_exc()])
            figures[name].minutes = (time.monotonic() - began) / 60
            print(table(name, figures[name]), flush=True)
            write_report(arguments.out, {"figures": {each: figure.as_json() for each, figure in figures.items()}})
    if arguments.plot:
        try:
            live_plot.draw({name: figure for name, figure in figures.items() if figure.rows}, arguments.plot)
        except NoPlotting as error:
            print(error, file=sys.stderr)
    return int(failed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="+", choices=[*SCENARIOS, "all"], metavar="FIGURE", help=", ".join(SCENARIOS))
    for size in SIZES:
        parser.add_argument(f"--{size}", type=Path, metavar="DIR", help="a workspace; copied, never written to")
    peer.add_arguments(parser)
    parser.add_argument("--scratch", type=Path, help="where copies are made; the million chunks stay there for later")
    for each in fields(Numbers):
        text = f"{_HELP[each.name]} (default {each.default})"
        parser.add_argument(f"--{each.name}", type=int, default=each.default, metavar="N", help=text)
    parser.add_argument("--out", type=Path, help="write every measurement as JSON")
    parser.add_argument("--plot", type=Path, help="draw a picture; needs matplotlib")
    arguments = parser.parse_args()
    given = [getattr(arguments, size) for size in SIZES if getattr(arguments, size)]
    if not given:
        parser.error("at least one of --small, --mid and --large is needed")
    for folder in given:
        if not folder.is_dir():
            parser.error(f"there is no folder {folder}")
    return arguments


def _job(arguments: argparse.Namespace, scratch: Path, peer_runs: bool) -> Job:
    workspaces = {size: getattr(arguments, size) for size in SIZES if getattr(arguments, size)}
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        model = peer.model_of(arguments, scratch, [*workspaces.values()]) if peer_runs else ""
    except subprocess.CalledProcessError as error:
        sys.exit(f"the peer's Python cannot make a model: {error}")
    return Job(
        workspaces=workspaces,
        scratch=scratch,
        numbers=Numbers(**{each.name: getattr(arguments, each.name) for each in fields(Numbers)}),
        queries=QUERIES,
        peer_python=arguments.peer_python,
        peer_model=model,
    )


if __name__ == "__main__":
    sys.exit(main())
