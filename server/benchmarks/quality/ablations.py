"""Changed rankings: one part of the ranking alone, or left out.

All names come from the fields of the weights and the features of the ranker, so that a new one is measured without a
change here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np

from conexus.search.features import FEATURES
from conexus.search.ranker import SHIPPED, Ranker, RankingModel
from conexus.search.weights import SignalWeights, Weights

#: Signals that are of one kind, and what the kind is called. Every signal is also measured for itself.
_KINDS = {
    "lexical": ("body", "file_body"),
    "dense": ("dense", "file_dense"),
    "symbol": ("names", "defines_name"),
    "path": ("file_name_match", "file_name_coverage", "file_named"),
}
#: Numbers that are no part of the ranking to leave out: shapes of other parts, and what only an editor's state moves.
_SHAPES = frozenset({"version", "body_k1", "body_b", "names_k1", "names_b", "near_bonus", "open_file_bonus"})


def variants(whole: RankingModel = SHIPPED) -> Iterator[tuple[str, RankingModel]]:
    """Names and rankings, the ranking as it is first.

    A part alone is what the weighted sum makes of it, without the ranker: that was fitted on all parts together.
    """
    yield "whole ranking", whole
    if whole.ranker is not None:
        yield "without the ranker", replace(whole, ranker=None)
    signals = [field.name for field in fields(SignalWeights)]
    for kind, names in _KINDS.items():
        yield f"only {kind} signals", _only(whole, names)
    for name in signals:
        yield f"only `{name}`", _only(whole, (name,))
    for kind, names in _KINDS.items():
        yield f"without {kind} signals", _without(whole, names)
    numbers = [field.name for field in fields(Weights) if isinstance(getattr(whole.weights, field.name), float)]
    parts = [*signals, *(name for name in numbers if name not in _SHAPES)]
    if whole.ranker is not None:
        parts += FEATURES
    for name in dict.fromkeys(parts):
        yield f"without `{name}`", _without(whole, (name,))


def _only(whole: RankingModel, names: Collection[str]) -> RankingModel:
    others = [field.name for field in fields(SignalWeights) if field.name not in names]
    return RankingModel(_silenced(whole.weights, others), None)


def _without(whole: RankingModel, names: Collection[str]) -> RankingModel:
    ranker = None if whole.ranker is None else _blind(whole.ranker, names)
    return RankingModel(_silenced(whole.weights, names), ranker)


def _silenced(weights: Weights, names: Collection[str]) -> Weights:
    """The weights with what has one of these names at 0, wherever it stands."""
    changed: dict[str, Any] = {}
    for field in fields(Weights):
        value = getattr(weights, field.name)
        if isinstance(value, SignalWeights):
            signals = {each.name for each in fields(SignalWeights)}
            changed[field.name] = replace(value, **dict.fromkeys(signals.intersection(names), 0.0))
        elif field.name in names:
            changed[field.name] = 0.0
    return replace(weights, **changed)


def _blind(ranker: Ranker, names: Collection[str]) -> Ranker:
    """The ranker to which these features, and those made from them, always have their mean."""
    made = {form.format(name) for name in names for form in ("{}", "{}_gap", "query_in_{}", "best_{}")}
    seen = np.array([feature not in made for feature in FEATURES], np.float32)
    (weights, bias), *rest = ranker.layers
    return replace(ranker, layers=((weights * seen[:, None], bias), *rest))
