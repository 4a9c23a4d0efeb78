"""kill -9 at random moments, again and again; in the end the index must be what a fresh one is."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.harness import edits
from benchmarks.harness.client import Server, ServerError, processes_left
from benchmarks.harness.data_directory import trouble
from benchmarks.harness.table import percentile
from benchmarks.harness.trial import Scenario, Trial

_LONGEST_WAIT = 1.5
_FLUSH_SECONDS = 6.0
_CHILDREN_SECONDS = 10.0
_COMPARE_EVERY = 50


def measure(trial: Trial) -> None:
    dice, kills = trial.dice, trial.job.numbers.kills
    rounds: list[dict[str, Any]] = []
    quiescent: list[float] = []
    with trial.job.folder("data") as parent, trial.job.folder("log") as logs:
        data, log = parent / "data", logs / "server.log"
        tree = _Tree(trial.folder, dice)
        for number in range(kills):
            if dice.random() < 0.1:
                shutil.rmtree(data, ignore_errors=True)
            tree.change(dice.randrange(4), None)
            rounds.append(_round(trial.folder, data, log, tree, f"kill-{number}", dice))
            if number % _COMPARE_EVERY == _COMPARE_EVERY - 1 or number == kills - 1:
                began = time.monotonic()
                with trial.session("indexed", data=data, log=log) as server:
                    quiescent.append(time.monotonic() - began)
                    trial.compare(server, f"after {number + 1} kills")
        trial.figure.defects += [f"the log has: {line}" for line in trouble(log)]
    survivors = [each["left"] for each in rounds if each["left"]]
    if survivors:
        trial.defect(f"processes outlived the server by {_CHILDREN_SECONDS:.0f} s in {len(survivors)} rounds")
    gone = [each["childrenSeconds"] for each in rounds]
    moments = [each["moment"] for each in rounds]
    trial.row("kills", len(rounds))
    for name in dict.fromkeys(moments):
        trial.row(f"… {name}", moments.count(name))
    trial.row("all processes gone after the kill, longest", max(gone), "s")
    trial.row("rounds with processes left", len(survivors), most=0.0)
    trial.row("quiescent after the kills, longest", max(quiescent), "s")
    trial.measured(rounds=rounds, quiescentSeconds=quiescent, goneP95=percentile(gone, 95))


def _round(folder: Path, data: Path, log: Path, tree: _Tree, name: str, dice: random.Random) -> dict[str, Any]:
    """Start a server, edit under it, kill it at some moment."""
    moment = dice.choice(("early", "early", "after initialize", "when quiescent", "after a flush"))
    with Server(folder, data, log=log, name=name) as server:
        if moment != "early":
            server.initialize()
        if moment in {"when quiescent", "after a flush"}:
            server.wait_until_indexed()
        until = time.monotonic() + dice.random() * (_FLUSH_SECONDS if moment == "after a flush" else _LONGEST_WAIT)
        if moment == "early":
            # The server may not have answered when it is killed.
            server.send_initialize()
            server.tell("initialized", {})
        while (left := until - time.monotonic()) > 0:
            tree.change(dice.randrange(3), server if dice.random() < 0.5 and moment != "early" else None)
            time.sleep(min(left, dice.random() * 0.4))
        server.process.kill()
        killed = time.monotonic()
        server.process.wait()
        left_over = processes_left(name, _CHILDREN_SECONDS)
        return {"moment": moment, "childrenSeconds": time.monotonic() - killed, "left": left_over}


class _Tree:
    """Random changes of a folder: writes, deletes, renames, new files."""

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self._files = edits.editable_files(folder, edits.ALL, dice)
        self._dice = dice
        self._least = len(self._files) * 2 // 3
        self._most = len(self._files) * 4 // 3

    def change(self, times: int, told: Server | None) -> None:
        """Change some files, and tell the server of it if one is given."""
        for _ in range(times):
            for file, change in self._change():
                if told is not None:
                    try:
                        edits.tell(told, change, file)
                    except ServerError:
                        told = None

    def _change(self) -> list[tuple[Path, int]]:
        file = self._dice.choice(self._files)
        actions: list[Callable[[Path], list[tuple[Path, int]]]] = [self._write, self._write, self._rename]
        if len(self._files) > self._least:
            actions.append(self._delete)
        if len(self._files) < self._most:
            actions.append(self._create)
        return self._dice.choice(actions)(file)

    def _write(self, file: Path) -> list[tuple[Path, int]]:
        edits.insert_word(file, self._dice)
        return [(file, edits.CHANGED)]

    def _delete(self, file: Path) -> list[tuple[Path, int]]:
        file.unlink()
        self._files.remove(file)
        return [(file, edits.DELETED)]

    def _create(self, model: Path) -> list[tuple[Path, int]]:
        new = self._beside(model)
        new.write_bytes(model.read_bytes())
        self._files.append(new)
        return [(new, edits.CREATED)]

    def _rename(self, file: Path) -> list[tuple[Path, int]]:
        new = self._beside(file)
        file.rename(new)
        self._files[self._files.index(file)] = new
        return [(file, edits.DELETED), (new, edits.CREATED)]

    def _beside(self, file: Path) -> Path:
        return file.with_name(f"{edits.new_word(self._dice)}{file.suffix}")


SCENARIO = Scenario(measure, ("mid", "small"))
