"""Damaged, deleted, full and read-only data directories, and files of odd times: told, survived, repaired."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness import edits, plot
from benchmarks.harness.client import Server, ServerError
from benchmarks.harness.data_directory import size_of, trouble
from benchmarks.harness.disks import NoFileSystem, full, read_only, small_disk
from benchmarks.harness.trial import Scenario, Trial
from benchmarks.harness.waiting import milliseconds_until, seconds_until

KINDS = ("deleted", "emptied", "cut in half", "with flipped bits", "replaced by other bytes")
_FLIPPED_BITS = 20
_EDITS = 3
#: Seconds from the epoch: its beginning, long before it, and further ahead than 32 bits count.
_ODD_TIMES = (0, -(10**9), 4 * 10**9, 9 * 10**9)
_WORDS = 30
_TOLD_SECONDS = 60.0
_HEALTHY_SECONDS = 90.0
_POLL_SECONDS = 0.1
_ENDING_SECONDS = 2.0
_ROOM, _LEAST_ROOM = 6, 64 << 20

#: Does something to a data directory.
Break = Callable[[Path], None]
#: The fault lasts as long as the ``with`` statement.
Lasting = Callable[[Path], AbstractContextManager[object]]


@dataclass(slots=True)
class Outcome:
    """What came of one fault."""

    fault: str
    #: Seconds until nothing waited any more, of each start.
    quiescent: list[float] = field(default_factory=list)
    #: Seconds until an edit under the fault was found.
    edits: list[float] = field(default_factory=list)
    #: Searches that were answered with an error.
    failed: int = 0
    #: The signal or status that the server ended with by itself.
    ended: str = ""
    #: What `conexus/status` says while the fault lasts, once it is not well, or in the end.
    health: str = ""
    message: str = ""
    #: Whether it lasts and cannot be repaired, so that the user must be told.
    to_tell: bool = False
    #: Seconds until the status is well again when the fault is over; None if it was never ill.
    healthy: float | None = None
    defects: list[str] = field(default_factory=list)

    @property
    def told(self) -> bool:
        return self.health != "ok" and bool(self.message)

    @contextlib.contextmanager
    def noting(self, server: Server) -> Iterator[None]:
        """A server that ends or does not answer is a defect of this fault, and the figure goes on."""
        try:
            yield
        except (ServerError, TimeoutError) as error:
            if isinstance(error, ServerError) and error.code:
                self.failed += 1
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.ended = _name_of(server.process.wait(_ENDING_SECONDS))
            self.defects.append(f"{self.fault}: {error}{self.ended and f'; it ended with {self.ended}'}")


def measure(trial: Trial) -> None:
    with trial.job.folder("stored") as stored, trial.job.folder("log") as logs:
        with trial.session("stored", data=stored):
            pass
        faults = _Faults(trial, stored, logs / "server.log")
        outcomes, unavailable = _all(faults)
        logged = trouble(faults.log)
    lasting = [outcome for outcome in outcomes if outcome.to_tell]
    healthy = [outcome.healthy for outcome in lasting if outcome.healthy is not None]
    trial.row("faults made", len(outcomes))
    trial.row("quiescent after a start, longest", max(s for each in outcomes for s in each.quiescent), "s")
    trial.row("an edit found in spite of the fault, longest", max(s for each in outcomes for s in each.edits), "s")
    trial.row("servers that ended by a fault", sum(bool(each.ended) for each in outcomes), most=0.0)
    trial.row("searches that failed under a fault", sum(each.failed for each in outcomes), most=0.0)
    if lasting:
        untold = sum(not outcome.told for outcome in lasting)
        trial.row(f"faults not told of, of {len(lasting)} that last", untold, most=0.0)
    if healthy:
        trial.row("well again when there is room or leave to write, longest", max(healthy), "s")
    if unavailable:
        trial.row("faults not made: no file system of its own without root", len(unavailable))
    trial.measured(outcomes=[asdict(outcome) for outcome in outcomes], notMade=unavailable, log=logged)
    for outcome in outcomes:
        trial.figure.defects += outcome.defects
        if outcome.to_tell and not outcome.told:
            trial.defect(f"{outcome.fault}: the status says {outcome.health!r} and {outcome.message!r}")


def _all(faults: _Faults) -> tuple[list[Outcome], list[str]]:
    """Make every fault; returns what came of them, and those that could not be made."""
    outcomes = []
    for kind in KINDS:
        act = partial(damage, kind=kind, dice=faults.trial.dice)
        outcomes.append(faults.at_rest(f"files {kind} while nobody runs", act))
        outcomes.append(faults.while_running(f"files {kind} while a server runs", act))
    outcomes.append(faults.while_running("the data directory deleted while a server runs", _delete_all))
    for name, change in (("odd times, nothing else", _date), ("new text, an older time", _change_and_date)):
        act = partial(change, faults.trial)
        outcomes.append(faults.at_rest(f"files with {name}, while nobody runs", act))
        outcomes.append(faults.while_running(f"files with {name}, while a server runs", act))
    unavailable = []
    room = max(_LEAST_ROOM, _ROOM * size_of(faults.stored)[0])
    for name, lasting, disk in (
        ("a full disk", full, partial(small_disk, size=room)),
        ("a read-only data directory", read_only, nullcontext),
    ):
        for from_start in (True, False):
            fault = f"{name}, {'from the start' if from_start else 'while a server runs'}"
            try:
                outcomes.append(faults.lasting(fault, lasting, disk, from_start=from_start))
            except NoFileSystem:
                unavailable.append(fault)
    return outcomes, unavailable


@dataclass(frozen=True, slots=True)
class _Faults:
    """Each fault begins with a copy of the same stored index: the workspace may have gone on since."""

    trial: Trial
    stored: Path
    log: Path

    def at_rest(self, fault: str, act: Break) -> Outcome:
        """A fault while nobody runs, then a start."""
        outcome = Outcome(fault)
        with self._data() as data:
            act(data)
            self._start(outcome, data)
        return outcome

    def while_running(self, fault: str, act: Break) -> Outcome:
        """A fault under a running server, an edit that it is told of, and another start."""
        outcome = Outcome(fault)
        with self._data() as data:
            with self._server(data) as server, outcome.noting(server):
                self._begin(outcome, server)
                act(data)
                self._edit(outcome, server)
                self._compare(outcome, server)
                outcome.health, outcome.message = _health(server)
                _stop(outcome, server)
            self._start(outcome, data)
        return outcome

    def lasting(self, fault: str, lasts: Lasting, disk: Lasting, *, from_start: bool) -> Outcome:
        """A fault that goes on until somebody does something about it. Raises NoFileSystem."""
        outcome = Outcome(fault, to_tell=True)
        with self.trial.job.folder("disk") as data, disk(data), ExitStack() as while_it_lasts:
            shutil.copytree(self.stored, data, dirs_exist_ok=True)
            if from_start:
                while_it_lasts.enter_context(lasts(data))
            with self._server(data) as server, outcome.noting(server):
                self._begin(outcome, server)
                if not from_start:
                    while_it_lasts.enter_context(lasts(data))
                for _ in range(_EDITS):
                    self._edit(outcome, server)
                _until(server, _TOLD_SECONDS, well=False)
                outcome.health, outcome.message = _health(server)
                self._compare(outcome, server)
                while_it_lasts.close()
                if outcome.told:
                    outcome.healthy = _until(server, _HEALTHY_SECONDS, well=True)
                    if outcome.healthy is None:
                        outcome.defects.append(f"{fault}: not well {_HEALTHY_SECONDS:.0f} s later: {_health(server)}")
                _stop(outcome, server)
            while_it_lasts.close()
            self._start(outcome, data)
        return outcome

    @contextlib.contextmanager
    def _data(self) -> Iterator[Path]:
        with self.trial.job.folder("data") as data:
            shutil.copytree(self.stored, data, dirs_exist_ok=True)
            yield data

    def _start(self, outcome: Outcome, data: Path) -> None:
        with self._server(data) as server, outcome.noting(server):
            self._begin(outcome, server)
            self._compare(outcome, server)
            if not outcome.health:
                outcome.health, outcome.message = _health(server)
            _stop(outcome, server)

    def _begin(self, outcome: Outcome, server: Server) -> None:
        began = time.perf_counter()
        server.initialize()
        server.wait_until_indexed()
        outcome.quiescent.append(time.perf_counter() - began)

    def _server(self, data: Path) -> Server:
        return Server(self.trial.folder, data, log=self.log)

    def _edit(self, outcome: Outcome, server: Server) -> None:
        (file,) = edits.editable_files(self.trial.folder, 1, self.trial.dice)
        word = edits.insert_word(file, self.trial.dice, anywhere=False)
        failed = outcome.failed

        def is_found() -> bool:
            try:
                return edits.is_found(server, file, word)
            except ServerError as error:
                if not error.code:  # no answer: the server has ended
                    raise
                outcome.failed += 1
                time.sleep(_POLL_SECONDS)
                return False

        try:
            seconds = milliseconds_until(is_found, partial(edits.tell, server, edits.CHANGED, file)) / 1000
            outcome.edits.append(seconds)
        finally:
            if outcome.failed > failed:
                failures = f"{outcome.failed - failed} searches for an edit were answered with an error"
                outcome.defects.append(f"{outcome.fault}: {failures}")
        server.wait_until_indexed()

    def _compare(self, outcome: Outcome, server: Server) -> None:
        self.trial.compare(server, outcome.fault, words=_WORDS)


def _stop(outcome: Outcome, server: Server) -> None:
    if status := server.stop():
        outcome.defects.append(f"{outcome.fault}: the server ended with status {status}")


def _name_of(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"status {status}"


def _health(server: Server) -> tuple[str, str]:
    status = server.status()
    return status["health"], status["message"]


def _until(server: Server, patience: float, *, well: bool) -> float | None:
    """Seconds until the server says that all is well, or that it is not; None if it does not within ``patience``."""
    return seconds_until(lambda: (_health(server)[0] == "ok") == well, patience=patience, every=_POLL_SECONDS)


# --- what is done to files ---


def damage(data: Path, *, kind: str, dice: random.Random) -> None:
    """Do the same to half of the files of a data directory, chosen by chance."""
    files = sorted(path for path in data.rglob("*") if path.is_file() and path.suffix != ".lock")
    for path in dice.sample(files, (len(files) + 1) // 2):
        # A server that runs may have just removed it.
        with contextlib.suppress(FileNotFoundError):
            _harm(path, kind, dice)


def _harm(path: Path, kind: str, dice: random.Random) -> None:
    size = path.stat().st_size
    if kind == "deleted":
        path.unlink()
    elif kind == "emptied":
        os.truncate(path, 0)
    elif kind == "cut in half":
        os.truncate(path, size // 2)
    elif kind == "with flipped bits":
        with path.open("r+b") as file:
            for place in (dice.randrange(size) for _ in range(min(size, _FLIPPED_BITS))):
                file.seek(place)
                (byte,) = file.read(1)
                file.seek(place)
                file.write(bytes([byte ^ 1 << dice.randrange(8)]))
    else:
        path.write_bytes(dice.randbytes(max(size, 16)))


def _delete_all(data: Path) -> None:
    # The server may be writing there.
    while data.exists():
        shutil.rmtree(data, ignore_errors=True)


def _date(trial: Trial, _data: Path) -> None:
    """Give a third of the workspace's files times in the far past and future."""
    for path in _third(trial):
        seconds = trial.dice.choice(_ODD_TIMES)
        os.utime(path, (seconds, seconds))


def _change_and_date(trial: Trial, _data: Path) -> None:
    """Change a third of the workspace's files, which then look older than they were, as restored ones do."""
    for path in _third(trial):
        before = path.stat().st_mtime_ns
        edits.insert_word(path, trial.dice, anywhere=False)
        older = before - trial.dice.randrange(1, 10**18)
        os.utime(path, ns=(older, older))


def _third(trial: Trial) -> list[Path]:
    files = edits.editable_files(trial.folder, edits.ALL, trial.dice)
    return files[: max(1, len(files) // 3)]


def _panel(axes: Any, measured: dict[str, Any]) -> None:
    outcomes = measured["outcomes"]
    axes.barh(range(len(outcomes)), [max(each["quiescent"]) for each in outcomes], 0.7, color=plot.OURS, zorder=2)
    axes.set_yticks(range(len(outcomes)), [each["fault"] for each in outcomes], fontsize=6)
    axes.invert_yaxis()
    plot.title(axes, "repaired after a start, s")


SCENARIO = Scenario(measure, ("mid", "small"), (_panel,))
