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

from benchmarks import edits
from benchmarks.client import Server
from benchmarks.live_compare import compare_with_fresh, comparison_rows, defects_of
from benchmarks.live_job import Figure, Job, Row, processes_left, session, wait_until_stored
from benchmarks.table import percentile

_PATIENCE = 30.0
_SEEN_SECONDS = 2.0
_FEW = 5


def measure(job: Job) -> Figure:
    dice = random.Random(job.numbers.seed)  # noqa: S311  repeatable, not secret
    size = job.size("mid", "small")
    figure = Figure()
    with job.copy(size) as folder, job.folder("data") as data:
        files = edits.editable_files(folder, 10, dice)
        with session(folder, data, name="second") as second:
            with session(folder, data, name="first") as first:
                first.initialize()
                first.wait_until_indexed()
                wait_until_stored(data)
                began = time.perf_counter()
                second.initialize()
                second.wait_until_indexed()
                joined = time.perf_counter() - began
                roles = [server.ask("conexus/status", {})["role"] for server in (first, second)]
                if roles != ["writer", "reader"]:
                    figure.defects.append(f"the roles of two servers are {roles}")
                servers = {"writer": first, "reader": second}
                seen = [_save(servers, files, dice, told) for told in ("writer", "reader", "") for _ in range(_FEW)]
                cli = _search(folder, data, files, dice)
                first.process.kill()
                killed = time.perf_counter()
                first.process.wait()
            taken = _until_writer(second)
            taken_over = None if taken is None else taken - killed
            left = processes_left("first", 10.0)
            after = [_save({"survivor": second}, files, dice, told) for told in ("survivor", "") for _ in range(_FEW)]
            comparison = compare_with_fresh(job, second, 100, dice)
            second.stop()
    figure.rows = [
        Row("the second server is quiescent, after its start", size, joined, "s"),
        *(
            Row(
                f"a save, told the {told or 'none'}, seen by the {by}, p95",
                size,
                _p95(seen, told, by),
                "s",
                _SEEN_SECONDS,
            )
            for told in ("writer", "reader", "")
            for by in ("writer", "reader")
        ),
        Row("`conexus search` beside two servers, p50", size, percentile(cli, 50), "s"),
        Row("a save after the kill seen by the survivor, longest", size, max(each["survivor"] for each in after), "s"),
        Row("processes of the killed writer left", size, len(left), "", 0.0),
        *comparison_rows(size, comparison),
    ]
    if taken_over is None:
        figure.defects.append(f"nobody was writer {_PATIENCE:.0f} s after the writer was killed")
    else:
        figure.rows.insert(-7, Row("the reader is writer, after kill -9 of the writer", size, taken_over, "s"))
    figure.measured = {"roles": roles, "saves": seen, "cliSeconds": cli, "after": after, "comparison": comparison}
    figure.defects += defects_of(comparison, "after the takeover")
    return figure


def _save(servers: dict[str, Server], files: list[Path], dice: random.Random, told: str) -> dict[str, Any]:
    """Write a new word into a file; seconds until each server finds it. ``told`` names the one that is told."""
    file, word = dice.choice(files), edits.new_word(dice)
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    lines.insert(dice.randrange(len(lines) + 1), f"{word}\n")
    file.write_text("".join(lines), encoding="utf-8")
    began = time.perf_counter()
    if told:
        edits.tell(servers[told], file, edits.CHANGED)
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
        file, word = dice.choice(files), edits.new_word(dice)
        file.write_text(f"{file.read_text(encoding='utf-8', errors='replace')}\n{word}\n", encoding="utf-8")
        command = [sys.executable, "-m", "conexus", "search", str(folder), word, "--json"]
        environment = {**os.environ, "CONEXUS_DATA_DIR": str(data)}
        began = time.perf_counter()
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout
        taken.append(time.perf_counter() - began)
        if not any(hit["location"]["uri"] == file.as_uri() for hit in json.loads(output)["hits"]):
            raise ValueError("the command line does not find what was saved just before")
    return taken


def _until_writer(server: Server) -> float | None:
    """When the server says that it is the writer."""
    deadline = time.perf_counter() + _PATIENCE
    while time.perf_counter() < deadline:
        if server.ask("conexus/status", {})["role"] == "writer":
            return time.perf_counter()
        time.sleep(0.02)
    return None


def _p95(saves: list[dict[str, Any]], told: str, by: str) -> float:
    return percentile([each[by] for each in saves if each["told"] == told], 95)
