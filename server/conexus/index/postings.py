"""An inverted index over the rows of one segment, as flat arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]
Counts = NDArray[np.float32]
_NO_ROWS: Rows = np.empty(0, np.int32)
_NO_COUNTS: Counts = np.empty(0, np.float32)


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Which term occurs in which row how often: coordinates, in no order, before they are turned into postings."""

    vocabulary: tuple[str, ...]
    #: Index into ``vocabulary``, row and count of each occurrence; three arrays of one length.
    terms: Rows
    rows: Rows
    counts: Counts
    #: Number of rows, those without any term included.
    size: int


def occurrences(rows: Sequence[Iterable[str]]) -> Occurrences:
    """Count the terms of each row."""
    numbers: dict[str, int] = {}
    terms: list[int] = []
    owners: list[int] = []
    counts: list[int] = []
    for row, words in enumerate(rows):
        counted = Counter(words)
        terms.extend([numbers.setdefault(word, len(numbers)) for word in counted])
        counts.extend(counted.values())
        owners.extend([row] * len(counted))
    return Occurrences(
        tuple(numbers),
        np.array(terms, np.int32),
        np.array(owners, np.int32),
        np.array(counts, np.float32),
        len(rows),
    )


@dataclass(frozen=True, slots=True)
class Postings:
    """Rows and counts of every term; those of term ``t`` are at ``starts[t]:starts[t + 1]``."""

    numbers: dict[str, int]
    starts: NDArray[np.int64]
    rows: Rows
    counts: Counts
    #: Terms of each row, repeats included, shape (rows,).
    lengths: Counts

    def of(self, term: str) -> tuple[Rows, Counts]:
        """Rows that have the term, each once, and how often they have it; empty arrays if none does."""
        number = self.numbers.get(term)
        if number is None:
            return _NO_ROWS, _NO_COUNTS
        span = slice(self.starts[number], self.starts[number + 1])
        return self.rows[span], self.counts[span]


def build(parts: Sequence[Occurrences]) -> Postings:
    """Postings of several files' occurrences, their rows numbered one after the other."""
    numbers: dict[str, int] = {}
    terms: list[Rows] = []
    rows: list[Rows] = []
    first = 0
    for part in parts:
        mapping = np.array([numbers.setdefault(word, len(numbers)) for word in part.vocabulary], np.int32)
        terms.append(mapping[part.terms] if len(part.terms) else _NO_ROWS)
        rows.append(part.rows + np.int32(first))
        first += part.size
    counts = [part.counts for part in parts]
    return _sorted(numbers, _join(terms, np.int32), _join(rows, np.int32), _join(counts, np.float32), first)


def merge(parts: Sequence[tuple[Postings, NDArray[np.bool_]]]) -> Postings:
    """Postings of several segments' live rows, numbered one after the other in their old order."""
    numbers: dict[str, int] = {}
    terms: list[Rows] = []
    rows: list[Rows] = []
    counts: list[Counts] = []
    first = 0
    for postings, alive in parts:
        mapping = np.array([numbers.setdefault(word, len(numbers)) for word in postings.numbers], np.int32)
        owners = np.repeat(mapping, np.diff(postings.starts))
        kept = alive[postings.rows]
        renumbered = np.cumsum(alive, dtype=np.int32) - np.int32(1 - first)
        terms.append(owners[kept])
        rows.append(renumbered[postings.rows[kept]])
        counts.append(postings.counts[kept])
        first += int(alive.sum())
    return _sorted(numbers, _join(terms, np.int32), _join(rows, np.int32), _join(counts, np.float32), first)


def _join(arrays: list[NDArray[np.int32]] | list[NDArray[np.float32]], kind: type) -> NDArray[np.generic]:
    return np.concatenate(arrays) if arrays else np.empty(0, kind)


def _sorted(numbers: dict[str, int], terms, rows, counts, size: int) -> Postings:  # type: ignore[no-untyped-def]
    order = np.argsort(terms, kind="stable")
    starts = np.zeros(len(numbers) + 1, np.int64)
    np.cumsum(np.bincount(terms, minlength=len(numbers)), out=starts[1:])
    lengths = np.bincount(rows, weights=counts, minlength=size).astype(np.float32)
    return Postings(numbers, starts, rows[order], counts[order], lengths)
