"""Where engines work: a folder with the files of the module's `FIXTURE`, and a data directory that is not there yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workspaces import write


@pytest.fixture
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    write(folder, request.module.FIXTURE)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"
