"""BM25 over the postings of several segments.

Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conexus.index.postings import Postings, Rows
from conexus.search.query import Concept

Scores = NDArray[np.float32]

#: Rows of a term that tell how often it comes alone.
_FEW = 64


@dataclass(frozen=True, slots=True)
class Field:
    """One field of all rows: the views' postings, and where each view's rows begin."""

    postings: tuple[Postings, ...]
    first_rows: tuple[int, ...]
    #: Terms of each row, shape (rows,).
    lengths: Scores
    #: Which rows count, shape (rows,); None: all.
    counted: NDArray[np.bool_] | None

    @staticmethod
    def of(postings: Sequence[Postings], first_rows: Sequence[int], counted: NDArray[np.bool_] | None = None) -> Field:
        parts = [each.lengths for each in postings]
        lengths = np.concatenate(parts) if parts else np.empty(0, np.float32)
        return Field(tuple(postings), tuple(first_rows), lengths, counted)

    def mean_length(self) -> float:
        """Terms of a row that counts, on average."""
        return mean_of(self.lengths, self.counted)

    def occurrences(self, concept: Concept) -> tuple[Rows, Scores]:
        """Rows that count and have one of the concept's terms, each once, and how often, other forms counting less."""
        rows, counts = self._occurrences(concept)
        if self.counted is None or not len(rows):
            return rows, counts
        kept = self.counted[rows]
        return rows[kept], counts[kept]

    def _occurrences(self, concept: Concept) -> tuple[Rows, Scores]:
        rows: list[Rows] = []
        counts: list[Scores] = []
        for postings, first in zip(self.postings, self.first_rows, strict=False):
            for term, weight in concept.terms:
                found, often = postings.of(term)
                if len(found):
                    rows.append(found + np.int32(first))
                    counts.append(often * np.float32(weight))
        if not rows:
            return np.empty(0, np.int32), np.empty(0, np.float32)
        if len(rows) == 1:
            return rows[0], counts[0]
        joined = np.concatenate(rows)
        sums = np.bincount(joined, np.concatenate(counts), len(self.lengths))
        # comparing first is several times faster than looking for non-zero floats
        unique = np.flatnonzero(sums > 0).astype(np.int32)
        return unique, sums[unique].astype(np.float32)

    def frequency(self, concept: Concept, found: Rows) -> int:
        """In how many rows the concept is, ``found`` being those of them that are looked at."""
        if not any(each.narrows for each in self.postings):
            return len(found)
        return max(len(found), sum(_union(postings, concept) for postings in self.postings))


def _union(postings: Postings, concept: Concept) -> int:
    """In how many rows any of the concept's terms is: for all but the commonest, by some of their rows."""
    known = sorted((postings.all_of(term)[0] for term, _ in concept.terms), key=len, reverse=True)
    together = len(known[0]) if known else 0
    for place, rows in enumerate(known[1:], 1):
        few = rows[:: max(1, len(rows) // _FEW)]
        new = np.ones(len(few), np.bool_)
        for larger in known[:place]:
            if len(larger):
                new &= larger[np.minimum(np.searchsorted(larger, few), len(larger) - 1)] != few
        together += round(len(rows) * float(new.mean())) if len(few) else 0
    return together


def mean_of(values: Scores, counted: NDArray[np.bool_] | None) -> float:
    """The mean of the values that count (None: all do); 0 if there is none."""
    size = len(values) if counted is None else int(np.count_nonzero(counted))
    return float((values if counted is None else values * counted).sum(dtype=np.float64)) / max(size, 1)


def idf(document_frequency: int, documents: int) -> float:
    """Inverse document frequency, never below 0."""
    return float(np.log1p((documents - document_frequency + 0.5) / (document_frequency + 0.5)))


def saturated(counts: Scores, lengths: Scores, mean: float, k1: float, b: float) -> Scores:
    """Term counts -> 0..1, growing ever less, less for long rows."""
    norm: Scores = lengths * np.float32(k1 * b / max(mean, 1e-6)) + np.float32(k1 * (1 - b))
    return counts / (counts + norm)
