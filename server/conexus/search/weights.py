"""The numbers of the ranking, fitted on queries over public repositories."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SignalWeights:
    """How much each signal counts; what they are and their scale stand in signals.py."""

    dense: float = 1.7
    body: float = 1.0
    names: float = 1.0
    file_dense: float = 0.5
    file_body: float = 1.4
    stem: float = 3.0
    called: float = 2.0
    defined: float = 0.3
    filed: float = 3.0


@dataclass(frozen=True, slots=True)
class Weights:
    """All numbers of the ranking."""

    version: int = 1
    prose: SignalWeights = SignalWeights()
    #: For a query that looks like the name of a symbol.
    symbol: SignalWeights = SignalWeights(dense=0.7, file_dense=0.3, file_body=0.6, stem=0.5, defined=4.0)
    # BM25 (Robertson & Zaragoza 2009)
    body_k1: float = 1.2
    body_b: float = 0.5
    names_k1: float = 1.2
    names_b: float = 0.6
    # what a role takes off
    test: float = 0.5
    example: float = 0.2
    document: float = 0.2
    old: float = 0.1
    foreign: float = 0.1
    entry: float = 0.01
    declaration: float = 0.02
    #: Taken off rows that are no definition.
    text: float = 0.05
    #: Taken off further pieces of a long definition.
    piece: float = 0.12
    #: Given to each chunk of a file in proportion to how good the file's chunks are together.
    coherence: float = 0.11
    #: Chunks count as good that are at most this much worse than the best.
    good: float = 0.9
    #: Times the logarithm of its place, taken off each further chunk of a file.
    saturation: float = 0.17
    #: Given to files in the folder of the file that the user looks at, less to those farther away.
    near: float = 0.1
    #: Given to files that are open.
    opened: float = 0.02


DEFAULT = Weights()
