"""Two servers and the command line on one workspace and one data directory; then the writer is killed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import edits
from benchmarks.harness.client import Server, processes_left
from benchmarks.harness.data_directory import wait_until_stored
from benchmarks.harness.trial import Scenario, Trial
from benchmarks.harness.waiting import seconds_until

_PATIENCE = 30.0
_SEEN_SECONDS = 2.0
_FEW = 5


def measure(trial: Trial) -> None:
    dice, folder = trial.dice, trial.folder
    files = edits.editable_files(folder, 10, dice)
    with trial.job.folder("data") as data, Server(folder, data, name="second") as second:
        with Server(folder, data, name="first") as first:
            first.initialize()
            first.wait_until_indexed()
            wait_until_stored(data)
            began = time.perf_counter()
            second.initialize()
            second.wait_until_indexed()
            joined = time.perf_counter() - began
            roles = [server.status()["role"] for server in (first, second)]
            servers = {"writer": first, "reader": second}
            seen = [_save(servers, files, dice, told) for told in ("writer", "reader", "") for _ in range(_FEW)]
            cli = _search(folder, data, files, dice)
            first.process.kill()
            killed = time.perf_counter()
            first.process.wait()
        is_writer = seconds_until(lambda: second.status()["role"] == "writer", patience=_PATIENCE, every=0.02)
        taken_over = None if is_writer is None else time.perf_counter() - killed
        left = processes_left("first", 10.0)
        after = [_save({"survivor": second}, files, dice, told) for told in ("survivor", "") for _ in range(_FEW)]
        trial.compare(second, "after the takeover")
        second.stop()
    trial.row("the second server is quiescent, after its start", joined, "s")
    for told in ("writer", "reader", ""):
        for by in ("writer", "reader"):
            seconds = [each[by] for each in seen if each["told"] == told]
            name = f"a save, told the {told or 'none'}, seen by the {by}"
            trial.spread(name, seconds, "s", at=(95,), most={95: _SEEN_SECONDS})
    trial.spread("`conexus search` beside two servers", cli, "s", at=(50,))
    if taken_over is None:
        trial.defect(f"nobody was writer {_PATIENCE:.0f} s after the writer was killed")
    else:
        trial.row("the reader is writer, after kill -9 of the writer", taken_over, "s")
    survivor = [each["survivor"] for each in after]
    trial.spread("a save after the kill seen by the survivor", survivor, "s", at=(100,))
    trial.row("processes of the killed writer left", len(left), most=0.0)
    trial.measured(roles=roles, saves=seen, cliSeconds=cli, after=after)
    if roles != ["writer", "reader"]:
        trial.defect(f"the roles of two servers are {roles}")


def _save(servers: dict[str, Server], files: list[Path], dice: random.Random, told: str) -> dict[str, Any]:
    """Write a new word into a file; seconds until each server finds it. ``told`` names the one that is told."""
    file = dice.choice(files)
    word = edits.insert_word(file, dice)
    began = time.perf_counter()
    if told:
        edits.tell(servers[told], edits.CHANGED, file)
    seen: dict[str, Any] = {}
    while len(seen) < len(servers):
        for name, server in servers.items():
            if name not in seen and edits.is_found(server, file, word):
                seen[name] = time.perf_counter() - began
        if time.perf_counter() - began > _PATIENCE:
            raise TimeoutError(f"a save (told: {told or 'nobody'}) was seen only by {[*seen]} within {_PATIENCE:.0f} s")
        time.sleep(0.002)
    return {"told": told, **seen}


def _search(folder: Path, data: Path, files: list[Path], dice: random.Random) -> list[float]:
    """Seconds that the command line takes to find what was just saved, with nobody told. Raises CalledProcessError."""
    taken = []
    for _ in range(_FEW):
        file = dice.choice(files)
        word = edits.insert_word(file, dice)
        command = [sys.executable, "-m", "conexus", "search", str(folder), word, "--json"]
        environment = {**os.environ, "CONEXUS_DATA_DIR": str(data)}
        began = time.perf_counter()
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout
        taken.append(time.perf_counter() - began)
        if not any(hit["location"]["uri"] == file.as_uri() for hit in json.loads(output)["hits"]):
            raise ValueError("the command line does not find what was saved just before")
    return taken


SCENARIO = Scenario(measure, ("mid", "small"))
