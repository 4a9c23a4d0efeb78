"""Holds the numbers of the ranking. They are data in ``ranking.json``, fitted on queries to public code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: ``server/training/ranking.py`` fits the ranker and ``topic`` and keeps the other numbers, which were chosen by hand.
DATA: Mapping[str, Any] = json.loads(Path(__file__).with_name("ranking.json").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class SignalWeights:
    """Factor of each signal in the weighted sum that selects candidates; ``signals.Signals`` documents the signals.

    A factor is 0 or more, without an upper limit, and has no unit: it multiplies a value of 0..1 or a similarity with
    mean 0 and deviation 1. A signal with factor 0 is left out.
    """

    dense: float
    body: float
    names: float
    file_dense: float
    file_body: float
    file_name_match: float
    file_name_coverage: float
    defines_name: float
    file_named: float


@dataclass(frozen=True, slots=True)
class Weights:
    """All numbers of the ranking but the ranker's; each number is 0 or more, except the weights of ``topic``.

    Penalties are shares of the best weighted sum of the query's signals: totals are scaled so that the best sum is 1.
    Bonuses and saturations have the unit of the ranker's scores, whose differences within a query are some units.
    """

    #: Number of the fit; each run of ``server/training/ranking.py`` adds 1.
    version: int
    #: The weights for a query that does not look like the name of a symbol.
    prose: SignalWeights
    #: The weights for a query that looks like the name of a symbol.
    symbol: SignalWeights
    #: Weights of ``query_intent.INTENT_FEATURES``, and ``bias``, in a logistic regression; a weight is positive if the
    #: feature indicates a topic.
    topic: Mapping[str, float]
    # parameters of BM25 (Robertson & Zaragoza 2009): k1 bounds what repetitions of a word add, b (0..1) is the share of
    # the length normalisation
    body_k1: float
    body_b: float
    names_k1: float
    names_b: float
    # penalties of the roles, deducted from the total of at most 1
    test: float
    example: float
    document: float
    old: float
    foreign: float
    entry: float
    declaration: float
    #: Deducted from the total of rows that are no definition.
    text: float
    #: Deducted from the total of further pieces of a long definition.
    piece: float
    #: Deducted from the score of each further chunk of a file, times the logarithm of its place among them. The query's
    #: intent determines which factor applies.
    saturation_of_topic: float
    saturation_of_place: float
    saturation_of_name: float
    #: Added to the score of chunks of a file that the query names, and of definitions if the query is their name.
    name_bonus: float
    #: Added to the score of tests or examples if the query wants them.
    role_bonus: float
    #: Added to the score of chunks in the directory of the file that the user is viewing; less for distant directories.
    near_bonus: float
    #: Added to the score of chunks of open files.
    open_file_bonus: float

    def mix(self, *, symbol_like: bool) -> SignalWeights:
        """Returns the weights of the signals for a query that does or does not look like the name of a symbol."""
        return self.symbol if symbol_like else self.prose

    @staticmethod
    def from_data(data: Mapping[str, Any]) -> Weights:
        """Makes the weights from ``data``, the content of ``ranking.json``."""
        prose, symbol = (SignalWeights(**data["signals"][name]) for name in ("prose", "symbol"))
        return Weights(version=data["version"], prose=prose, symbol=symbol, topic=data["topic"], **data["numbers"])


SHIPPED_WEIGHTS = Weights.from_data(DATA)
