"""The page of results."""

from __future__ import annotations

import stat
from pathlib import Path

import attrs
import pytest
from lsprotocol import types as lsp

from conexus.lsp import results_page, types


def result(preview: str, *, complete: bool = True) -> types.SearchResult:
    span = lsp.Range(lsp.Position(4, 0), lsp.Position(6, 0))
    hit = types.Hit(
        location=lsp.Location("file:///project/src/a%5Bb%5D.py", span),
        folder="file:///project",
        language="python",
        score=1.0,
        reasons=["meaning", "words: *x*"],
        preview=preview,
        symbol="f",
        kind="function",
        relation="caller",
    )
    index = types.IndexState(complete=complete, indexed_files=1, total_files=2)
    return types.SearchResult(hits=[hit], index=index, generation=1, took_ms=1.0)


def test_what_a_page_says() -> None:
    page = results_page.render("find `this`\nplease", result("def f(): ...\n", complete=False))
    assert page.startswith("# find \\`this\\` please\n\n1 result; 1 of 2 files are indexed so far.\n")
    assert "\n## 1. caller: function `f` in src/a\\[b\\].py\n\n[/project/src/a\\[b\\].py:5]\n*meaning, " in page
    assert page.endswith("\n\n[/project/src/a\\[b\\].py:5]: file:///project/src/a%5Bb%5D.py#L5\n")
    assert "*meaning, words: \\*x\\**" in page
    assert "```python\ndef f(): ...\n```\n" in page


def test_code_with_fences_does_not_break_out() -> None:
    page = results_page.render("x", result("````\nnot the end\n"))
    assert "`````python\n````\nnot the end\n`````\n" in page


def test_every_place_has_one_target() -> None:
    found = result("x\n")
    unsaved = attrs.evolve(
        found.hits[0], location=lsp.Location("untitled:Untitled-1", found.hits[0].location.range), folder=""
    )
    page = results_page.render("x", attrs.evolve(found, hits=[*found.hits, unsaved, unsaved]))
    assert page.count("\n[untitled:Untitled-1:5]\n") == 2
    assert page.count("\n[untitled:Untitled-1:5]: untitled:Untitled-1#L5\n") == 1
    assert page.count("]: ") == 2


@pytest.mark.parametrize(
    ("text", "written"),
    [("test_retry.py", "test_retry.py"), ("_x_", "\\_x\\_"), ("a__b", "a__b"), ("__init__.py", "\\_\\_init\\_\\_.py")],
)
def test_underscores_are_escaped_where_they_would_mean_something(text: str, written: str) -> None:
    assert results_page.render(text, result("x")).startswith(f"# {written}\n")


def test_pages_are_private_and_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONEXUS_DATA_DIR", str(tmp_path / "data"))
    pages = [results_page.write(f"page {number} \ud800") for number in range(25)]
    left = list(results_page.directory().iterdir())
    assert len(left) == 20
    assert pages[-1] in left
    assert stat.S_IMODE(pages[-1].stat().st_mode) == 0o600
    assert stat.S_IMODE(results_page.directory().stat().st_mode) == 0o700
    assert stat.S_IMODE(results_page.directory().parent.stat().st_mode) == 0o700
    assert results_page.is_page(str(pages[0]))
    assert not results_page.is_page(str(tmp_path / "data" / "other.md"))
    assert not results_page.is_page("untitled:Untitled-1")
