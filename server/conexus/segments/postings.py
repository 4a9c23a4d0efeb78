"""An inverted index over the rows (or files) of one segment, as flat arrays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.ragged import run_starts
from conexus.segments.lexicon import Lexicon, Numbers

Rows = NDArray[np.int32]
Counts = NDArray[np.uint8]
#: Largest count of a term in one row. More occurrences change no score, because BM25 saturates long before.
MAX_COUNT = 255
_TERM_BITS = 32
_NO_ROWS: Rows = np.empty(0, np.int32)
_NO_COUNTS: Counts = np.empty(0, np.uint8)


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Counts of terms by row, as coordinates in no particular order, before they are turned into postings."""

    vocabulary: tuple[str, ...]
    #: Index into ``vocabulary``, row and count of each occurrence; three arrays of one length.
    terms: Rows
    rows: Rows
    counts: Counts
    #: Number of rows, including rows without any term.
    size: int


def occurrences(rows: Sequence[Collection[str]]) -> Occurrences:
    """Counts the terms of each row."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    terms = np.fromiter(map(numbers.__getitem__, chain.from_iterable(rows)), np.int64, int(lengths.sum()))
    # Row and term are packed into one number, so that sorting groups the occurrences of one term in one row.
    pairs = (np.arange(len(rows)).repeat(lengths) << _TERM_BITS) | terms
    pairs.sort()
    starts = run_starts(pairs)
    first = pairs[starts]
    return Occurrences(
        tuple(numbers),
        (first & ((1 << _TERM_BITS) - 1)).astype(np.int32),
        (first >> _TERM_BITS).astype(np.int32),
        np.minimum(np.diff(starts, append=len(pairs)), MAX_COUNT).astype(np.uint8),
        len(rows),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Postings:
    """The rows of every word and its count in each. Word ``w`` has ``starts[w]:starts[w + 1]``, rows ascending."""

    lexicon: Lexicon
    #: Shape (words + 1,); the first number is 0, the last is the number of occurrences.
    starts: NDArray[np.uint32]
    #: The rows of all words, word after word, and how often the word is in each; both of shape (occurrences,).
    rows: Rows
    counts: Counts
    #: Number of words of each row, including repeats; shape (rows,), float32.
    lengths: NDArray[np.float32]

    def rows_with(self, word: str) -> tuple[Rows, Counts]:
        """Returns the rows that have the word, ascending, and its count in each; empty arrays if no row has it."""
        number = self.lexicon.number(word)
        return self.rows_with_number(number) if number >= 0 else (_NO_ROWS, _NO_COUNTS)

    def rows_with_number(self, number: int) -> tuple[Rows, Counts]:
        """Returns the same as ``rows_with``, given the word's number in the lexicon."""
        first, last = self.starts[number : number + 2].tolist()
        return self.rows[first:last], self.counts[first:last]

    @property
    def frequencies(self) -> NDArray[np.uint32]:
        """Number of rows that have each word of the lexicon, shape (words,)."""
        return np.diff(self.starts)

    def vocabulary(self) -> Iterator[str]:
        """Returns an iterator over the words that at least one row has."""
        present = np.flatnonzero(self.frequencies)
        return iter(self.lexicon.words.take(present))

    def words_in(self, row: int) -> list[str]:
        """Returns the words of one row. Reads all postings."""
        places = np.flatnonzero(self.rows == row)
        numbers = np.searchsorted(self.starts, places, side="right") - 1
        return list(self.lexicon.words.take(numbers))

    def words_in_rows(self, rows: NDArray[np.integer]) -> tuple[Numbers, Counts, NDArray[np.int64]]:
        """Returns the words of some rows, row after row: numbers, counts, and the start of each row's words.

        The starts have shape (len(rows) + 1,) and end with the number of all words. ``rows``: ascending, without
        repeats.
        """
        places = np.full(len(self.lengths), -1, np.int32)
        places[rows] = np.arange(len(rows), dtype=np.int32)
        owners = places[self.rows]
        kept = np.flatnonzero(owners >= 0)
        order = kept[np.argsort(owners[kept], kind="stable")]
        numbers = (np.searchsorted(self.starts, order, side="right") - 1).astype(np.int32)
        starts = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(np.bincount(owners[kept], minlength=len(rows)), out=starts[1:])
        return numbers, self.counts[order], starts


