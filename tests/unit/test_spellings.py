"""Terms that are spelled nearly like a word."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from conexus.search.spellings import Spellings, distance

WORDS = st.text("abc_", max_size=9)


def plainly(one: str, other: str) -> int:
    """Edits between two words as the definition has it."""
    if not one or not other:
        return len(one) + len(other)
    edits = [
        plainly(one[:-1], other) + 1,
        plainly(one, other[:-1]) + 1,
        plainly(one[:-1], other[:-1]) + (one[-1] != other[-1]),
    ]
    if len(one) > 1 and len(other) > 1 and one[-2:] == other[-1] + other[-2]:
        edits.append(plainly(one[:-2], other[:-2]) + 1)
    return min(edits)


@given(st.text("ab_", max_size=5), st.text("ab_", max_size=5), st.integers(1, 2))
def test_distances_are_those_of_the_definition(one: str, other: str, most: int) -> None:
    expected = plainly(one, other)
    assert distance(one, other, most) == (expected if expected <= most else None)


@given(st.sets(st.text("abcdeé_1", min_size=3, max_size=9), max_size=30), st.text("abcdeé_1", min_size=1, max_size=9))
def test_all_near_terms_are_found_and_no_others(terms: set[str], word: str) -> None:
    asked = word.replace("_", "")
    for most in (1, 2):
        near = {term: distance(asked, term.replace("_", ""), most) for term in terms if not term.isdigit()}
        expected = sorted((edits, term) for term, edits in near.items() if edits is not None)
        assert sorted(Spellings(terms).near(word, most)) == expected


def test_nothing_is_near_in_an_empty_vocabulary() -> None:
    assert Spellings(()).near("word", 2) == []
