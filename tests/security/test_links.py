"""An engine shows nothing of what is behind a link of a directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from conexus.values import BadQuery, Place, Position, TextRange
from tests.workspaces import running, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "outside", {"burrow.py": "def dig():\n    return 'SECRET of wombat_tunnels'\n"})
    write(
        tmp_path / "ws",
        {
            "animals.py": "def wombat_tunnels():\n    return dig_a_burrow()\n",
            "pack/burrow.py": "def dig():\n    return 'a tunnel for wombats'\n",
        },
    )
    (tmp_path / "ws" / "link").symlink_to(tmp_path / "outside")
    return tmp_path / "ws"


def test_code_related_to_a_range_behind_a_link_is_not_looked_for(root: Path, tmp_path: Path) -> None:
    with running(root, tmp_path / "data") as engine:
        assert engine.related(_start_of(f"{root}/link/burrow.py")).hits == ()


@pytest.mark.parametrize("path", ["../outside/burrow.py", "pack/../../outside/burrow.py"])
def test_a_range_outside_is_refused(root: Path, tmp_path: Path, path: str) -> None:
    with running(root, tmp_path / "data") as engine, pytest.raises(BadQuery):
        engine.related(_start_of(f"{root}/{path}"))


def _start_of(document: str) -> Place:
    return Place(document, TextRange(Position(0, 0), Position(2, 0)))


def test_a_directory_that_became_a_link_is_not_shown_before_the_index_knows(root: Path, tmp_path: Path) -> None:
    with running(root, tmp_path / "data") as engine:
        assert "tunnel" in engine.search("dig a tunnel for wombats").hits[0].preview
        (root / "pack").rename(tmp_path / "aside")
        (root / "pack").symlink_to(tmp_path / "outside")
        for _ in range(20):
            hits = engine.search("dig a tunnel for wombats").hits
            assert not [hit for hit in hits if "SECRET" in hit.preview]
        engine.hint([root / "pack"])
        assert engine.wait(30)
        assert not [hit for hit in engine.search("dig a tunnel").hits if "pack" in hit.document]
