"""Late interaction: how near the nearest token of a chunk is to each token of a query."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from conexus.arrays.ragged import Ragged
from conexus.embedding.late_interaction import _BLOCK, MOST_TOKENS, QueryTokens
from conexus.embedding.token_table import TokenVectors

VOCABULARY = 7
TABLES = arrays(np.float32, (VOCABULARY, 3), elements=st.integers(-3, 3).map(float))
ROWS = st.lists(st.sets(st.integers(0, VOCABULARY - 1), max_size=4), max_size=6)
QUERIES = st.lists(st.integers(0, VOCABULARY - 1), max_size=6)


def asked(query: list[int], table: NDArray[np.float32]) -> QueryTokens:
    return QueryTokens.of(query, TokenVectors(table))


def best(query: QueryTokens, rows: list[set[int]]) -> NDArray[np.float32]:
    sets = Ragged.from_rows([np.array(sorted(row), np.uint16) for row in rows])
    return query.best(sets.values, sets.starts)


def cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths else 0.0


@given(TABLES, QUERIES, ROWS)
def test_the_best_is_that_of_all_pairs(table: NDArray[np.float32], query: list[int], rows: list[set[int]]) -> None:
    tokens = asked(query, table)
    own = [number for number in dict.fromkeys(query) if table[number].any()]
    expected = [
        [max((cosine(table[mine], table[theirs]) for theirs in row), default=0.0) for mine in own] for row in rows
    ]
    found = best(tokens, rows)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.reshape(np.array(expected), (len(rows), len(own))), atol=1e-6)
    assert len(tokens.weights) == len(own)
    assert tokens.weights.sum() == pytest.approx(1 if own else 0)


def test_longer_vectors_count_more_and_repeats_do_not() -> None:
    table = np.array([[3, 0], [0, 1], [0, 0]], np.float32)
    tokens = asked([1, 0, 2, 1, 1], table)
    np.testing.assert_allclose(tokens.weights, [0.25, 0.75])
    np.testing.assert_allclose(tokens.vectors, [[0, 1], [1, 0]])
    np.testing.assert_allclose(best(tokens, [{0}, set(), {0, 1}, {2}]), [[0, 1], [0, 0], [1, 1], [0, 0]])


def test_only_the_first_tokens_of_a_long_query_count() -> None:
    tokens = asked(list(range(50)), np.eye(50, dtype=np.float32))
    assert best(tokens, [{0}, {MOST_TOKENS}]).shape == (2, MOST_TOKENS)
    assert not best(tokens, [{MOST_TOKENS}]).any()


@pytest.mark.parametrize("query", [[], [2]])
def test_a_query_without_tokens_has_no_columns(query: list[int]) -> None:
    tokens = asked(query, np.array([[1, 0], [0, 1], [0, 0]], np.float32))
    assert best(tokens, [{0, 1}, set()]).shape == (2, 0)
    assert best(tokens, []).shape == (0, 0)


def test_many_different_tokens_are_compared_in_blocks() -> None:
    random = np.random.default_rng(7)
    table = random.standard_normal((3 * _BLOCK, 4)).astype(np.float32)
    tokens = asked([5, 2, 3 * _BLOCK - 1], table)
    row = set(range(0, 3 * _BLOCK, 2))
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    expected = (unit[sorted(row)] @ tokens.vectors.T).max(axis=0)
    np.testing.assert_allclose(best(tokens, [row, {5}])[0], expected, atol=1e-6)
