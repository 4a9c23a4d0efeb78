"""What `make demo` runs, on a small workspace; and that the command line and the protocol give the same answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.client import Server, ServerError
from benchmarks.memory import PeakMemory, processes_of, proportional_mib
from benchmarks.table import comparison, percentile
from tests.cli.conftest import Conexus

SERVE = [sys.executable, "-m", "conexus", "serve", "--stdio"]


def test_the_demo_finds_an_edit_that_was_never_saved(shop: Path, tmp_path: Path) -> None:
    before = (shop / "shop/basket.py").read_bytes()
    command = [
        sys.executable,
        "-m",
        "benchmarks.demo",
        str(shop),
        "sum of all prices",
        "--data",
        str(tmp_path / "demo"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "total_price" in result.stdout
    assert "caller" in result.stdout
    assert "after the keystroke" in result.stdout
    assert "shut down with status 0" in result.stdout
    assert (shop / "shop/basket.py").read_bytes() == before


def test_the_demo_of_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.demo", str(tmp_path / "nowhere"), "tea"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1


def test_json_is_what_the_server_answers(conexus: Conexus, shop: Path, tmp_path: Path) -> None:
    query = "sum of all prices 💶"
    (shop / "notes.md").write_text("# Prices 💶\n\nThe sum of all prices 💶 and of prices.\n", encoding="utf-8")
    with Server(SERVE, shop, environment={"CONEXUS_DATA_DIR": str(tmp_path / "other")}) as server:
        server.initialize()
        server.wait_until_indexed()
        theirs = server.ask("conexus/search", {"query": query, "limit": 10})
        status = server.ask("conexus/status", {})
        assert server.stop() == 0
    ours = json.loads(conexus("search", shop, query, "--json").stdout)
    assert set(ours) == set(theirs)
    assert ours["index"] == theirs["index"]
    assert ours["hits"] == theirs["hits"]
    assert set(json.loads(conexus("index", shop, "--json").stdout)) == set(status) - {"protocolVersion"}


# --- the tools of the benchmarks themselves ---


def test_the_client_reports_an_error_and_an_end(shop: Path, tmp_path: Path) -> None:
    with Server(SERVE, shop, environment={"CONEXUS_DATA_DIR": str(tmp_path / "data")}) as server:
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


def test_the_table_compares_what_can_be_compared() -> None:
    ours = {
        "files": 3, "chunks": 9, "initialize_seconds": 0.4, "first_answer_seconds": 0.5, "index_seconds": 2.0,
        "query_ms": [2.0], "took_ms": [1.0], "keystroke_ms": [], "save_ms": [80.0], "disk_ms": [90.0], "peak_mib": 50.0,
    }  # fmt: skip
    theirs = {"version": "1", "files": 2, "chunks": 5, "index_seconds": 4.0, "query_ms": [1.0], "peak_mib": 100.0}
    table = comparison({"workspace": "tea", "queries": 1, "conexus": [ours], "semble": [theirs]})
    assert "| complete index | 2.00 s | 4.00 s | 0.50 |" in table
    assert "| peak memory, all processes (PSS) | 50 MiB | 100 MiB | 0.50 |" in table
    assert "| keystroke to searchable, p50 | – | – | – |" in table
    assert comparison({"workspace": "tea", "queries": 1, "conexus": [ours], "semble": []}).count("–") > 10
