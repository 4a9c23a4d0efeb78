"""The documents on security name tests and commands that exist, and the commands of the runbooks work."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECURITY = ROOT / "docs/security"
RUNBOOKS = (SECURITY / "incident-response.md").read_text(encoding="utf-8")
_REFERENCE = re.compile(r"`([\w/]+\.py)::(\w+)`")


@cache
def names_in(name: str) -> frozenset[str]:
    """Returns the names of the tests in a module below `tests/`."""
    path = ROOT / "tests" / name
    assert path.is_file(), f"there is no tests/{name}"
    found = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return frozenset(
        node.name
        for node in found
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    )


def rows_of(path: Path) -> list[str]:
    """Returns the rows of a document's tables, without their headings."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        line
        for number, line in enumerate(lines)
        if line.startswith("| ") and lines[number + 1 : number + 2] != ["|---|---|---|"]
    ]


@pytest.mark.parametrize("path", sorted(SECURITY.glob("*.md")), ids=lambda path: path.stem)
def test_every_named_test_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    missing = [f"{name}::{test}" for name, test in _REFERENCE.findall(text) if test not in names_in(name)]
    assert not missing
    assert text.count(".py::") == len(_REFERENCE.findall(text)), "a reference has another form"


def test_every_threat_names_a_test() -> None:
    rows = rows_of(SECURITY / "threat-model.md")
    assert len(rows) > 20
    assert [row for row in rows if not _REFERENCE.search(row.split("|")[3])] == []


def test_every_row_of_the_table_names_a_test_or_says_that_it_is_open() -> None:
    rows = rows_of(SECURITY / "README.md")
    assert len(rows) > 20
    assert [row for row in rows if not _REFERENCE.search(row.split("|")[3]) and "*Open*" not in row] == []


def test_every_make_command_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {
        target
        for path in [*SECURITY.glob("*.md"), ROOT / "CONTRIBUTING.md", ROOT / "README.md"]
        for target in re.findall(r"(?:`|^\s*)make ([\w-]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {"security", "lock", "test"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def blocks() -> list[str]:
    """Returns the runbooks' blocks of commands, which are indented, in their order."""
    return re.findall(r"(?:^    .+\n)+", RUNBOOKS, re.MULTILINE)


def test_the_commands_of_the_runbooks_work(tmp_path: Path) -> None:
    """In their order, in one home directory. The workspace has a secret, which is gone from the data at the end."""
    home, workspace = tmp_path / "home", tmp_path / "a workspace"
    home.mkdir()
    workspace.mkdir()
    (workspace / "basket.py").write_text("def total_price(articles):\n    return sum(articles)\n")
    (workspace / "deploy.py").write_text("def deploy():\n    return login('LEAKED')\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONEXUS_", "XDG_"))}
    environment = kept | {"HOME": str(home), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def run(commands: str) -> str:
        script = "set -eu\n" + re.sub(r"\bDIR\b", shlex.quote(str(workspace)), commands)
        ended = subprocess.run(
            ["/bin/sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, f"{commands}\n{ended.stdout}{ended.stderr}"
        return ended.stdout

    run("conexus index DIR")
    data = home / ".local/share/conexus"
    assert any(b"LEAKED" in path.read_bytes() for path in data.rglob("*") if path.is_file())
    assert len(blocks()) > 5
    outputs = {block: run(block) for block in blocks()}
    assert not any(b"LEAKED" in path.read_bytes() for path in data.rglob("*") if path.is_file())
    assert not any(home.glob("conexus-evidence*"))
    owners = next(output for block, output in outputs.items() if "! -user" in block)
    assert owners == "", "files of the index are not the user's alone"


def test_every_command_of_the_runbooks_is_tried() -> None:
    """No command hides in a fence of another kind."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```", RUNBOOKS, re.MULTILINE | re.DOTALL)
    assert {language for language, _ in fences} == {"make"}
    assert all(line.startswith("make ") for _, text in fences for line in text.splitlines())
