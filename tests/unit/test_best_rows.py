"""The choice of candidates."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from conexus.search.candidates import best_rows
from conexus.search.signals import is_member

#: Few different numbers, so that there are ties.
TOTALS = arrays(np.float32, st.integers(0, 300), elements=st.integers(-6, 6).map(float))
ROWS = st.sets(st.integers(0, 50), max_size=20).map(sorted)


@given(TOTALS, st.integers(1, 40), st.randoms(use_true_random=False))
def test_the_best_allowed_rows_are_chosen_and_ties_by_their_number(
    totals: NDArray[np.float32], count: int, random: Random
) -> None:
    allowed = np.array([random.random() < 0.8 for _ in totals], np.bool_)
    expected = sorted(np.flatnonzero(allowed).tolist(), key=lambda row: (-totals[row], row))[:count]
    assert best_rows(totals, allowed, count, np.asarray).tolist() == expected


@given(ROWS, ROWS.filter(bool))
def test_rows_are_looked_for_among_others(rows: list[int], others: list[int]) -> None:
    found = is_member(np.array(rows, np.int64), np.array(others, np.int32))
    assert found.tolist() == [row in others for row in rows]
