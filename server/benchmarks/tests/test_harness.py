"""What the scenarios share: the client, waiting, edits, choice of workspaces, measures of memory, percentiles."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.harness.client import Server, ServerError
from benchmarks.harness.edits import insert_word, put_back, with_word
from benchmarks.harness.job import Job, Numbers
from benchmarks.harness.memory import PeakMemory, processes_of, proportional_mib
from benchmarks.harness.table import percentile
from benchmarks.harness.trial import Scenario, Trial
from benchmarks.harness.waiting import seconds_until, until
from benchmarks.tests.workspace import write_workspace


def test_the_client_reports_an_error_and_an_end(tmp_path: Path) -> None:
    with Server(write_workspace(tmp_path / "workspace"), tmp_path / "data") as server:
        with pytest.raises(ServerError, match="-32002"):
            server.ask("conexus/status", {})
        server.initialize()
        server.process.kill()
        with pytest.raises(ServerError):
            server.ask("conexus/status", {})


def test_memory_counts_descendants() -> None:
    child = "import time\nblock = b'x' * (64 << 20)\nprint(flush=True)\ntime.sleep(60)"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = processes_of(process.pid)
        with PeakMemory(process.pid) as memory:
            while not memory.mib:
                pass
        now = proportional_mib(process.pid)
        subprocess.run(["kill", *map(str, found)], check=True)
    assert len(found) == 2
    assert now > 60
    assert memory.mib > 60


def test_percentiles() -> None:
    assert [percentile(range(1, 101), percent) for percent in (50, 95, 100)] == [50, 95, 100]
    assert percentile([7], 95) == 7


def test_waiting_returns_what_came_or_says_what_did_not() -> None:
    answers = iter(["", "", "tea"])
    assert until(lambda: next(answers), "tea", every=0.0) == "tea"
    with pytest.raises(TimeoutError, match="tea: not within 0 s"):
        until(lambda: None, "tea", patience=0.0)
    assert seconds_until(lambda: False, patience=0.0, every=0.0) is None


def test_a_word_is_written_on_a_line_of_its_own_and_files_are_put_back(tmp_path: Path) -> None:
    assert with_word(b"a\r\nb\r\n", "tea") == b"a\r\ntea\nb\r\n"
    file = tmp_path / "a.py"
    file.write_bytes(b"\xff = 1\n")
    with put_back([file]):
        word = insert_word(file, random.Random(0))  # noqa: S311  repeatable, not secret
        assert word.encode() in file.read_bytes().splitlines()
    assert file.read_bytes() == b"\xff = 1\n"


@pytest.mark.parametrize(
    ("wanted", "given", "measured"),
    [
        (("mid", "small"), ("small", "mid", "large"), ["mid"]),
        (("mid", "small"), ("small", "large"), ["small"]),
        (("large",), ("small", "mid"), ["small"]),
        ((), ("small", "mid"), ["small", "mid"]),
    ],
)
def test_a_scenario_takes_the_workspaces_that_it_is_of(
    tmp_path: Path, wanted: tuple[str, ...], given: tuple[str, ...], measured: list[str]
) -> None:
    job = _job(tmp_path, dict.fromkeys(given, write_workspace(tmp_path / "workspace")))
    seen: list[str] = []
    Scenario(lambda trial: seen.append(trial.size), wanted).take(job)
    assert seen == measured


def test_a_trial_works_on_a_copy_and_adds_rows_with_their_bars(tmp_path: Path) -> None:
    def measure(trial: Trial) -> None:
        for file in trial.folder.rglob("*.py"):
            file.unlink()
        trial.spread("a wait", [1.0, 2.0, 9.0], at=(50, 95, 100), most={95: 5.0})
        trial.spread("nothing", [])

    workspace = write_workspace(tmp_path / "workspace")
    rows = Scenario(measure).take(_job(tmp_path, {"small": workspace})).rows
    assert [(row.name, row.value, row.met) for row in rows] == [
        ("a wait, p50", 2.0, None),
        ("a wait, p95", 9.0, False),
        ("a wait, longest", 9.0, None),
    ]
    assert len([*workspace.rglob("*.py")]) == 12


def _job(scratch: Path, workspaces: Mapping[str, Path]) -> Job:
    return Job(workspaces=workspaces, scratch=scratch, numbers=Numbers(), queries=["tea"])