def build(parts: Sequence[Occurrences], lexicon: Lexicon, numbers: Mapping[str, int]) -> Postings:
    """Builds postings from the occurrences of several files, whose rows are numbered consecutively.

    ``numbers`` maps every word to its number in ``lexicon``.
    """
    terms: list[Rows] = []
    rows: list[Rows] = []
    first = 0
    for part in parts:
        if len(part.terms):
            mapping = np.fromiter(map(numbers.__getitem__, part.vocabulary), np.int32, len(part.vocabulary))
            terms.append(mapping[part.terms])
            rows.append(part.rows + np.int32(first))
        first += part.size
    counts = [part.counts for part in parts if len(part.terms)]
    owners, places = _join(terms, np.int32), _join(rows, np.int32)
    counted = _join(counts, np.uint8)
    order = np.argsort(owners, kind="stable")
    starts = np.zeros(len(lexicon) + 1, np.uint32)
    np.cumsum(np.bincount(owners, minlength=len(lexicon)), out=starts[1:])
    return Postings(lexicon, starts, places[order], counted[order], lengths_of(places, counted, first))


@dataclass(frozen=True, slots=True)
class KeptPostings:
    """One input of a merge: a segment's postings, and which of its rows (or files) to keep."""

    postings: Postings
    #: New number of each word of its lexicon, shape (words,), ascending where it is not -1. No kept row has a word with
    #: -1.
    numbers: Numbers
    #: Which rows are kept, shape (rows,).
    kept: NDArray[np.bool_]


def merge(parts: Sequence[KeptPostings], lexicon: Lexicon) -> Postings:
    """Merges the postings of several segments' kept rows, which are numbered consecutively in their old order.

    Takes linear time, because each part is already sorted and so the place of each of its pieces is known.
    """
    pieces = []
    frequencies = np.zeros(len(lexicon), np.int64)
    first = 0
    for part in parts:
        kept = part.kept[part.postings.rows]
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept, dtype=np.int64)])[part.postings.starts]
        often = np.diff(ends)
        present = np.flatnonzero(often)
        words, often = part.numbers[present], often[present]
        renumbered = np.cumsum(part.kept, dtype=np.int32) - np.int32(1 - first)
        pieces.append((words, often, renumbered[part.postings.rows[kept]], part.postings.counts[kept]))
        frequencies[words] += often
        first += int(np.count_nonzero(part.kept))
    starts = np.zeros(len(lexicon) + 1, np.int64)
    np.cumsum(frequencies, out=starts[1:])
    rows, counts = np.empty(int(starts[-1]), np.int32), np.empty(int(starts[-1]), np.uint8)
    free = starts[:-1].copy()
    for words, often, own_rows, own_counts in pieces:
        before = np.cumsum(often) - often
        places = np.arange(len(own_rows)) + np.repeat(free[words] - before, often)
        rows[places] = own_rows
        counts[places] = own_counts
        free[words] += often
    lengths = [part.postings.lengths[part.kept] for part in parts]
    return Postings(lexicon, starts.astype(np.uint32), rows, counts, _join(lengths, np.float32))


def lengths_of(rows: Rows, counts: Counts, size: int) -> NDArray[np.float32]:
    """Returns the number of words of each row, including repeats; shape (size,), float32."""
    lengths: NDArray[np.float32] = np.bincount(rows, weights=counts, minlength=size).astype(np.float32)
    return lengths


def _join(arrays: Sequence[NDArray], kind: type) -> NDArray:  # type: ignore[type-arg]
    return np.concatenate(arrays) if arrays else np.empty(0, kind)
