"""Lines are found again after any edit, and whatever is answered exists."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from conexus.text.diff import LineMap

LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n", "\n", "}\n", "e", "a\r\n", "\r"]), max_size=14)
PLACES = st.integers(-3, 18)


@given(LINES, PLACES, PLACES)
def test_in_an_equal_text_everything_is_where_it_was(lines: list[str], first: int, last: int) -> None:
    with_other_ends = [line.rstrip("\r\n") + "\r\n" for line in lines]
    start, end = (min(max(line, 0), len(lines)) for line in (first, last))
    assert LineMap(lines, with_other_ends).span(first, last) == (start, max(start, end))


@given(LINES, LINES, PLACES, PLACES)
def test_ranges_exist_in_the_new_text(old: list[str], new: list[str], first: int, last: int) -> None:
    start, end = LineMap(old, new).span(first, last)
    assert 0 <= start <= end <= len(new)


@given(LINES, LINES, st.lists(PLACES, min_size=2, max_size=5))
def test_what_is_apart_stays_apart_and_in_order(old: list[str], new: list[str], places: list[int]) -> None:
    found = LineMap(old, new)
    places.sort()
    spans = [found.span(first, last) for first, last in pairwise(places)]
    kept = [span for span in spans if span[0] < span[1]]
    assert all(before[1] <= after[0] for before, after in pairwise(kept))


@given(LINES, LINES, LINES, LINES)
def test_lines_around_an_edit_stay_or_move_by_the_difference(
    before: list[str], removed: list[str], added: list[str], after: list[str]
) -> None:
    """Whatever is replaced. A line that is in no other place tells where what comes after begins."""
    after = ["only here\n", *after]
    old, new = before + removed + after, before + added + after
    found = LineMap(old, new)
    assert [found.span(line, line + 1)[0] for line in range(len(before))] == list(range(len(before)))
    moved = len(new) - len(old)
    for line in range(len(old) - len(after), len(old)):
        assert found.span(line, line + 1) == (line + moved, line + moved + 1)


@given(st.lists(st.tuples(st.integers(0, 19), st.sampled_from(["", "x\n", "x\ny\n", "\n}\n"])), max_size=4))
def test_lines_that_occur_once_are_found_between_several_edits(edits: list[tuple[int, str]]) -> None:
    old = [f"line {number}\n" for number in range(20)]
    new = list(old)
    for line, text in edits:
        new[line] = text
    new = "".join(new).splitlines(keepends=True)
    found = LineMap(old, new)
    for line, text in enumerate(old):
        if new.count(text) == 1:
            start, end = found.span(line, line + 1)
            assert new[start:end] == [text]


def test_a_definition_moves_grows_shrinks_and_vanishes() -> None:
    old = ["head\n", "\n", "def f\n", "  one\n", "  two\n", "\n", "def g\n", "  one\n", "\n"]
    moved = LineMap(old, ["import\n", *old])
    assert moved.span(2, 5) == (3, 6)
    grown = LineMap(old, [*old[:4], "  new\n", "  more\n", *old[4:]])
    assert (grown.span(0, 1), grown.span(2, 5), grown.span(6, 8)) == ((0, 1), (2, 7), (8, 10))
    shrunk = LineMap(old, [*old[:3], *old[4:]])
    assert (shrunk.span(2, 5), shrunk.span(6, 8)) == ((2, 4), (5, 7))
    gone = LineMap(old, old[:2] + old[6:])
    assert (gone.span(2, 5), gone.span(6, 8)) == ((2, 2), (2, 4))
    typed_over = LineMap(old, [*old[:2], "def F\n", "  1\n", *old[5:]])
    assert typed_over.span(2, 5) == (2, 4)


def test_what_is_put_in_beside_a_definition_is_not_its() -> None:
    old = ["def f\n", "  one\n", "\n", "def g\n", "  two\n"]
    between = LineMap(old, [*old[:2], "\n", "def h\n", "  three\n", *old[2:]])
    assert (between.span(0, 2), between.span(3, 5)) == ((0, 2), (6, 8))


def test_a_name_changed_everywhere_leaves_each_line_in_its_place() -> None:
    old = [line for n in range(50) for line in (f"def f{n}\n", "  use(name)\n", f"  done {n}\n", "\n")]
    new = ["import x\n", *(line.replace("name", "title") for line in old)]
    found = LineMap(old, new)
    assert [found.span(line, line + 1) for line in range(len(old))] == [(n + 1, n + 2) for n in range(len(old))]
