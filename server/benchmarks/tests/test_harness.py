"""The client, the measures of memory and the percentiles of the benchmarks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness.client import Server, ServerError
from benchmarks.harness.memory import PeakMemory, processes_of, proportional_mib
from benchmarks.harness.table import percentile
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
