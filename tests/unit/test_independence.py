"""The tests of the product use nothing of the benchmarks, whose tests are in server/benchmarks/tests."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parents[1]


def imported(source: Path) -> set[str]:
    """The first name of every module that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_no_test_imports_the_benchmarks() -> None:
    sources = sorted(TESTS.rglob("*.py"))
    assert "conexus" in imported(TESTS / "workspaces.py")
    assert [source for source in sources if "benchmarks" in imported(source)] == []
