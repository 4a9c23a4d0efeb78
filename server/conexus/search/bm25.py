"""BM25 over the postings of several segments.

Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conexus.index.lexicon import Lexicon
from conexus.index.postings import Postings, Rows
from conexus.ragged import run_starts
from conexus.search.query import Concept

Scores = NDArray[np.float32]

_NO_ROWS: Rows = np.empty(0, np.int32)
_NO_SCORES: Scores = np.empty(0, np.float32)


@dataclass(frozen=True, slots=True)
class Sought:
    """A concept, looked up in the lexicon of each view: all fields of a view number their words alike."""

    concept: Concept
    #: For the views that have any of the concept's terms: the view's number, and of each term that it has the number
    #: and how much an occurrence counts.
    numbers: tuple[tuple[int, tuple[tuple[int, float], ...]], ...]

    @staticmethod
    def of(concept: Concept, lexicons: Iterable[Lexicon]) -> Sought:
        numbers = ((view, lexicon.numbers(concept.terms)) for view, lexicon in enumerate(lexicons))
        return Sought(concept, tuple(each for each in numbers if each[1]))


@dataclass(frozen=True, slots=True)
class Field:
    """One field of all rows: the views' postings, and where each view's rows begin."""

    postings: tuple[Postings, ...]
    first_rows: tuple[int, ...]
    #: Terms of each row, shape (rows,).
    lengths: Scores
    #: Which rows count, shape (rows,); None: all.
    counted: NDArray[np.bool_] | None
    #: Terms of a row that counts, on average.
    mean_length: float

    @staticmethod
    def of(postings: Sequence[Postings], first_rows: Sequence[int], counted: NDArray[np.bool_] | None = None) -> Field:
        parts = [each.lengths for each in postings]
        lengths = np.concatenate(parts) if parts else np.empty(0, np.float32)
        return Field(tuple(postings), tuple(first_rows), lengths, counted, mean_of(lengths, counted))

    def occurrences(self, sought: Sought) -> tuple[Rows, Scores]:
        """Rows that count and have one of the concept's terms, and how often, other forms counting less.

        Each once, ascending.
        """
        rows: list[Rows] = []
        counts: list[Scores] = []
        several = False
        for view, numbers in sought.numbers:
            postings, first, before = self.postings[view], self.first_rows[view], len(rows)
            for number, weight in numbers:
                of_view, counted = postings.at(number)
                if len(of_view):
                    rows.append(of_view + np.int32(first))
                    counts.append(counted * np.float32(weight))
            several = several or len(rows) > before + 1
        if not rows:
            return _NO_ROWS, _NO_SCORES
        found, often = (np.concatenate(rows), np.concatenate(counts)) if len(rows) > 1 else (rows[0], counts[0])
        if several:
            # Stable: of several ascending parts that is little more than merging them.
            order = found.argsort(kind="stable")
            ordered = found[order]
            starts = run_starts(ordered)
            found, often = ordered[starts], sums_from(starts, often[order])
        if self.counted is None:
            return found, often
        kept = self.counted[found]
        return found[kept], often[kept]


def mean_of(values: Scores, counted: NDArray[np.bool_] | None) -> float:
    """The mean of the values that count (None: all do); 0 if there is none."""
    size = len(values) if counted is None else int(np.count_nonzero(counted))
    return float((values if counted is None else values * counted).sum(dtype=np.float64)) / max(size, 1)


def sums_from(starts: NDArray[np.int64], values: Scores) -> Scores:
    """The sum of the values from each start to the next one."""
    # In double precision, so that it does not matter what else is summed.
    return np.add.reduceat(values, starts, dtype=np.float64).astype(np.float32)


def idf(document_frequency: int, documents: int) -> float:
    """Inverse document frequency, never below 0."""
    return float(np.log1p((documents - document_frequency + 0.5) / (document_frequency + 0.5)))


def norms(lengths: Scores, mean: float, k1: float, b: float) -> Scores:
    """What an occurrence competes with in rows of these lengths: more in long ones."""
    return lengths * np.float32(k1 * b / max(mean, 1e-6)) + np.float32(k1 * (1 - b))


def saturated(counts: Scores, norms: Scores) -> Scores:
    """Term counts -> 0..1, growing ever less, less for long rows."""
    return counts / (counts + norms)
