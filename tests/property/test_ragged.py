"""Rows of different lengths in one array do what lists of lists would do."""

from __future__ import annotations

import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from conexus.arrays.ragged import Ragged

Lists = list[list[int]]
lists = st.lists(st.lists(st.integers(0, 65535), max_size=5), max_size=8)


def ragged(rows: Lists) -> Ragged:
    return Ragged.from_rows([np.array(row, np.uint16) for row in rows])


def contents(of: Ragged) -> Lists:
    """The rows, after a look at what must hold of all of them."""
    assert of.values.dtype == np.uint16
    assert of.starts.dtype == np.int64
    assert (of.starts[0], of.starts[-1]) == (0, len(of.values))
    return [of.row(number).tolist() for number in range(len(of))]


@given(lists)
def test_rows_come_back(rows: Lists) -> None:
    assert contents(ragged(rows)) == rows
    assert contents(pickle.loads(pickle.dumps(ragged(rows)))) == rows  # noqa: S301  as between processes
    assert contents(Ragged.empty(len(rows))) == [[] for _ in rows]


@given(lists)
def test_cutting_by_lengths_undoes_flattening(rows: Lists) -> None:
    flat = np.array([value for row in rows for value in row], np.uint16)
    assert contents(Ragged.from_lengths(flat, np.array([len(row) for row in rows], np.int64))) == rows


@given(st.lists(lists, max_size=4))
def test_joining_is_concatenation(parts: list[Lists]) -> None:
    assert contents(Ragged.joined([ragged(part) for part in parts])) == [row for part in parts for row in part]


@given(lists, st.data())
def test_a_mask_keeps_rows_in_their_order(rows: Lists, data: st.DataObject) -> None:
    mask = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    kept = ragged(rows).select(np.array(mask, np.bool_))
    assert contents(kept) == [row for row, keep in zip(rows, mask, strict=True) if keep]


@given(lists, st.data())
def test_rows_by_number_in_any_order_and_repeatedly(rows: Lists, data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=12)) if rows else []
    assert contents(ragged(rows).take(np.array(numbers, np.int64))) == [rows[number] for number in numbers]
