"""A git repository with two branches, and what tells them apart in an index."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.client import Server
from benchmarks.harness.edits import editable_files, is_found, new_word, with_word

_MOST_FILES = 1000
_WATCHED = 20
_PATIENCE = 60.0
BRANCHES = ("a", "b")


@dataclass(frozen=True, slots=True)
class Probe:
    """A word that stands in a file on one branch, and not on the other, where the file may be missing."""

    file: Path
    word: str
    branch: str

    def holds(self, server: Server, branch: str) -> bool:
        return is_found(server, self.file, self.word) == (branch == self.branch)


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
        file.write_bytes(with_word(file.read_bytes(), word))
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
        new.write_bytes(with_word(file.read_bytes(), probe.word))
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
