"""Which lines a hit has: a definition with its members."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conexus.answers.hits import MOST_LINES, PREVIEW_BYTES, _ranges
from conexus.text.positions import Encoding, LineIndex, split_lines
from conexus.values import Hit, Place, Position, TextRange
from tests.workspaces import PATIENCE, running, write
from tests.workspaces import OneClient as Engine

LONG = "".join(f"\n    def step_{number}(self):\n        return {number}\n" for number in range(40))
FIXTURE = {
    "shapes.py": '''\
"""Shapes."""

RATIO = 1.5


class Rectangle:
    """A rectangle."""

    sides = 4

    def area(self):
        return self.width * self.height

    class Corner:
        def angle(self):
            return 90

    def scaled(self, factor):
        return Rectangle(self.width * factor, self.height * factor)


def unrelated():
    return RATIO
''',
    "stack.go": """\
package stack

// Stack is last in, first out.
type Stack struct {
	items []int
}

// Push adds an item.
func (s *Stack) Push(item int) {
	s.items = append(s.items, item)
}
""",
    "twice.rb": """\
class Lamp
  def light
    @on = true
  end
end

class Lamp
  def darken
    @on = false
  end
end
""",
    "guide.md": "# Guide\n\nHello.\n\n## Install\n\nRun it.\n\n### Windows\n\nAlso.\n\n## Use\n\nAsk.\n",
    "long.py": "class Marathon:\n    distance = 42\n" + LONG,
    "function.py": "def enormous():\n" + "".join(f"    call_{number}({number})\n" for number in range(65)),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    write(folder, FIXTURE)
    return folder


@pytest.fixture(scope="module")
def engine(root: Path, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    with running(root, tmp_path_factory.mktemp("data")) as started:
        yield started


def hit(engine: Engine, symbol: str, query: str = "") -> Hit:
    return next(each for each in engine.search(query or symbol, limit=50).hits if each.symbol == symbol)


def lines_of(found: Hit, text: str) -> list[str]:
    """The lines in a hit's range, which are whole and not blank at the end."""
    lines = split_lines(text)
    start, end = found.range.start, found.range.end
    assert start.column == 0
    assert end.column == len(lines[end.line].rstrip("\n")) > 0
    for inner in (*found.matches, *([found.name_range] if found.name_range else ())):
        assert start.line <= inner.start.line <= inner.end.line <= end.line
    return [line.rstrip("\n") for line in lines[start.line : end.line + 1]]


def test_a_class_has_its_members(engine: Engine) -> None:
    found = hit(engine, "Rectangle", "Rectangle scaled")
    lines = lines_of(found, FIXTURE["shapes.py"])
    assert lines[0] == "class Rectangle:"
    assert lines[-1].strip() == "return Rectangle(self.width * factor, self.height * factor)"
    assert found.preview == "\n".join(lines) + "\n"
    assert any(match.start.line > found.range.start.line + 10 for match in found.matches)
    assert lines_of(hit(engine, "Corner"), FIXTURE["shapes.py"])[-1].strip() == "return 90"
    assert len(lines_of(hit(engine, "area"), FIXTURE["shapes.py"])) == 2


def test_what_stands_outside_is_no_member(engine: Engine) -> None:
    assert lines_of(hit(engine, "Stack"), FIXTURE["stack.go"])[-1] == "}"
    assert len(lines_of(hit(engine, "Stack"), FIXTURE["stack.go"])) == 4
    first, second = sorted(
        (each.range.start.line, lines_of(each, FIXTURE["twice.rb"])[-1])
        for each in engine.search("Lamp").hits
        if each.symbol == "Lamp"
    )
    assert (first, second) == ((0, "end"), (6, "end"))


def test_a_section_has_its_subsections(engine: Engine) -> None:
    assert lines_of(hit(engine, "Install"), FIXTURE["guide.md"]) == [
        "## Install", "", "Run it.", "", "### Windows", "", "Also."
    ]  # fmt: skip


def test_a_long_definition_is_cut_but_not_inside_its_chunk(engine: Engine) -> None:
    found = hit(engine, "Marathon")
    lines = lines_of(found, FIXTURE["long.py"])
    assert MOST_LINES - 2 <= len(lines) <= MOST_LINES
    assert len(found.preview.encode()) <= PREVIEW_BYTES
    assert len(lines_of(hit(engine, "enormous"), FIXTURE["function.py"])) == 66


def test_symbols_and_related_code_have_the_same_range(engine: Engine, root: Path) -> None:
    expected = hit(engine, "Rectangle").range
    assert next(each for each in engine.symbols("Rectangle").hits if each.symbol == "Rectangle").range == expected
    inside = Position(11, 0)
    related = engine.related(Place(str(root / "shapes.py"), TextRange(inside, inside)), limit=200)
    corner = next(each for each in related.hits if each.symbol == "Corner")
    assert corner.range == hit(engine, "Corner").range


def test_a_hit_is_what_its_file_says_now(tmp_path: Path) -> None:
    """Before anyone has told of the change, and whatever was shown of the row before."""
    root = tmp_path / "work"
    write(root, {"lamp.py": "def lamp():\n    return 1\n"})
    with running(root, tmp_path / "data") as engine:
        for _ in range(2):
            assert hit(engine, "lamp").preview == "def lamp():\n    return 1\n"
        (root / "lamp.py").write_text("def lamp():\n    return 22\n")
        assert hit(engine, "lamp").preview == "def lamp():\n    return 22\n"
        (root / "lamp.py").unlink()
        assert not any(each.preview for each in engine.search("lamp").hits)


@pytest.mark.parametrize("change", [lambda text: "\n\n" + text, lambda text: text.replace("\n", "\r\n")])
def test_an_open_buffer_is_read_as_it_is(tmp_path: Path, change: Callable[[str], str]) -> None:
    write(tmp_path / "work", FIXTURE)
    path = tmp_path / "work" / "shapes.py"
    text = change(FIXTURE["shapes.py"]).replace("factor", "ratio")
    with running(tmp_path / "work", tmp_path / "data") as engine:
        engine.open_document(str(path), text, 3, "python")
        assert engine.wait(PATIENCE)
        found = hit(engine, "Rectangle")
        lines = split_lines(text)[found.range.start.line : found.range.end.line + 1]
        assert found.version == 3
        assert lines[0].rstrip() == "class Rectangle:"
        assert lines[-1].strip() == "return Rectangle(self.width * ratio, self.height * ratio)"
        assert found.preview.split() == "".join(lines).split()


@pytest.mark.parametrize("encoding", list(Encoding))
@given(text=st.text("ab é😀\n\r", max_size=80), ends=st.lists(st.integers(0, 80), max_size=8))
def test_spans_become_ranges(encoding: Encoding, text: str, ends: list[int]) -> None:
    lines = split_lines(text)
    index = LineIndex(text)
    places = sorted({end for end in ends if end < len(text) and text[end] not in "\r\n"})
    spans = [(place, place + 1) for place in places]
    expected = [(index.position(start, encoding), index.position(end, encoding)) for start, end in spans]
    found = list(_ranges(lines, spans, 5, encoding))
    assert [(each.start.line - 5, each.start.column) for each in found] == [start for start, _ in expected]
    assert [(each.end.line - 5, each.end.column) for each in found] == [end for _, end in expected]
