"""What the guides say of the editors is what their tests saw."""

from __future__ import annotations

import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_INDEX = (_ROOT / "docs/editors/README.md").read_text(encoding="utf-8")
_TESTS = _ROOT / "tests/editors"

#: Where the tests of each column are.
_FILES = {
    "VS Code": ("test_vscode.py",),
    "Neovim": ("test_neovim.py",),
    "Emacs": ("test_emacs.py", "emacs-tests.el"),
    "Helix": ("test_helix.py",),
}


def _cells(lines: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines.strip().splitlines()]


def test_every_cell_of_the_table_was_seen_by_a_test() -> None:
    table = re.search(r"^\| \| (VS Code .+?) \|\n\|[-|]+\n((?:\|.+\n)+)", _INDEX, re.MULTILINE)
    written = re.search(r"<!--\n.*?\n\n(.*?)-->", _INDEX, re.DOTALL)
    assert table is not None
    assert written is not None
    editors = [name.strip() for name in table[1].split("|")]
    rows, seen = _cells(table[2]), _cells(written[1])
    assert editors == list(_FILES)
    assert len(rows) == len(seen)
    for (what, *cells), tests in zip(rows, seen, strict=True):
        for editor, cell, test in zip(editors, cells, tests, strict=True):
            assert (cell == "–") == (test == "–"), (what, editor)
            assert cell == "–" or _is_there(test, editor), f"{what}: {test} is no test of {editor}"


def _is_there(test: str, editor: str) -> bool:
    definition = re.compile(rf"^(?:def |\(ert-deftest ){re.escape(test)}[ (]", re.MULTILINE)
    return any(definition.search((_TESTS / name).read_text(encoding="utf-8")) for name in _FILES[editor])


def test_every_guide_is_in_the_index_and_the_links_lead_somewhere() -> None:
    guides = {path.name for path in (_ROOT / "docs/editors").glob("*.md")} - {"README.md"}
    assert set(re.findall(r"^\| \[[^]]+\]\((\w+\.md)\)", _INDEX, re.MULTILINE)) == guides
    for guide in (_ROOT / "docs/editors").glob("*.md"):
        for target in re.findall(r"\]\((?!\w+://)([^)#]+)", guide.read_text(encoding="utf-8")):
            assert (guide.parent / target).exists(), f"{guide.name}: {target}"


#: An installation by name; `\b` would take a file such as conexus.vsix for one.
_BY_NAME = re.compile(r"\b(?:pip|pipx|uv|uvx|npm)\b(?: +[a-z-]+)* +['\"]?conexus(?![\w./-])")


def test_nothing_tells_to_install_the_other_product_of_this_name() -> None:
    assert _BY_NAME.search("Run `uv tool install conexus`.")
    assert _BY_NAME.search("pip install --upgrade conexus")
    assert not _BY_NAME.search("pip install ./conexus-1.whl")
    suffixes = {".md", ".txt", ".lua", ".ts", ".json", ".mjs", ".py"}
    texts = [
        path
        for folder in ("editors", "docs", "server/conexus")
        for path in (_ROOT / folder).rglob("*")
        if path.suffix in suffixes and not {"node_modules", "dist", "model"} & set(path.parts)
    ]
    texts += [_ROOT / "README.md", _ROOT / "Makefile"]
    assert len(texts) > 50
    for path in texts:
        assert not _BY_NAME.search(path.read_text(encoding="utf-8")), path
    assert "is another product" in _INDEX
