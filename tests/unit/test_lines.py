"""Lines of a text that are made when someone looks at them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conexus.text.lines import Lines
from conexus.text.positions import split_lines

TEXTS = st.text(st.sampled_from("ab\n\r\f\v\x1c\x85\u2028é"), max_size=30)
PLACES = st.one_of(st.none(), st.integers(-12, 12))


@given(TEXTS, PLACES, PLACES, st.sampled_from([None, 1, 2]))
def test_lines_are_those_of_the_whole_text(text: str, first: int | None, last: int | None, step: int | None) -> None:
    lines, expected = Lines(text), split_lines(text)
    assert list(lines) == expected
    assert len(lines) == len(expected)
    assert bool(lines) == bool(expected)
    assert lines[first:last:step] == expected[first:last:step]
    assert [lines[place] for place in range(-len(expected), len(expected))] == expected * 2
    with pytest.raises(IndexError):
        lines[len(expected)]
