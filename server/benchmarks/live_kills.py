"""kill -9 at random moments, again and again; in the end the index must be what a fresh one is."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import edits
from benchmarks.client import Server, ServerError
from benchmarks.live_compare import compare_with_fresh, comparison_rows, defects_of
from benchmarks.live_job import Figure, Job, Row, processes_left, session, trouble
from benchmarks.table import percentile

_LONGEST_WAIT = 1.5
_FLUSH_SECONDS = 6.0
_CHILDREN_SECONDS = 10.0
_COMPARE_EVERY = 50
_WORDS = 100


def measure(job: Job) -> Figure:
    dice = random.Random(job.numbers.seed)  # noqa: S311  repeatable, not secret
    size = job.size("mid", "small")
    figure = Figure()
    rounds: list[dict[str, Any]] = []
    comparisons: list[dict[str, Any]] = []
    with job.copy(size) as folder, job.folder("data") as parent, job.folder("log") as logs:
        data, log = parent / "data", logs / "server.log"
        tree = _Tree(folder, dice)
        for number in range(job.numbers.kills):
            if dice.random() < 0.1:
                shutil.rmtree(data, ignore_errors=True)
            tree.change(dice.randrange(4), None)
            rounds.append(_round(folder, data, log, tree, f"kill-{number}", dice))
            if number % _COMPARE_EVERY == _COMPARE_EVERY - 1 or number == job.numbers.kills - 1:
                comparisons.append(_check(job, folder, data, log, dice))
                figure.defects += defects_of(comparisons[-1], f"after {number + 1} kills")
        figure.defects += [f"the log has: {line}" for line in trouble(log)]
    survivors = [each["left"] for each in rounds if each["left"]]
    if survivors:
        figure.defects.append(f"processes outlived the server by {_CHILDREN_SECONDS:.0f} s in {len(survivors)} rounds")
    gone = [each["childrenSeconds"] for each in rounds]
    figure.rows = [
        Row("kills", size, len(rounds), ""),
        *(
            Row(f"… {name}", size, sum(each["moment"] == name for each in rounds), "")
            for name in dict.fromkeys(each["moment"] for each in rounds)
        ),
        Row("all processes gone after the kill, longest", size, max(gone), "s"),
        Row("rounds with processes left", size, len(survivors), "", 0.0),
        Row("quiescent after the kills, longest", size, max(each["quiescentSeconds"] for each in comparisons), "s"),
        *comparison_rows(size, *comparisons),
    ]
    figure.measured = {"rounds": rounds, "comparisons": comparisons, "goneP95": percentile(gone, 95)}
    return figure


def _round(folder: Path, data: Path, log: Path, tree: _Tree, name: str, dice: random.Random) -> dict[str, Any]:
    """Start a server, edit under it, kill it at some moment."""
    moment = dice.choice(("early", "early", "after initialize", "when quiescent", "after a flush"))
    with session(folder, data, log=log, name=name) as server:
        if moment != "early":
            server.initialize()
        if moment in {"when quiescent", "after a flush"}:
            server.wait_until_indexed()
        until = time.monotonic() + dice.random() * (_FLUSH_SECONDS if moment == "after a flush" else _LONGEST_WAIT)
        if moment == "early":
            # The server may not have answered when it is killed.
            server.send("initialize", _initialize(server))
            server.tell("initialized", {})
        while (left := until - time.monotonic()) > 0:
            tree.change(dice.randrange(3), server if dice.random() < 0.5 and moment != "early" else None)
            time.sleep(min(left, dice.random() * 0.4))
        server.process.kill()
        killed = time.monotonic()
        server.process.wait()
        left_over = processes_left(name, _CHILDREN_SECONDS)
        return {"moment": moment, "childrenSeconds": time.monotonic() - killed, "left": left_over}


def _check(job: Job, folder: Path, data: Path, log: Path, dice: random.Random) -> dict[str, Any]:
    began = time.monotonic()
    with session(folder, data, log=log, name="check") as server:
        server.initialize()
        status = server.wait_until_indexed()
        quiescent = time.monotonic() - began
        comparison = compare_with_fresh(job, server, _WORDS, dice)
        server.stop()
    return {**comparison, "quiescentSeconds": quiescent, "status": status}


def _initialize(server: Server) -> dict[str, Any]:
    folder = {"uri": server.folder.as_uri(), "name": server.folder.name}
    return {"processId": None, "rootUri": folder["uri"], "workspaceFolders": [folder], "capabilities": {}}


class _Tree:
    """Random changes of a folder: writes, deletes, renames, new files."""

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self._files = edits.editable_files(folder, 10**9, dice)
        self._dice = dice
        self._least = len(self._files) * 2 // 3
        self._most = len(self._files) * 4 // 3

    def change(self, times: int, told: Server | None) -> None:
        """Change some files, and tell the server of it if one is given."""
        for _ in range(times):
            for file, change in self._change():
                if told is not None:
                    try:
                        edits.tell(told, file, change)
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
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        lines.insert(self._dice.randrange(len(lines) + 1), f"{edits.new_word(self._dice)}\n")
        file.write_text("".join(lines), encoding="utf-8")
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
