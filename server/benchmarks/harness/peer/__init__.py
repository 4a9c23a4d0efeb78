"""The peer, semble, measured in a process of its own."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from benchmarks.harness.memory import PeakMemory

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class PeerRound:
    """One run of the peer on one folder, from a cold start."""

    version: str
    import_seconds: float
    #: Import, loading of the model and indexing.
    index_seconds: float
    files: int
    chunks: int
    #: One entry for each search.
    query_ms: list[float]
    peak_mib: float


@dataclass(frozen=True, slots=True)
class PeerAnswers:
    """What the peer found."""

    version: str
    #: For each query its hits, best first: path relative to the folder, first and last line from 1.
    hits: list[list[tuple[str, int, int]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which peer is measured."""
    parser.add_argument("--peer-python", type=Path, help="the Python of an environment with semble in it")
    parser.add_argument("--peer-model", default="", help="the peer's model; `own` is what it downloads itself")


def model_of(arguments: argparse.Namespace, scratch: Path, folders: Sequence[Path]) -> str:
    """The model that was asked for; without one, a stand-in that is made in ``scratch``. Raises CalledProcessError."""
    chosen = str(arguments.peer_model)
    if chosen or not arguments.peer_python:
        return "" if chosen == "own" else chosen
    print("The peer runs with random weights of its model's shape: times and memory, no quality.", file=sys.stderr)
    make_stand_in(arguments.peer_python, scratch / "peer-model", folders)
    return str(scratch / "peer-model")


def make_stand_in(python: Path, model: Path, folders: Sequence[Path]) -> None:
    """Build a model of the peer's shape in ``model``. Raises CalledProcessError."""
    subprocess.run([python, _HERE / "stand_in.py", model, *folders], check=True)


def measure(python: Path, folder: Path, model: str, queries: Sequence[str], runs: int) -> PeerRound:
    """``model`` is a folder or a name, empty for the peer's own. Raises CalledProcessError."""
    result, peak_mib = _run(python, folder, model, queries, runs=runs, top=10, alpha=None)
    return PeerRound(
        version=result["version"],
        import_seconds=result["importSeconds"],
        index_seconds=result["indexSeconds"],
        files=result["files"],
        chunks=result["chunks"],
        query_ms=result["queryMs"],
        peak_mib=peak_mib,
    )


def search(
    python: Path, folder: Path, model: str, queries: Sequence[str], *, top: int, alpha: float | None
) -> PeerAnswers:
    """What the peer finds. ``alpha`` is how much its vectors count, from 0 to 1; None is its own choice.

    Raises CalledProcessError.
    """
    result, _ = _run(python, folder, model, queries, runs=1, top=top, alpha=alpha)
    return PeerAnswers(
        result["version"], [[(path, first, last) for path, first, last in hits] for hits in result["hits"]]
    )


class Asked:
    """The peer with a folder indexed, which waits for questions as a server does. Leaving the `with` ends it."""

    def __init__(self, python: Path, folder: Path, model: str) -> None:
        """Returns once the folder is indexed. Raises CalledProcessError."""
        self._stack = ExitStack()
        self._process = self._stack.enter_context(_worker(python, folder, model, (), runs=0, top=10, alpha=None))
        if not self._line():
            self._stack.close()
            raise subprocess.CalledProcessError(self._process.returncode, "the peer")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def ask(self, query: str) -> float:
        """How many milliseconds the search takes, in the peer's process."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(query) + "\n")
        self._process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def _run(
    python: Path, folder: Path, model: str, queries: Sequence[str], *, runs: int, top: int, alpha: float | None
) -> tuple[Any, float]:
    """What the worker printed, and its peak memory in MiB."""
    with (
        _worker(python, folder, model, queries, runs=runs, top=top, alpha=alpha) as process,
        PeakMemory(process.pid) as memory,
    ):
        output, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, "the peer")
    return json.loads(output), memory.mib


@contextmanager
def _worker(
    python: Path, folder: Path, model: str, queries: Sequence[str], *, runs: int, top: int, alpha: float | None
) -> Iterator[subprocess.Popen[str]]:
    with tempfile.TemporaryDirectory(prefix="conexus-peer-") as scratch:
        job = Path(scratch, "job.json")
        asked = {"folder": str(folder), "model": model, "queries": [*queries], "runs": runs, "top": top, "alpha": alpha}
        job.write_text(json.dumps(asked), encoding="utf-8")
        # A cache of its own: nothing from an earlier run helps.
        environment = {**os.environ, "SEMBLE_CACHE_LOCATION": scratch}
        if model:
            environment["HF_HUB_OFFLINE"] = "1"
        command = [str(part) for part in (python, _HERE / "worker.py", job)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True) as process:
            yield process
