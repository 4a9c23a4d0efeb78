"""What the scanners accept, as `[tool.scanners]` of pyproject.toml says it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The locked versions of what Conexus needs at run time, with the digests of their files.
LOCK = ".ci/requirements.txt"
EXTENSION = "editors/vscode"


@dataclass(frozen=True)
class Policy:
    """The accepted licences, the most suppressions, and files of digests or words that are not searched for secrets."""

    licences: frozenset[str]
    most_lines: int
    most_rules: int
    files_of_data: tuple[str, ...]


def read_pyproject(tree: Path) -> dict[str, Any]:
    return tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))


def read_policy(tree: Path) -> Policy:
    table = read_pyproject(tree)["tool"]["scanners"]
    return Policy(
        frozenset(table["licences"]),
        table["suppressions-on-lines"],
        table["suppressions-of-rules"],
        tuple(table["files-of-data"]),
    )
