from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from conexus.index.postings import Postings, build, merge, occurrences

words = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=6)
files = st.lists(st.lists(words, max_size=4), max_size=4)


def contents(postings: Postings) -> list[dict[str, int]]:
    """The terms of each row."""
    found: list[dict[str, int]] = [{} for _ in range(len(postings.lengths))]
    for term in postings.numbers:
        rows, counts = postings.of(term)
        for row, count in zip(rows.tolist(), counts.tolist(), strict=True):
            found[row][term] = int(count)
    return found


def counted(row: list[str]) -> dict[str, int]:
    return {word: row.count(word) for word in row}


@given(files)
def test_building_keeps_every_occurrence(parts: list[list[list[str]]]) -> None:
    postings = build([occurrences(part) for part in parts])
    rows = [row for part in parts for row in part]
    assert contents(postings) == [counted(row) for row in rows]
    assert postings.lengths.tolist() == [len(row) for row in rows]


@given(files, st.randoms())
def test_merging_keeps_the_live_rows_in_order(parts: list[list[list[str]]], chance: object) -> None:
    built, expected = [], []
    for part in parts:
        alive = np.array([chance.random() < 0.5 for _ in part], np.bool_)  # type: ignore[attr-defined]
        built.append((build([occurrences(part)]), alive))
        expected += [counted(row) for row, kept in zip(part, alive, strict=True) if kept]
    assert contents(merge(built)) == expected


def test_an_unknown_term_has_no_rows() -> None:
    rows, counts = build([occurrences([["a"]])]).of("b")
    assert (len(rows), len(counts)) == (0, 0)
