"""What the live figures share: the workspaces, a session with a server, and how a figure is reported."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from benchmarks.client import Server
from benchmarks.memory import processes_with

# Every process of a session has this variable in its environment.
_MARK = "CONEXUS_BENCHMARK_SESSION"

_STILL_SECONDS = 10.0
_LEAST_BYTES = 100_000
_TROUBLE = ("Traceback", " ERROR ", " CRITICAL ")
_MOST_TROUBLE = 20
_CUT_SHORT = ("EOFError", "_pickle.UnpicklingError: pickle data was truncated")


class NotHere(RuntimeError):
    """A figure needs what this environment does not have."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """How much is measured."""

    rounds: int = 3
    edits: int = 40
    saves: int = 10_000
    kills: int = 200
    switches: int = 20
    copies: int = 9
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be measured. The given workspaces are copied and never written to."""

    #: By size: `small`, `mid`, `large`.
    workspaces: Mapping[str, Path]
    scratch: Path
    numbers: Numbers
    queries: Sequence[str]
    #: None if there is no peer to compare with.
    peer_python: Path | None = None
    #: Where the peer's model lies; empty for its own.
    peer_model: str = ""

    def size(self, *sizes: str) -> str:
        """The first of these sizes that was given, else any. Raises ValueError if there is no workspace."""
        for size in (*sizes, *self.workspaces):
            if size in self.workspaces:
                return size
        raise ValueError("this figure needs a workspace")

    @contextlib.contextmanager
    def copy(self, size: str) -> Iterator[Path]:
        """A copy of a workspace that may be changed.

        It has a folder `.git`, as what people open in an editor mostly has: by that the server knows a project.
        """
        with self.folder("workspace") as parent:
            copy = parent / self.workspaces[size].resolve().name
            shutil.copytree(self.workspaces[size], copy, symlinks=True)
            (copy / ".git").mkdir(exist_ok=True)
            yield copy

    @contextlib.contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """An empty folder for as long as it is needed."""
        # Files may still be written there by the processes of a server that was killed.
        with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=self.scratch, ignore_cleanup_errors=True) as folder:
            yield Path(folder).resolve()


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. It has one bar at most."""

    name: str
    workspace: str
    value: float
    unit: str
    #: The value may be at most this …
    most: float | None = None
    #: … or this much of the peer's.
    most_ratio: float | None = None
    #: … or must be at least this.
    least: float | None = None
    peer: float | None = None

    @property
    def ratio(self) -> float | None:
        """Of the peer's value."""
        return self.value / self.peer if self.peer else None

    @property
    def share(self) -> float | None:
        """How much of what the bar allows is used: at most 1 if it is met. None if there is no bar, or it is zero."""
        if self.most:
            return self.value / self.most
        if self.least is not None and self.value:
            return self.least / self.value
        if self.most_ratio is not None and self.ratio is not None:
            return self.ratio / self.most_ratio
        return None

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None if there is none, or no peer to hold it to."""
        if self.most is not None:
            return self.value <= self.most
        if self.least is not None:
            return self.value >= self.least
        if self.most_ratio is not None and self.ratio is not None:
            return self.ratio <= self.most_ratio
        return None


@dataclass(slots=True)
class Figure:
    """What one figure family found."""

    rows: list[Row] = field(default_factory=list)
    #: Every single measurement, for the JSON.
    measured: dict[str, Any] = field(default_factory=dict)
    #: What should not have happened, in words.
    defects: list[str] = field(default_factory=list)
    #: How long it took to measure.
    minutes: float = 0.0

    def as_json(self) -> dict[str, Any]:
        rows = [{**asdict(row), "ratio": row.ratio, "met": row.met} for row in self.rows]
        return {"rows": rows, "defects": self.defects, "minutes": self.minutes, "measured": self.measured}


def for_each_workspace(
    job: Job, measured: Callable[[Job, Path], Any], rows: Callable[[str, Any], Iterable[Row]]
) -> Figure:
    """What is ``measured`` in a copy of each workspace, and the ``rows`` of that, given the size."""
    figure = Figure()
    for size in job.workspaces:
        with job.copy(size) as folder:
            found = measured(job, folder)
        figure.measured[size] = found
        figure.rows += rows(size, found)
    return figure


@contextlib.contextmanager
def session(
    folder: Path, data: Path, *, log: Path | None = None, name: str = "", environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A server on a folder, not initialized yet. ``name`` marks all its processes; ``log`` gets what it says."""
    command = [sys.executable, "-m", "conexus", "serve", "--stdio"]
    variables = {**(environment or {}), "CONEXUS_DATA_DIR": str(data), _MARK: _mark(name)}
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(log.open("ab")) if log else None
        yield stack.enter_context(Server(command, folder, environment=variables, log=output))


def processes_left(name: str, seconds: float) -> list[int]:
    """The processes of the sessions of this name that still run after some seconds; returns at once if none does."""
    deadline = time.monotonic() + seconds
    while (left := processes_with(_MARK, _mark(name))) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _mark(name: str) -> str:
    # Another run of the benchmark has sessions of the same names.
    return f"{os.getpid()}-{name}"


def trouble(log: Path) -> list[str]:
    """The lines of a server's log that tell of an error, the first few of them; of a traceback its last line, too."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    found = []
    for number, line in enumerate(lines):
        if line.startswith("Traceback"):
            frames = list(takewhile(lambda each: each.startswith(" "), lines[number + 1 :]))
            error = "".join(lines[number + 1 + len(frames) :][:1])
            # A child process that was being started when the server was killed: it is gone, too.
            if "in spawn_main" not in "".join(frames) or not error.startswith(_CUT_SHORT):
                found.append(f"{line} {error}")
        elif any(word in line for word in _TROUBLE):
            found.append(line)
    return found[:_MOST_TROUBLE]


def size_of(folder: Path) -> tuple[int, int]:
    """Bytes and number of the files below a folder, which may be changing."""
    total = count = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file():
                total += path.stat().st_size
                count += 1
    return total, count


def wait_until_stored(data: Path, *, patience: float = 300.0) -> float:
    """Wait until nothing in a data directory has changed for some seconds; returns how long it took to get there.

    An index that is complete is in memory; it is written a little later. Raises TimeoutError.
    """
    began = changed = time.monotonic()
    before = (0, 0)
    while time.monotonic() - began < patience:
        now = size_of(data)
        if now != before:
            before, changed = now, time.monotonic()
        # A lock file and the like are there from the start.
        elif now[0] > _LEAST_BYTES and time.monotonic() - changed > _STILL_SECONDS:
            return changed - began
        time.sleep(0.1)
    raise TimeoutError(f"the index was not stored within {patience:.0f} s")
