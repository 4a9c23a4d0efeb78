"""Vectors of tokens that are made ready when they are first met: the same whenever, and by whomever, they are asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from conexus.embedding.token_table import TokenVectors

TOKENS = 9
STORED = arrays(np.float16, (TOKENS, 3), elements=st.integers(-3, 3).map(float))
ASKED = st.lists(st.lists(st.integers(0, TOKENS - 1), max_size=6), max_size=6)


@given(STORED, ASKED)
def test_they_are_what_is_stored_in_the_order_asked_for(stored: NDArray[np.float16], asked: list[list[int]]) -> None:
    vectors = TokenVectors(stored)
    for numbers in asked:
        places = vectors.places(numbers)
        expected = stored[numbers].astype(np.float32)
        assert vectors.of(numbers).tolist() == vectors.vectors[places].tolist() == expected.tolist()
        assert vectors.lengths[places] == pytest.approx(np.linalg.norm(expected, axis=1))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_any_kind_of_number_may_be_stored(kind: type) -> None:
    stored = np.array([[1.5, -2], [0, 0.25]], kind)
    assert TokenVectors(stored).of([1, 0]).tolist() == [[0, 0.25], [1.5, -2]]


def test_several_threads_may_ask_at_once() -> None:
    stored = np.random.default_rng(1).standard_normal((3000, 8)).astype(np.float16)
    vectors = TokenVectors(stored)
    orders = [np.random.default_rng(seed).permutation(len(stored)) for seed in range(8)]

    def ask(order: NDArray[np.int64]) -> bool:
        blocks = np.array_split(order, 100)
        return all(np.array_equal(vectors.of(block), stored[block].astype(np.float32)) for block in blocks)

    with ThreadPoolExecutor(len(orders)) as threads:
        assert all(threads.map(ask, orders))
