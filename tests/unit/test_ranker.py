"""The learned ranker, and what becomes of its scores."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from conexus.search.features import FEATURES
from conexus.search.pipeline import diversify, shown_scores
from conexus.search.ranker import MAX_DEVIATIONS, SHIPPED, Ranker
from conexus.search.weights import DATA

SCORES = arrays(np.float32, st.integers(0, 30), elements=st.floats(-50, 50, width=32))


def fitted(features: tuple[str, ...] = FEATURES) -> dict[str, Any]:
    layer = {"weights": np.ones((len(features), 1)).tolist(), "bias": [0.0]}
    return {"features": features, "mean": [0.0] * len(features), "scale": [1.0] * len(features), "layers": [layer]}


@pytest.mark.parametrize("features", [FEATURES[:-1], FEATURES[::-1], (*FEATURES, "another"), ()])
def test_what_was_fitted_on_other_features_is_refused(features: tuple[str, ...]) -> None:
    Ranker.from_data(fitted())
    with pytest.raises(ValueError, match="other features"):
        Ranker.from_data(fitted(features))


def test_features_are_named_once() -> None:
    assert len(set(FEATURES)) == len(FEATURES)


def test_layers_follow_each_other_and_far_values_count_no_further() -> None:
    first = np.array([[1, -1], [0, 2]], np.float32), np.array([0.5, 0], np.float32)
    last = np.array([[1], [10]], np.float32), np.array([3], np.float32)
    ranker = Ranker(np.array([1, 0], np.float32), np.array([2, 1], np.float32), (first, last))
    features = np.array([[3, 0], [-1, 1], [1e9, -1e9]], np.float32)
    # standardised: (1, 0), (-1, 1), (MAX_DEVIATIONS, -MAX_DEVIATIONS)
    # hidden: (1.5, -1 -> 0), (-0.5 -> 0, 3), (MAX_DEVIATIONS + 0.5, 0)
    np.testing.assert_allclose(ranker.scores(features), [4.5, 33, MAX_DEVIATIONS + 3.5])
    assert ranker.scores(features[:0]).shape == (0,)


def test_a_ranker_is_shipped() -> None:
    ranker = SHIPPED.ranker
    assert ranker is not None
    assert tuple(DATA["ranker"]["features"]) == FEATURES
    assert ranker.mean.shape == ranker.scale.shape == (len(FEATURES),)
    assert (ranker.scale > 0).all()
    inputs = [weights.shape[0] for weights, _ in ranker.layers]
    outputs = [weights.shape[1] for weights, _ in ranker.layers]
    assert inputs == [len(FEATURES), *outputs[:-1]]
    assert outputs[-1] == 1
    assert [bias.shape for _, bias in ranker.layers] == [(size,) for size in outputs]
    numbers = (ranker.mean, ranker.scale, *(numbers for layer in ranker.layers for numbers in layer))
    assert all(np.isfinite(each).all() for each in numbers)


@given(arrays(np.float32, (5, len(FEATURES)), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_the_shipped_one_gives_any_features_the_same_score_again(features: NDArray[np.float32]) -> None:
    ranker = SHIPPED.ranker
    assert ranker is not None
    scores = ranker.scores(features)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(ranker.scores(features.copy()), scores)


def test_one_more_chunk_of_a_file_loses() -> None:
    order, scores = diversify(np.array([3, 2.9, 2.8, 2.7], np.float32), np.array([7, 7, 4, 7], np.int32), 0.5)
    assert order.tolist() == [0, 2, 1, 3]
    np.testing.assert_allclose(scores, [3, 2.9 - 0.5 * np.log(2), 2.8, 2.7 - 0.5 * np.log(3)], rtol=1e-6)


@given(SCORES, st.randoms(), st.floats(0, 5))
def test_the_best_chunk_of_a_file_keeps_its_score(scores: NDArray[np.float32], random: Any, loss: float) -> None:
    files = np.array([random.randrange(4) for _ in scores], np.int32)
    given_scores = scores.copy()
    order, lowered = diversify(scores, files, loss)
    np.testing.assert_array_equal(scores, given_scores)
    assert sorted(order.tolist()) == list(range(len(scores)))
    assert (lowered <= scores).all()
    assert (np.diff(lowered[order]) <= 0).all()
    for file in set(files.tolist()):
        assert lowered[files == file].max() == scores[files == file].max()


@given(SCORES)
def test_the_user_sees_1_for_the_best_and_less_for_the_others(scores: NDArray[np.float32]) -> None:
    shown = shown_scores(np.sort(scores)[::-1]).tolist()
    assert len(shown) == len(scores)
    assert shown[:1] == [1.0] * min(1, len(scores))
    assert all(1 >= one >= other >= 0 for one, other in pairwise(shown))
