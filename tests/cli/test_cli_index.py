"""``conexus index`` and ``conexus status``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Conexus
from tests.lsp.raw import raw_client


def test_index_says_how_much_there_is(conexus: Conexus, shop: Path) -> None:
    result = conexus("index", shop)
    match = re.fullmatch(r"(\d+) files, (\d+) chunks in [\d.]+ s\n", result.stdout)
    assert match is not None, result.stdout
    assert int(match[1]) == 6  # .gitignore is a file like any other
    assert int(match[2]) >= 6
    assert result.stderr == ""


def test_index_says_what_was_left_out(conexus: Conexus, shop: Path) -> None:
    (shop / "logo.png").write_bytes(b"\x89PNG\0\0\0")
    (shop / "huge.txt").write_text("tea\n" * 500_000, encoding="utf-8")
    output = conexus("index", shop).stdout
    assert "2 left out" in output
    assert "1 binary" in output
    assert "1 larger than maxFileBytes" in output


def test_status_of_an_index(conexus: Conexus, shop: Path) -> None:
    conexus("index", shop)
    status = json.loads(conexus("status", shop, "--json").stdout)
    assert status["files"] == 6
    assert status["chunks"] >= 6
    assert status["health"] == "ok"
    assert status["quiescent"] is True
    assert status["pending"] == 0
    assert status["indexBytes"] > 0
    assert status["role"] == "writer"
    assert status["model"]["dimensions"] > 0
    (folder,) = status["folders"]
    assert folder["uri"] == shop.as_uri()
    assert folder["complete"] is True

    output = conexus("status", shop).stdout
    assert str(shop) in output
    assert "6 files" in output
    assert "complete" in output


def test_index_and_status_speak_of_the_same(conexus: Conexus, shop: Path) -> None:
    made = json.loads(conexus("index", shop, "--json").stdout)
    seen = json.loads(conexus("status", shop, "--json").stdout)
    assert set(made) == set(seen)
    assert (made["files"], made["chunks"], made["model"]) == (seen["files"], seen["chunks"], seen["model"])


def test_status_makes_no_index(conexus: Conexus, shop: Path, tmp_path: Path) -> None:
    result = conexus("status", shop, expect=1)
    assert result.stdout == ""
    assert "conexus index" in result.stderr
    assert json.loads(conexus("status", shop, "--json", expect=1).stdout) is None
    assert not (tmp_path / "data").exists()


def test_the_index_is_closed_to_others(conexus: Conexus, shop: Path, tmp_path: Path) -> None:
    conexus("index", shop)
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert files
    assert not any(path.stat().st_mode & 0o077 for path in files)
    directories = [path for path in (tmp_path / "data").rglob("*") if path.is_dir()]
    assert not any(path.stat().st_mode & 0o077 for path in directories)


def test_rebuild_gives_the_same_index(conexus: Conexus, shop: Path) -> None:
    conexus("index", shop)
    before = json.loads(conexus("status", shop, "--json").stdout)
    rebuilt = json.loads(conexus("index", shop, "--rebuild", "--json").stdout)
    assert (rebuilt["files"], rebuilt["chunks"]) == (before["files"], before["chunks"])
    assert rebuilt["embeddedChunks"] == before["chunks"]  # no vector is reused
    after = json.loads(conexus("status", shop, "--json").stdout)
    assert (after["files"], after["chunks"]) == (before["files"], before["chunks"])


@pytest.mark.parametrize(
    ("given", "words"),
    [("", "the path is empty"), ("no/such/folder", "does not exist"), ("note.txt", "is not a folder")],
)
def test_a_folder_that_cannot_be_one_is_a_sentence(conexus: Conexus, tmp_path: Path, given: str, words: str) -> None:
    (tmp_path / "note.txt").touch()
    result = conexus("index", given, expect=2, cwd=tmp_path)
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_repository_is_not_written_to(conexus: Conexus, shop: Path) -> None:
    before = sorted(shop.rglob("*"))
    conexus("index", shop)
    assert sorted(shop.rglob("*")) == before


def test_a_data_directory_that_cannot_be_made(conexus: Conexus, shop: Path, tmp_path: Path) -> None:
    blocker = tmp_path / "a file"
    blocker.write_text("", encoding="utf-8")
    data = str(blocker / "data")
    result = conexus("index", shop, expect=3, CONEXUS_DATA_DIR=data)
    assert result.stderr.startswith("conexus: ")
    # Searching needs no place to keep the index.
    result = conexus("search", shop, "total_price", CONEXUS_DATA_DIR=data)
    assert "total_price" in result.stdout
    assert result.stderr.startswith("conexus: ")


def test_an_empty_folder_is_indexed(conexus: Conexus, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert conexus("index", empty).stdout.startswith("0 files, 0 chunks")


@pytest.mark.parametrize("command", ["index", "search"])
def test_a_home_directory_wants_consent(conexus: Conexus, shop: Path, command: str) -> None:
    words = ["tea"] if command == "search" else []
    result = conexus(command, shop, *words, expect=3, HOME=str(shop))
    assert result.stdout == ""
    assert "Use --allow-large-folders" in result.stderr
    conexus(command, shop, *words, "--allow-large-folders", HOME=str(shop))


def test_settings_of_the_folder_count(conexus: Conexus, shop: Path) -> None:
    (shop / "conexus.toml").write_text('exclude = ["*.js"]\nmaxFiles = "many"\n', encoding="utf-8")
    result = conexus("search", shop, "sendConfirmation", "--json")
    assert "maxFiles" in result.stderr
    assert "mail.js" not in result.stdout


@pytest.mark.parametrize("command", ["index", "status", "search"])
@pytest.mark.parametrize("folder", ["nowhere", "README.md"])
def test_a_folder_must_exist(conexus: Conexus, shop: Path, command: str, folder: str) -> None:
    words = ["tea"] if command == "search" else []
    result = conexus(command, folder, *words, cwd=shop, expect=2)
    assert result.stderr.startswith(f"conexus {command}: ")
    assert result.stderr.count("\n") == 1


def test_rejected_settings_are_a_warning_of_the_status(conexus: Conexus, shop: Path) -> None:
    conexus("index", shop)
    assert json.loads(conexus("status", shop, "--json").stdout)["health"] == "ok"
    (shop / "conexus.toml").write_text('maxFiles = "many"\nmodel = "mine"\n', encoding="utf-8")
    status = json.loads(conexus("status", shop, "--json").stdout)
    assert status["health"] == "warning"
    assert status["message"] == "conexus.toml: a repository cannot set `model` (and 1 more)"
    result = conexus("status", shop)
    assert "health   warning: conexus.toml: " in result.stdout
    assert result.stderr.count("\n") == 2
    assert json.loads(conexus("index", shop, "--json").stdout)["health"] == "warning"


def test_a_rebuild_beside_a_server_is_refused(conexus: Conexus, shop: Path, tmp_path: Path) -> None:
    with raw_client(tmp_path / "data", folder=shop) as server:
        server.initialize(shop)
        server.wait_until_quiescent()
        result = conexus("index", shop, "--rebuild", expect=3)
        assert result.stdout == ""
        assert "was not rebuilt" in result.stderr
        assert result.stderr.count("\n") == 1
        assert conexus("index", shop).stdout.startswith("6 files, ")
        assert server.shut_down() == 0
    assert conexus("index", shop, "--rebuild").stdout.startswith("6 files, ")


def test_a_folder_without_a_name_is_named(conexus: Conexus) -> None:
    result = conexus("index", "/", expect=3)
    assert result.stderr.startswith("conexus: /: This folder is the whole file system.")


def test_the_data_directory_may_begin_with_a_tilde(conexus: Conexus, shop: Path, tmp_path: Path) -> None:
    conexus("index", shop, cwd=tmp_path, HOME=str(tmp_path), CONEXUS_DATA_DIR="~/indexes")
    assert (tmp_path / "indexes").is_dir()
    assert not (tmp_path / "~").exists()
