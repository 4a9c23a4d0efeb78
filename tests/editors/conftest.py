"""What the tests in every editor share: the workspace, the server as a user has it installed, and the editors."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.editors import install
from tests.editors.sample import Sample
from tests.faults import assert_none_left
from tests.lsp.raw import server_environment
from tests.planted import plant

if TYPE_CHECKING:
    from tests.editors.picture import Colours
    from tests.editors.terminal import Terminal

#: `make test-editors` names the editors here that it was asked for, none for all: if one is missing, that is a failure.
_REQUIRED = os.environ.get("CONEXUS_EDITORS_REQUIRED")

# Without the dependency group `editors` there is nothing to drive editors with.
if find_spec("pyte") is None and _REQUIRED is None:
    collect_ignore_glob = ["*"]


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return Sample.create(tmp_path / "shop")


@pytest.fixture
def data_directory(tmp_path: Path) -> Path:
    """Of the server of this test alone."""
    return tmp_path / "data"


@pytest.fixture
def planted(tmp_path: Path) -> tuple[Path, Path]:
    """A workspace of code that must not run, and the file that is there once some of it has."""
    folder, mark = tmp_path / "planted", tmp_path / "has-run"
    plant(folder, mark)
    return folder, mark


@pytest.fixture
def server_program(tmp_path: Path, data_directory: Path) -> Path:
    """`conexus`, as if it were installed: a program in a folder of its own, which a test may put on the PATH."""
    environment = server_environment(data_directory)
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, function = project["scripts"]["conexus"].partition(":")
    program, script = tmp_path / "bin/conexus", tmp_path / "script/conexus"
    for each in (program, script):
        each.parent.mkdir()
    # What an installer writes.
    script.write_text(f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n")
    program.write_text(
        "#!/bin/sh\n"
        f"export CONEXUS_DATA_DIR='{data_directory}' PYTHONPATH='{environment['PYTHONPATH']}'\n"
        f"exec '{sys.executable}' '{script}' \"$@\"\n"
    )
    program.chmod(0o755)
    return program


@pytest.fixture
def server_command(server_program: Path) -> list[str]:
    return [str(server_program), "serve", "--stdio"]


@pytest.fixture
def environment(tmp_path: Path, server_program: Path, data_directory: Path) -> dict[str, str]:
    """A new user's, with `conexus` on the PATH. Whatever is started in it counts as a process of this test."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "GIT_", "VIM", "NVIM"))}
    return {
        **kept,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "PATH": f"{server_program.parent}{os.pathsep}{os.environ['PATH']}",
        "CONEXUS_DATA_DIR": str(data_directory),
    }


@pytest.fixture
def no_process_left(data_directory: Path) -> Iterator[None]:
    """When the test ends, no process is alive that was started for its data directory: no server, and no editor that
    got `environment`. They get the time that ending takes."""
    yield
    assert_none_left(data_directory)


@pytest.fixture(scope="session")
def editor() -> Callable[[str], Path]:
    """The program of an installed editor, by its name in `install.py`."""

    def find(name: str) -> Path:
        program = install.program_of(name)
        if program is None:
            sentence = f"{name} is not installed: make test-editors, or python -m tests.editors.install {name}"
            required = _REQUIRED is not None and name in (_REQUIRED.split() or install.EDITORS)
            (pytest.fail if required else pytest.skip)(sentence)
        return program

    return find


@pytest.fixture
def picture_of() -> Callable[..., None]:
    """Saves a picture of a terminal under a name, into the folder that CONEXUS_SCREENSHOTS names, if it does."""
    folder = os.environ.get("CONEXUS_SCREENSHOTS")

    def save(terminal: Terminal, name: str, *colours: Colours) -> None:
        if folder:
            terminal.save_png(Path(folder).resolve() / f"{name}.png", *colours)

    return save
