"""Hits and places are in the lines of the present text, also while the index does not know it yet."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conexus.answers.hits import MOST_LINES, PREVIEW_BYTES
from conexus.indexing.commands import Verify
from conexus.text.positions import Encoding, LineIndex, split_lines
from conexus.values import Answer, Hit, Place, Position, TextRange
from tests.workspaces import PATIENCE, Call, running, write
from tests.workspaces import OneClient as Engine

SHAPES = '''\
"""Shapes."""

RATIO = 1.5


class Rectangle:
    """A rectangle."""

    sides = 4

    def area(self):
        return multiplied(self.width, self.height)

    def scaled(self, factor):
        return Rectangle(self.width * factor, self.height * factor)


def multiplied(one, other):
    return one * other
'''
FILES = {
    "shapes.py": SHAPES,
    "launch.js": 'const face = "😀"\n\nexport /* 😀 */ function launchRocket(rocket) {\n  return rocket.start()\n}\n',
    "other.py": "def unrelated_thing():\n    return None\n",
}


@contextmanager
def held(engine: Engine) -> Iterator[None]:
    """The indexer is busy with something else: what it is told waits."""
    begun, released = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        assert released.wait(2 * PATIENCE)

    engine.engine.indexer._loop.post(Verify(Call(hold)))
    assert begun.wait(PATIENCE)
    try:
        yield
    finally:
        released.set()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "work", FILES)
    return tmp_path / "work"


@pytest.fixture
def engine(root: Path, tmp_path: Path) -> Iterator[Engine]:
    with running(root, tmp_path / "data") as started:
        yield started


def hit(answer: Answer, symbol: str) -> Hit:
    return next(each for each in answer.hits if each.symbol == symbol)


def text_of(text: str, part: TextRange) -> str:
    """What a range holds; the range must lie in the text."""
    index = LineIndex(text)
    offsets = []
    for position in (part.start, part.end):
        offset = index.offset(position.line, position.column, Encoding.UTF16)
        assert index.position(offset, Encoding.UTF16) == (position.line, position.column)
        offsets.append(offset)
    assert offsets[0] <= offsets[1]
    return text[offsets[0] : offsets[1]]


def check(found: Hit, text: str) -> str:
    """All that a hit says of a text is so. Returns its lines."""
    lines = text_of(text, found.range)
    assert found.range.start.column == 0
    first, last = found.range.start.line, found.range.end.line
    whole = "".join(split_lines(text)[first : last + 1])
    assert lines == whole.rstrip("\r\n")
    assert whole.startswith(found.preview)
    assert found.preview == whole or len(found.preview.encode()) > PREVIEW_BYTES // 2
    for match in found.matches:
        assert first <= match.start.line <= match.end.line <= last
        assert text_of(text, match)
    if found.name_range is not None:
        assert text_of(text, found.name_range) == found.symbol
    return lines


EDITS = {
    "nothing": (SHAPES, 5, "* factor)"),
    "above": ("import math\nimport os\n\n" + SHAPES, 8, "* factor)"),
    "below": (SHAPES + "\n\ndef more():\n    pass\n", 5, "* factor)"),
    "inside": (SHAPES.replace("    sides = 4\n", "    sides = 4\n    corners = 4\n"), 5, "* factor)"),
    "line ends": (SHAPES.replace("\n", "\r\n"), 5, "* factor)"),
    "its end": (SHAPES.replace("(self.width * factor, self.height * factor)", "(1)"), 5, "return Rectangle(1)"),
    "several": ("#!python\n" + SHAPES.replace("factor", "ratio").replace("RATIO", "FACTOR"), 6, "* ratio)"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_hit_of_an_edited_buffer_is_in_the_present_text(engine: Engine, root: Path, edit: str) -> None:
    path = str(root / "shapes.py")
    text, first, end = EDITS[edit]
    engine.open_document(path, SHAPES, 1, "python")
    assert engine.wait(PATIENCE)
    with held(engine):
        engine.change_document(path, "thrown away", 2)
        engine.change_document(path, text, 3)
        for answer in (engine.search("Rectangle scaled"), engine.symbols("Rectangle")):
            found = hit(answer, "Rectangle")
            lines = check(found, text)
            assert (found.version, found.range.start.line) == (3, first)
            assert lines.startswith("class Rectangle:")
            assert lines.endswith(end)
            assert found.name_range is not None
        assert any(
            "Rectangle" in text_of(text, match) for match in hit(engine.search("Rectangle"), "Rectangle").matches
        )
    assert engine.wait(PATIENCE)
    assert check(hit(engine.search("Rectangle scaled"), "Rectangle"), text) == lines


def test_a_definition_that_was_taken_out_is_no_hit(engine: Engine, root: Path) -> None:
    path = str(root / "shapes.py")
    engine.open_document(path, SHAPES, 1, "python")
    assert engine.wait(PATIENCE)
    with held(engine):
        engine.change_document(path, SHAPES[: SHAPES.index("\n\ndef multiplied")], 2)
        hits = engine.search("multiplied").hits
        assert not [each for each in hits if each.symbol == "multiplied"]
        assert hit(engine.search("multiplied area"), "area").version == 2
        engine.change_document(path, "\n \n", 3)
        assert not [each for each in engine.search("Rectangle multiplied").hits if each.document == path]
        engine.change_document(path, "", 4)
        assert not [each for each in engine.search("Rectangle multiplied").hits if each.document == path]


def test_what_was_pasted_into_a_definition_does_not_make_an_endless_hit(engine: Engine, root: Path) -> None:
    path = str(root / "shapes.py")
    text = SHAPES.replace("    sides = 4\n", "    sides = 4\n" + "".join(f"    side_{n} = {n}\n" for n in range(500)))
    engine.open_document(path, SHAPES, 1, "python")
    assert engine.wait(PATIENCE)
    with held(engine):
        engine.change_document(path, text, 2)
        assert len(check(hit(engine.search("Rectangle"), "Rectangle"), text).split("\n")) == MOST_LINES


def test_columns_are_those_of_the_present_text(engine: Engine, root: Path) -> None:
    path, old = str(root / "launch.js"), FILES["launch.js"]
    text = "// 🚀🚀\n" + old.replace("/* 😀 */", "/* 😀😀 🚀 */")
    engine.open_document(path, old, 1, "javascript")
    assert engine.wait(PATIENCE)
    with held(engine):
        engine.change_document(path, text, 2)
        found = hit(engine.search("launchRocket"), "launchRocket")
        check(found, text)
        assert found.name_range is not None
        assert found.name_range.start == Position(3, len("export /*  */ function ") + 2 + 2 + 1 + 2)


def test_a_file_opened_a_moment_ago_is_answered_from_its_buffer(engine: Engine, root: Path) -> None:
    path = str(root / "shapes.py")
    text = "import math\n" + SHAPES.replace("factor", "ratio")
    with held(engine):
        engine.open_document(path, text, 9, "python")
        found = hit(engine.search("Rectangle scaled"), "Rectangle")
        assert check(found, text).endswith("* ratio)")
        assert (found.version, found.range.start.line) == (9, 6)
        # Another state on disk: its lines are taken for the indexed ones.
        write(root, {"shapes.py": "# changed\n" + SHAPES})
        check(hit(engine.search("Rectangle scaled"), "Rectangle"), text)
        (root / "shapes.py").unlink()
        check(hit(engine.search("Rectangle scaled"), "Rectangle"), text)
    with held(engine):
        assert hit(engine.search("unrelated_thing"), "unrelated_thing").version is None


def test_a_file_that_was_just_read_again_and_is_then_opened(engine: Engine, root: Path) -> None:
    path = str(root / "shapes.py")
    saved = "import math\n \n" + SHAPES
    write(root, {"shapes.py": saved})
    engine.hint([path])
    assert engine.wait(PATIENCE)
    with held(engine):
        engine.open_document(path, "import os\n" + saved, 1, "python")
        found = hit(engine.search("Rectangle scaled"), "Rectangle")
        assert check(found, "import os\n" + saved).endswith("* factor)")
        assert (found.version, found.range.start.line) == (1, 8)


def test_a_buffer_closed_a_moment_ago_is_no_longer_answered_from(engine: Engine, root: Path) -> None:
    path = str(root / "shapes.py")
    engine.open_document(path, "import math\n\n" + SHAPES + "\n\ndef walrus_tusk():\n    return 1\n", 5, "python")
    engine.open_document("untitled:1", "def narwhal_horn():\n    return 1\n", 1, "python")
    assert engine.wait(PATIENCE)
    with held(engine):
        engine.close_document(path)
        engine.close_document("untitled:1")
        engine.close_document("untitled:never opened")
        engine.change_document(path, "ignored: it is not open", 6)
        found = hit(engine.search("Rectangle scaled"), "Rectangle")
        check(found, SHAPES)
        assert (found.version, found.range.start.line) == (None, 5)
        names = {each.symbol for each in engine.search("walrus_tusk narwhal_horn", limit=200).hits}
        assert not {"walrus_tusk", "narwhal_horn"} & names


def related(engine: Engine, path: str, line: int, end: int | None = None) -> set[tuple[str, str | None]]:
    place = Place(path, TextRange(Position(line, 0), Position(line if end is None else end, 0)))
    return {(each.symbol, each.relation) for each in engine.related(place, limit=200).hits}


def test_a_place_is_one_of_the_present_text(engine: Engine, root: Path) -> None:
    path = str(root / "shapes.py")
    engine.open_document(path, SHAPES, 1, "python")
    assert engine.wait(PATIENCE)
    before = related(engine, path, 11)
    assert ("multiplied", "callee") in before
    assert not {symbol for symbol, _ in before} & {"area"}
    above = "".join(f"import module_{n}\n" for n in range(30))
    text = above + SHAPES.replace("    def area(self):\n", "    def area(self):\n        log(self)\n")
    with held(engine):
        engine.change_document(path, text, 2)
        assert related(engine, path, 30 + 12) == before
        assert related(engine, path, 30 + 11) == before, "a new line belongs to what it stands in"
        assert all(
            check(each, text) and each.version == 2
            for each in engine.related(Place(path, TextRange(Position(42, 0), Position(42, 0)))).hits
            if each.document == path
        )
        assert related(engine, path, 10**6) is not None
        assert related(engine, path, 0) is not None


def test_a_selection_has_the_present_text(engine: Engine, root: Path) -> None:
    path = str(root / "shapes.py")
    engine.open_document(path, "nothing = 1\n", 1, "python")
    assert engine.wait(PATIENCE)
    with held(engine):
        engine.change_document(path, "nothing = 1\nunrelated_thing()\n", 2)
        whole = Place(path, TextRange(Position(1, 0), Position(1, 17)))
        assert engine.related(whole, limit=200).hits
        engine.open_document("untitled:2", "def unrelated_thing():\n    return None\n", 1, "python")
        here = Place("untitled:2", TextRange(Position(0, 0), Position(2, 0)))
        assert "unrelated_thing" in {each.symbol for each in engine.related(here).hits}


LINES = st.sampled_from(
    ["", "\n", "    x = '😀'\n", "def f():\n", "    return RATIO\r\n", "class Rectangle:\n", "no end"]
)
CHANGES = st.lists(st.tuples(st.integers(0, 22), st.integers(0, 6), st.lists(LINES, max_size=4)), max_size=4)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, str]]:
    """An engine whose indexer knows the first state of a buffer, and nothing that comes after."""
    folder = tmp_path_factory.mktemp("work")
    write(folder, FILES)
    path = str(folder / "shapes.py")
    with running(folder, tmp_path_factory.mktemp("data")) as started:
        started.open_document(path, SHAPES, 1, "python")
        assert started.wait(PATIENCE)
        with held(started):
            yield started, path


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGES, st.integers(0, 30))
def test_whatever_is_typed_all_ranges_are_of_the_present_text(
    busy: tuple[Engine, str], changes: list[tuple[int, int, list[str]]], line: int
) -> None:
    engine, path = busy
    lines = split_lines(SHAPES)
    for first, count, put_in in changes:
        lines[first : first + count] = put_in
    text = "".join(lines)
    version = engine._documents.get(path).version + 1  # type: ignore[union-attr, operator]
    engine.change_document(path, text, version)
    place = Place(path, TextRange(Position(line, 0), Position(line, 0)))
    for answer in (engine.search("Rectangle area RATIO"), engine.symbols("Rectangle"), engine.related(place)):
        for found in answer.hits:
            if found.document == path:
                assert found.version == version
                check(found, text)
