"""The numbers of the ranking. They are data: ``ranking.json`` holds them, fitted on questions to public code."""

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
    """How much each signal counts where candidates are chosen; what they are and their scale stand in signals.py."""

    dense: float
    body: float
    names: float
    file_dense: float
    file_body: float
    stem: float
    called: float
    defined: float
    filed: float


@dataclass(frozen=True, slots=True)
class Weights:
    """All numbers of the ranking but the ranker's."""

    version: int
    prose: SignalWeights
    #: Of the features ``sentence.FORM``: how much each speaks for a topic, and ``bias``.
    topic: Mapping[str, float]
    #: For a query that looks like the name of a symbol.
    symbol: SignalWeights
    # BM25 (Robertson & Zaragoza 2009)
    body_k1: float
    body_b: float
    names_k1: float
    names_b: float
    # what a role takes off
    test: float
    example: float
    document: float
    old: float
    foreign: float
    entry: float
    declaration: float
    #: Taken off rows that are no definition.
    text: float
    #: Taken off further pieces of a long definition.
    piece: float
    #: Taken off each further chunk of a file, times the logarithm of its place, by what the query asks for.
    saturation_of_topic: float
    saturation_of_place: float
    saturation_of_name: float
    #: Given to the file that the query names, and to definitions where the query is their name.
    named: float
    #: Given to tests or examples where the query wants those.
    wanted: float
    #: Given to files in the folder of the file that the user looks at, less to those farther away.
    near: float
    #: Given to files that are open.
    opened: float

    @staticmethod
    def of(data: Mapping[str, Any]) -> Weights:
        """``data`` as ``ranking.json`` has it."""
        prose, symbol = (SignalWeights(**data["signals"][name]) for name in ("prose", "symbol"))
        return Weights(version=data["version"], prose=prose, symbol=symbol, topic=data["topic"], **data["numbers"])


DEFAULT = Weights.of(DATA)
