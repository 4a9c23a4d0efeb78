"""Switching branches of a real git repository under a running server, untold."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.client import Server
from benchmarks.edits import editable_files, is_found, new_word
from benchmarks.live_compare import compare_with_fresh, comparison_rows, defects_of
from benchmarks.live_job import Figure, Job, Row, session
from benchmarks.table import percentile

_MOST_FILES = 1000
_WATCHED = 20
_PATIENCE = 60.0
_PAUSE_SECONDS = 0.6
_TIMED_SWITCHES = 4
_BRANCHES = ("a", "b")


@dataclass(frozen=True, slots=True)
class Probe:
    """A word that stands in a file on one branch, and not on the other, where the file may be missing."""

    file: Path
    word: str
    branch: str

    def holds(self, server: Server, branch: str) -> bool:
        return is_found(server, self.file, self.word) == (branch == self.branch)


def measure(job: Job) -> Figure:
    dice = random.Random(job.numbers.seed)  # noqa: S311  repeatable, not secret
    size = job.size("large", "mid", "small")
    figure = Figure()
    with job.copy(size) as folder, job.folder("data") as data:
        probes = make_branches(folder, dice)
        with session(folder, data) as server:
            server.initialize()
            server.wait_until_indexed()
            switches = []
            for number in range(_TIMED_SWITCHES):
                branch = _BRANCHES[(number + 1) % 2]
                git_seconds = checkout(folder, branch)
                switches.append({"git": git_seconds, **converge(server, probes, branch, dice)})
            figure.measured["switches"] = switches
            for _ in range(job.numbers.switches):
                branch = dice.choice(_BRANCHES)
                checkout(folder, branch)
                time.sleep(dice.random() * _PAUSE_SECONDS)
            after = converge(server, probes, branch, dice) if job.numbers.switches else switches[-1]
            comparison = compare_with_fresh(job, server, 100, dice)
            server.stop()
    files = len({probe.file for probe in probes})
    searchable, quiescent = ([each[key] for each in switches] for key in ("searchable", "quiescent"))
    figure.rows = [
        Row("files that differ", size, files, ""),
        Row("`git checkout` itself, p50", size, percentile([each["git"] for each in switches], 50), "s"),
        Row("checkout to every watched file right, p50", size, percentile(searchable, 50), "s"),
        Row("checkout to every watched file right, longest", size, max(searchable), "s"),
        Row("checkout to quiescent, longest", size, max(quiescent), "s"),
        Row("wrong files after timed switches", size, sum(each["wrong"] for each in switches), "", 0.0),
        Row(f"wrong files after {job.numbers.switches} switches in a row", size, after["wrong"], "", 0.0),
        *comparison_rows(size, comparison),
    ]
    figure.measured |= {"afterLoop": after, "comparison": comparison}
    figure.defects += defects_of(comparison, f"after {job.numbers.switches} switches")
    return figure


def make_branches(folder: Path, dice: random.Random) -> list[Probe]:
    """Make a repository of a folder, with branches a (checked out) and b; returns what tells them apart.

    Of a thousand files, or a third of all, most are changed from one to the other, some are only on one.
    """
    every = editable_files(folder, 10**9, dice)
    files = every[: min(_MOST_FILES, max(3, len(every) // 3))]
    share = max(1, len(files) * 15 // 100)
    removed, added, changed = files[:share], files[share : 2 * share], files[2 * share :]
    probes = [Probe(file, new_word(dice), "a") for file in (*removed, *changed)]
    words = {probe.file: probe.word for probe in probes}
    for file, word in words.items():
        _insert(file, word)
    git(folder, "init", "-q", "-b", "a")
    _commit(folder)
    git(folder, "checkout", "-q", "-b", "b")
    for file in removed:
        file.unlink()
    for file in changed:
        probe = Probe(file, new_word(dice), "b")
        probes.append(probe)
        file.write_bytes(file.read_bytes().replace(words[file].encode(), probe.word.encode()))
    for file in added:
        new = file.with_name(f"only_on_b_{file.name}")
        probe = Probe(new, new_word(dice), "b")
        probes.append(probe)
        new.write_bytes(file.read_bytes())
        _insert(new, probe.word)
    _commit(folder)
    git(folder, "checkout", "-q", "a")
    return probes


def converge(server: Server, probes: Sequence[Probe], branch: str, dice: random.Random) -> dict[str, float]:
    """Seconds from now until sampled files are right and until nothing waits; then how many of all are wrong."""
    began = time.perf_counter()
    left = dice.sample(probes, min(_WATCHED, len(probes)))
    while (waited := time.perf_counter() - began) < _PATIENCE:
        left = [probe for probe in left if not probe.holds(server, branch)]
        if not left:
            break
        time.sleep(0.01)
    searchable = time.perf_counter() - began if not left else waited
    server.wait_until_indexed()
    quiescent = time.perf_counter() - began
    wrong = sum(not probe.holds(server, branch) for probe in probes)
    return {"searchable": searchable, "quiescent": quiescent, "wrong": wrong}


def _insert(file: Path, word: str) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    lines.insert(len(lines) // 2, f"{word}\n".encode())
    file.write_bytes(b"".join(lines))


def checkout(folder: Path, branch: str) -> float:
    """Returns the seconds that git itself took."""
    began = time.perf_counter()
    git(folder, "checkout", "-q", branch)
    return time.perf_counter() - began


def _commit(folder: Path) -> None:
    git(folder, "add", "-A", "-f")
    git(folder, "commit", "-q", "-m", "state")


def git(folder: Path, *arguments: str) -> str:
    """What git says. Whatever the user has configured has no say. Raises CalledProcessError."""
    who = {f"GIT_{role}_{what}": "benchmark" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    variables = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-C", str(folder), "-c", "core.autocrlf=false", *arguments]
    return subprocess.run(command, check=True, env=variables, stdout=subprocess.PIPE, text=True).stdout
