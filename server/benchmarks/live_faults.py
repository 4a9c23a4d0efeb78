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
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import edits
from benchmarks.client import Server, ServerError
from benchmarks.disks import NoFileSystem, full, read_only, small_disk
from benchmarks.live_compare import comparison_rows, defects_of, fresh_index
from benchmarks.live_job import Figure, Job, Row, session, size_of, trouble, wait_until_stored

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
    comparisons: list[dict[str, Any]] = field(default_factory=list)
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


def measure(job: Job) -> Figure:
    dice = random.Random(job.numbers.seed)  # noqa: S311  repeatable, not secret
    size = job.size("mid", "small")
    figure = Figure()
    with job.copy(size) as folder, job.folder("stored") as stored, job.folder("log") as logs:
        with session(folder, stored) as server:
            server.initialize()
            server.wait_until_indexed()
            wait_until_stored(stored)
            server.stop()
        faults = _Faults(job, folder, stored, logs / "server.log", dice)
        outcomes, unavailable = _all(faults)
        logged = trouble(faults.log)
    comparisons = [each for outcome in outcomes for each in outcome.comparisons]
    lasting = [outcome for outcome in outcomes if outcome.to_tell]
    healthy = [outcome.healthy for outcome in lasting if outcome.healthy is not None]
    figure.rows = [
        Row("faults made", size, len(outcomes), ""),
        Row("quiescent after a start, longest", size, max(s for each in outcomes for s in each.quiescent), "s"),
        Row("an edit found in spite of the fault, longest", size, max(s for each in outcomes for s in each.edits), "s"),
        Row("servers that ended by a fault", size, sum(bool(each.ended) for each in outcomes), "", 0.0),
        Row("searches that failed under a fault", size, sum(each.failed for each in outcomes), "", 0.0),
        *comparison_rows(size, *comparisons),
    ]
    if lasting:
        untold = sum(not outcome.told for outcome in lasting)
        figure.rows.append(Row(f"faults not told of, of {len(lasting)} that last", size, untold, "", 0.0))
    if healthy:
        figure.rows.append(Row("well again when there is room or leave to write, longest", size, max(healthy), "s"))
    if unavailable:
        figure.rows.append(Row("faults not made: no file system of its own without root", size, len(unavailable), ""))
    figure.measured = {"outcomes": [asdict(outcome) for outcome in outcomes], "notMade": unavailable, "log": logged}
    for outcome in outcomes:
        figure.defects += outcome.defects
        for number, found in enumerate(outcome.comparisons):
            figure.defects += defects_of(found, f"{outcome.fault} (comparison {number + 1})")
        if outcome.to_tell and not outcome.told:
            figure.defects.append(f"{outcome.fault}: the status says {outcome.health!r} and {outcome.message!r}")
    return figure


def _all(faults: _Faults) -> tuple[list[Outcome], list[str]]:
    """Make every fault; returns what came of them, and those that could not be made."""
    outcomes = []
    for kind in KINDS:
        act = partial(damage, kind=kind, dice=faults.dice)
        outcomes.append(faults.at_rest(f"files {kind} while nobody runs", act))
        outcomes.append(faults.while_running(f"files {kind} while a server runs", act))
    outcomes.append(faults.while_running("the data directory deleted while a server runs", _delete_all))
    for name, change in (("odd times, nothing else", _date), ("new text, an older time", _change_and_date)):
        act = partial(_to_workspace, change=change, folder=faults.folder, dice=faults.dice)
        outcomes.append(faults.at_rest(f"files with {name}, while nobody runs", act))
        outcomes.append(faults.while_running(f"files with {name}, while a server runs", act))
    unavailable = []
    room = max(_LEAST_ROOM, _ROOM * size_of(faults.stored)[0])
    for name, lasting, disk in (
        ("a full disk", full, partial(small_disk, size=room)),
        ("a read-only data directory", read_only, _plain),
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

    job: Job
    folder: Path
    stored: Path
    log: Path
    dice: random.Random

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
            with session(self.folder, data, log=self.log) as server, outcome.noting(server):
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
        with self.job.folder("disk") as data, disk(data), ExitStack() as while_it_lasts:
            shutil.copytree(self.stored, data, dirs_exist_ok=True)
            if from_start:
                while_it_lasts.enter_context(lasts(data))
            with session(self.folder, data, log=self.log) as server, outcome.noting(server):
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
        with self.job.folder("data") as data:
            shutil.copytree(self.stored, data, dirs_exist_ok=True)
            yield data

    def _start(self, outcome: Outcome, data: Path) -> None:
        with session(self.folder, data, log=self.log) as server, outcome.noting(server):
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

    def _edit(self, outcome: Outcome, server: Server) -> None:
        (file,) = edits.editable_files(self.folder, 1, self.dice)
        word = _insert_word(file, self.dice)
        tell = partial(edits.tell, server, file, edits.CHANGED)
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
            outcome.edits.append(edits.milliseconds_until(is_found, tell) / 1000)
        finally:
            if outcome.failed > failed:
                failures = f"{outcome.failed - failed} searches for an edit were answered with an error"
                outcome.defects.append(f"{outcome.fault}: {failures}")
        server.wait_until_indexed()

    def _compare(self, outcome: Outcome, server: Server) -> None:
        with fresh_index(self.job, self.folder, _WORDS, self.dice) as compare:
            outcome.comparisons.append(compare(server))


def _stop(outcome: Outcome, server: Server) -> None:
    if status := server.stop():
        outcome.defects.append(f"{outcome.fault}: the server ended with status {status}")


def _name_of(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"status {status}"


def _health(server: Server) -> tuple[str, str]:
    status = server.ask("conexus/status", {})
    return status["health"], status["message"]


def _until(server: Server, patience: float, *, well: bool) -> float | None:
    """Seconds until the server says that all is well, or that it is not; None if it does not within ``patience``."""
    began = time.perf_counter()
    while (waited := time.perf_counter() - began) < patience:
        if (_health(server)[0] == "ok") == well:
            return waited
        time.sleep(_POLL_SECONDS)
    return None


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


def _to_workspace(
    data: Path, *, change: Callable[[Path, random.Random], None], folder: Path, dice: random.Random
) -> None:
    """A fault of the workspace, and not of the data directory."""
    del data
    change(folder, dice)


def _date(folder: Path, dice: random.Random) -> None:
    """Give a third of the files times in the far past and future."""
    for path in _third(folder, dice):
        seconds = dice.choice(_ODD_TIMES)
        os.utime(path, (seconds, seconds))


def _change_and_date(folder: Path, dice: random.Random) -> None:
    """Change a third of the files, which then look older than they were, as what is put back from elsewhere does."""
    for path in _third(folder, dice):
        before = path.stat().st_mtime_ns
        _insert_word(path, dice)
        older = before - dice.randrange(1, 10**18)
        os.utime(path, ns=(older, older))


def _third(folder: Path, dice: random.Random) -> list[Path]:
    files = edits.editable_files(folder, 10**9, dice)
    return files[: max(1, len(files) // 3)]


def _insert_word(file: Path, dice: random.Random) -> str:
    word = edits.new_word(dice)
    lines = file.read_bytes().splitlines(keepends=True)
    lines.insert(len(lines) // 2, f"{word}\n".encode())
    file.write_bytes(b"".join(lines))
    return word


# --- disks ---


@contextlib.contextmanager
def _plain(place: Path) -> Iterator[None]:
    """The file system that the place lies on anyway."""
    del place
    yield
