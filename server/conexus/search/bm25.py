"""Computes BM25 over the postings of several segments.

Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.ragged import run_starts
from conexus.search.query import Concept
from conexus.segments.lexicon import Lexicon
from conexus.segments.postings import Postings, Rows

Scores = NDArray[np.float32]

_NO_ROWS: Rows = np.empty(0, np.int32)
_NO_SCORES: Scores = np.empty(0, np.float32)


@dataclass(frozen=True, slots=True)
class NumberedConcept:
    """A concept and the numbers of its terms in each view's lexicon. All fields of a view use the same numbers."""

    concept: Concept
    #: For each view that has any of the concept's terms: the view's number and, for each term that it has, the term's
    #: number in the lexicon and the weight of an occurrence.
    numbers: tuple[tuple[int, tuple[tuple[int, float], ...]], ...]

    @staticmethod
    def from_lexicons(concept: Concept, lexicons: Iterable[Lexicon]) -> NumberedConcept:
        """Looks the concept up; ``lexicons`` has the lexicon of each view."""
        numbers = ((view, lexicon.numbers(concept.terms)) for view, lexicon in enumerate(lexicons))
        return NumberedConcept(concept, tuple(each for each in numbers if each[1]))


@dataclass(frozen=True, slots=True)
class Field:
    """One field of all rows (or of all files): the views' postings, and the first row of each view."""

    postings: tuple[Postings, ...]
    first_rows: tuple[int, ...]
    #: Number of terms of each row, shape (rows,).
    lengths: Scores
    #: Mask of the live rows, shape (rows,); None: all rows are live.
    live: NDArray[np.bool_] | None
    #: Mean number of terms of a live row.
    mean_length: float

    @staticmethod
    def from_postings(
        postings: Sequence[Postings], first_rows: Sequence[int], live: NDArray[np.bool_] | None = None
    ) -> Field:
        parts = [each.lengths for each in postings]
        lengths = np.concatenate(parts) if parts else np.empty(0, np.float32)
        return Field(tuple(postings), tuple(first_rows), lengths, live, live_mean(lengths, live))

    def occurrences(self, concept: NumberedConcept) -> tuple[Rows, Scores]:
        """Returns the live rows that have one of the concept's terms, and how often; other forms count less.

        Both arrays have shape (found rows,). The rows ascend, each once.
        """
        rows: list[Rows] = []
        counts: list[Scores] = []
        has_repeats = False
        for view, numbers in concept.numbers:
            postings, first, before = self.postings[view], self.first_rows[view], len(rows)
            for number, weight in numbers:
                rows_of_view, counts_of_view = postings.rows_with_number(number)
                if len(rows_of_view):
                    rows.append(rows_of_view + np.int32(first))
                    counts.append(counts_of_view * np.float32(weight))
            has_repeats = has_repeats or len(rows) > before + 1
        if not rows:
            return _NO_ROWS, _NO_SCORES
        found, count = (np.concatenate(rows), np.concatenate(counts)) if len(rows) > 1 else (rows[0], counts[0])
        if has_repeats:
            # A stable sort of several ascending parts costs little more than merging them.
            order = found.argsort(kind="stable")
            ordered = found[order]
            starts = run_starts(ordered)
            found, count = ordered[starts], run_sums(starts, count[order])
        if self.live is None:
            return found, count
        kept = self.live[found]
        return found[kept], count[kept]


def live_mean(values: Scores, live: NDArray[np.bool_] | None) -> float:
    """Returns the mean of the values of live rows (``live`` is None: of all values); 0 if there is none."""
    size = len(values) if live is None else int(np.count_nonzero(live))
    return float((values if live is None else values * live).sum(dtype=np.float64)) / max(size, 1)


def run_sums(starts: NDArray[np.int64], values: Scores) -> Scores:
    """Returns the sum of the values from each start to the next one, shape (starts,)."""
    # In double precision, so that no sum depends on the other values of the array.
    return np.add.reduceat(values, starts, dtype=np.float64).astype(np.float32)


def idf(document_frequency: int, documents: int) -> float:
    """Returns the inverse document frequency, never below 0."""
    return float(np.log1p((documents - document_frequency + 0.5) / (document_frequency + 0.5)))


def norms(lengths: Scores, mean: float, k1: float, b: float) -> Scores:
    """Returns BM25's length normalisation for rows of these lengths: greater for long rows."""
    return lengths * np.float32(k1 * b / max(mean, 1e-6)) + np.float32(k1 * (1 - b))


def saturated(counts: Scores, norms: Scores) -> Scores:
    """Maps term counts to 0..1: each further occurrence adds less, and long rows get less."""
    return counts / (counts + norms)
