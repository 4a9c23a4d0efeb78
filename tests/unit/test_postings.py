from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from conexus.segments.lexicon import Lexicon
from conexus.segments.postings import KeptPostings, Postings, build, merge, occurrences

words = st.lists(st.sampled_from(["a", "b", "c", "d", "é"]), max_size=6)
files = st.lists(st.lists(words, max_size=4), max_size=4)


def built(parts: list[list[list[str]]]) -> Postings:
    found = [occurrences(part) for part in parts]
    return build(found, *Lexicon.from_words(word for part in found for word in part.vocabulary))


def contents(postings: Postings) -> list[dict[str, int]]:
    """The terms of each row."""
    found: list[dict[str, int]] = [{} for _ in range(len(postings.lengths))]
    for term in postings.vocabulary():
        rows, counts = postings.rows_with(term)
        for row, count in zip(rows.tolist(), counts.tolist(), strict=True):
            found[row][term] = int(count)
    return found


def counted(row: list[str]) -> dict[str, int]:
    return {word: row.count(word) for word in row}


@given(files)
def test_building_keeps_every_occurrence(parts: list[list[list[str]]]) -> None:
    postings = built(parts)
    rows = [row for part in parts for row in part]
    assert contents(postings) == [counted(row) for row in rows]
    assert postings.lengths.tolist() == [len(row) for row in rows]
    assert [sorted(postings.words_in(row)) for row in range(len(rows))] == [sorted(set(row)) for row in rows]


@given(files, st.randoms())
def test_merging_keeps_the_live_rows_in_order(parts: list[list[list[str]]], chance: object) -> None:
    lexicons, masks, pieces, expected = [], [], [], []
    for part in parts:
        live = np.array([chance.random() < 0.5 for _ in part], np.bool_)  # type: ignore[attr-defined]
        postings = built([part])
        kept = {word for row, live in zip(part, live, strict=True) if live for word in row}
        lexicons.append((postings.lexicon, np.array([word in kept for word in postings.lexicon.words], np.bool_)))
        masks.append(live)
        pieces.append(postings)
        expected += [counted(row) for row, live in zip(part, live, strict=True) if live]
    lexicon, numbers = Lexicon.merged(lexicons)
    merged = merge([KeptPostings(*each) for each in zip(pieces, numbers, masks, strict=True)], lexicon)
    assert contents(merged) == expected
    assert set(lexicon.words) == {word for row in expected for word in row}


@given(files, st.randoms())
def test_rows_are_selected_with_their_words(parts: list[list[list[str]]], chance: object) -> None:
    postings = built(parts)
    rows = [row for part in parts for row in part]
    chosen = np.array([row for row in range(len(rows)) if chance.random() < 0.5], np.int64)  # type: ignore[attr-defined]
    numbers, counts, starts = postings.words_in_rows(chosen)
    for place, row in enumerate(chosen.tolist()):
        span = slice(starts[place], starts[place + 1])
        found = dict(zip(postings.lexicon.words.take(numbers[span]), counts[span].tolist(), strict=True))
        assert found == counted(rows[row])


def test_an_unknown_term_has_no_rows() -> None:
    rows, counts = built([[["a"]]]).rows_with("b")
    assert (len(rows), len(counts)) == (0, 0)


def test_counts_beyond_what_changes_a_score_are_cut() -> None:
    _, counts = built([[["a"] * 1000]]).rows_with("a")
    assert counts.tolist() == [255]
