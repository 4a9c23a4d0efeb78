"""What `make demo` runs, on a small workspace; and that the command line and the protocol give the same answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Conexus
from tests.lsp.raw import raw_client


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
    with raw_client(tmp_path / "other", folder=shop) as server:
        server.initialize(shop)
        server.wait_until_quiescent()
        theirs = server.request("conexus/search", {"query": query, "limit": 10})
        status = server.request("conexus/status", {})
        assert server.shut_down() == 0
    ours = json.loads(conexus("search", shop, query, "--json").stdout)
    assert set(ours) == set(theirs)
    assert ours["index"] == theirs["index"]
    assert ours["hits"] == theirs["hits"]
    assert set(json.loads(conexus("index", shop, "--json").stdout)) == set(status) - {"protocolVersion"}
