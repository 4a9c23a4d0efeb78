"""Scores candidates with the learned ranker: a small network over their features. ``ranking.json`` holds its numbers.

``server/training/ranking.py`` fitted it so that, of a query's candidates, the right ones get the highest scores
(listwise softmax loss; Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", 2007).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conexus.search.bm25 import Scores
from conexus.search.features import FEATURES
from conexus.search.weights import DATA, SHIPPED_WEIGHTS, Weights

#: Number of deviations at which features are clipped, so that values unseen in training cannot dominate the ranking.
MAX_DEVIATIONS = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Ranker:
    """Layers of weights, between which negative values become 0 (ReLU)."""

    #: The mean that is subtracted from each feature, and the number that divides it afterwards; shape (features,).
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    #: Weights of shape (inputs, outputs) and biases of shape (outputs,); the last layer has one output.
    layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]

    @staticmethod
    def from_data(data: Mapping[str, Any]) -> Ranker:
        """Makes the ranker from ``data``. Raises ValueError if it was fitted on other features than ``FEATURES``."""
        if tuple(data["features"]) != FEATURES:
            raise ValueError("the ranker was fitted on other features; run server/training/ranking.py")
        layers = tuple((_array(each["weights"]), _array(each["bias"])) for each in data["layers"])
        return Ranker(_array(data["mean"]), _array(data["scale"]), layers)

    def scores(self, features: NDArray[np.float32]) -> Scores:
        """Returns how good each candidate is; shape (rows, features) -> (rows,). Comparable within one query."""
        values = features - self.mean
        values /= self.scale
        np.clip(values, -MAX_DEVIATIONS, MAX_DEVIATIONS, out=values)
        for number, (weights, bias) in enumerate(self.layers):
            if number:
                # The zeros are an array, because with a number this takes twice as long.
                np.maximum(values, np.zeros(values.shape[1], np.float32), out=values)
            values = values @ weights
            values += bias
        scores: Scores = values[:, 0]
        return scores


def _array(numbers: object) -> NDArray[np.float32]:
    return np.array(numbers, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class RankingModel:
    """All numbers of a ranking."""

    weights: Weights
    #: None: candidates keep the order by which they were selected.
    ranker: Ranker | None


SHIPPED = RankingModel(SHIPPED_WEIGHTS, Ranker.from_data(DATA["ranker"]) if DATA["ranker"] else None)
