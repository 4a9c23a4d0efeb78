"""``conexus status`` and ``doctor`` know every index that a command has made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Conexus


@pytest.mark.parametrize("command", [["search", "basket"], ["related"], ["index"]])
def test_an_index_that_a_command_made_is_known(conexus: Conexus, shop: Path, command: list[str]) -> None:
    assert "there is no index" in conexus("status", shop, expect=1).stderr
    assert "has not been indexed yet" in conexus("doctor", shop).stdout
    name, *words = command
    if name == "related":
        conexus("related", f"{shop}/shop/basket.py:8", "--root", shop)
    else:
        conexus(name, shop, *words)
    assert "6 files" in conexus("status", shop).stdout
    (line,) = (line for line in conexus("doctor", shop).stdout.splitlines() if " index " in line)
    assert line.startswith("OK")
    assert str(shop.name.replace(" ", "-")) in line


def test_a_status_reads_well(conexus: Conexus, tmp_path: Path) -> None:
    folder = tmp_path / "one file"
    folder.mkdir()
    assert f"`conexus index '{folder}'`" in conexus("status", folder, expect=1).stderr
    (folder / "tea.py").write_text("def brew():\n    pass\n", encoding="utf-8")
    assert conexus("index", folder).stdout.startswith("1 file, 1 chunk in ")
    lines = conexus("status", folder).stdout.splitlines()
    assert lines[:4] == [
        f"folder   {folder}",
        "index    1 file, 1 chunk, complete",
        "search   exact: a query scores every chunk",
        "health   ok",
    ]
    assert "embedded 0 chunks in this run" in lines
    assert "role     writer" in lines


def test_a_status_says_that_the_data_directory_is_not_used(
    conexus: Conexus, environment: dict[str, str], shop: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    refused = conexus("status", shop, expect=3, CONEXUS_DATA_DIR=str(tmp_path / "link"))
    assert "the data directory is a link" in refused.stderr
    assert "there is no index" not in refused.stderr


def test_a_status_says_which_settings_a_repository_decides_and_what_it_left_out(
    conexus: Conexus, tmp_path: Path
) -> None:
    (tmp_path / "tea.py").write_text("def brew():\n    pass\n", encoding="utf-8")
    (tmp_path / ".env").write_text("TEA=green\n", encoding="utf-8")
    (tmp_path / "conexus.toml").write_text('exclude = ["conexus.toml"]\n', encoding="utf-8")
    indexed = conexus("index", tmp_path)
    assert "(1 left out: 1 may hold secrets)" in indexed.stdout
    assert not indexed.stderr
    assert "health   ok: conexus.toml sets `exclude`." in conexus("status", tmp_path).stdout.splitlines()
