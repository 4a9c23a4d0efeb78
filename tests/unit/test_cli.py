"""Pieces of the command line that need no process."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conexus.cli.arguments import count, file_place, folder, names
from conexus.cli.hits import hit_lines, print_answer
from conexus.cli.related import position_of, workspace_of
from conexus.cli.status_text import size
from conexus.cli.terminal import paint, wants_colour
from conexus.escape import one_line
from conexus.text.positions import Encoding
from conexus.values import Answer, BadQuery, Hit, IndexState, Position, TextRange


def hit(folder: Path, preview: str, *matches: tuple[int, int, int], line: int = 9) -> Hit:
    """A hit that begins at ``line``; ``matches`` are (line from the hit's start, first column, end column)."""
    return Hit(
        document=str(folder / "src/tea.py"),
        range=TextRange(Position(line, 0), Position(line + preview.count("\n"), 0)),
        version=None,
        folder=str(folder),
        language="python",
        kind="function",
        symbol="brew",
        container="Kettle",
        score=1.0,
        reasons=("name", "meaning"),
        preview=preview,
        matches=tuple(
            TextRange(Position(line + row, first), Position(line + row, last)) for row, first, last in matches
        ),
    )


def shown(hit: Hit, folder: Path, *, preview: int = 4, colour: bool = False) -> list[str]:
    return list(hit_lines(hit, folder, preview=preview, colour=colour))


def test_a_hit_for_people(tmp_path: Path) -> None:
    lines = shown(hit(tmp_path, "def brew(tea):\n\n    return tea\n"), tmp_path)
    assert lines == [
        f"{tmp_path}/src/tea.py:10: function brew in Kettle  [name, meaning]",
        "     10  def brew(tea):",
        "     12      return tea",
    ]


def test_the_first_match_is_always_shown(tmp_path: Path) -> None:
    lines = shown(hit(tmp_path, "a\nb\nc\nd\ntea\n", (4, 0, 3)), tmp_path, preview=2)
    assert [line.split()[-1] for line in lines[1:]] == ["a", "tea"]


def test_matches_are_painted(tmp_path: Path) -> None:
    lines = shown(hit(tmp_path, "brew 🍵 tea, tea\n", (0, 7, 10), (0, 12, 15)), tmp_path, colour=True)
    assert "brew 🍵 \x1b[1;31mtea\x1b[0m, \x1b[1;31mtea\x1b[0m" in lines[1]


def test_a_very_long_line_is_cut(tmp_path: Path) -> None:
    lines = shown(hit(tmp_path, "x" * 5000 + "\n", (0, 4000, 4003)), tmp_path)
    assert len(lines[1]) < 250
    assert lines[1].endswith("…")


@given(st.text(), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30), st.integers(0, 30)), max_size=4))
def test_no_hit_breaks_the_output(text: str, matches: list[tuple[int, int, int]]) -> None:
    spans = [(row, min(ends), max(ends)) for row, *ends in matches]
    for line in shown(hit(Path("/w"), text, *spans), Path("/w")):
        assert "\n" not in line
        assert "\x1b" not in line


@given(st.text())
def test_one_line_keeps_what_is_harmless_and_escapes_what_is_not(text: str) -> None:
    made = one_line(text)
    assert not any(ord(mark) < 32 and mark != "\t" for mark in made)
    assert not set(made) & set("\x7f\x9b\u202e\u2066\u200f")
    if text.isprintable():
        assert made == text


def test_one_line_shows_trojan_source() -> None:
    assert one_line("if admin \u202e} \u2066") == "if admin \\u202e} \\u2066"


def test_no_colour_without_a_terminal() -> None:
    assert not wants_colour(io.StringIO())
    assert paint("tea", "1", False) == "tea"


def test_a_degraded_answer_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = io.StringIO()
    answer = Answer((hit(tmp_path, "tea\n"), hit(tmp_path, "tea\n")), IndexState(True, 1, 1, "only by words"), 1, 0.5)
    print_answer(answer, tmp_path, as_json=False, preview=1, output=output)
    assert capsys.readouterr().err == "conexus: only by words\n"
    assert output.getvalue().count("\n\n") == 1


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (5 * 2**30, "5.0 GiB"),
        (2**60, "1048576.0 TiB"),
    ],
)
def test_sizes(number: int, words: str) -> None:
    assert size(number) == words


def test_argument_types(tmp_path: Path) -> None:
    assert names("python, rust,,") == ["python", "rust"]
    assert count(1, 200)("200") == 200
    for wrong in ("0", "201", "", "x", "1.5", "²"):
        with pytest.raises(argparse.ArgumentTypeError):
            count(1, 200)(wrong)
    with pytest.raises(argparse.ArgumentTypeError):
        folder(str(tmp_path / "nowhere"))
    file = tmp_path / "a:1.py"
    file.write_text("tea\n", encoding="utf-8")
    assert file_place(f"{file}:3") == (file, 3, None)
    assert file_place(f"{file}:3:14") == (file, 3, 14)


def test_places_are_counted_in_the_units_of_the_engine(tmp_path: Path) -> None:
    file = tmp_path / "tea.py"
    text = "first\n\t🍵 tea\n"
    assert position_of(file, text, 2, 3, Encoding.UTF16) == Position(1, 3)
    assert position_of(file, text, 2, 3, Encoding.UTF32) == Position(1, 2)
    assert position_of(file, text, 2, None, Encoding.UTF16) == Position(1, 1)
    assert position_of(file, text, 2, 99, Encoding.UTF32) == Position(1, 6)
    with pytest.raises(BadQuery):
        position_of(file, text, 4, None, Encoding.UTF16)


def test_the_workspace_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "repository/src"
    inner.mkdir(parents=True)
    file = inner / "tea.py"
    file.touch()
    (tmp_path / "repository/.git").mkdir()
    assert workspace_of(file) == tmp_path / "repository"
    monkeypatch.chdir(inner)
    assert workspace_of(Path("tea.py")) == Path("..")
