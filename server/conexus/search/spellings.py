"""Finds the terms of a vocabulary that are spelled nearly like a word."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

#: Minimum number of letters of a word that is corrected, because shorter words are similar to too many terms.
MIN_LETTERS = 4
#: Maximum number of terms that are compared with a word letter by letter: the likeliest ones.
_MAX_COMPARED = 200
#: Number of terms whose signatures are made at once, which bounds the memory that this takes.
_BATCH = 1 << 16
# Maximum number of bits of both signatures that one edit changes. Another letter changes two letters and four pairs; a
# transposition changes three pairs before and three after; a letter too many or too few changes one letter and three
# pairs.
_MAX_BITS, _MAX_BITS_OF_LENGTH = 6, 4


class Spellings:
    """Finds terms by their spelling; ``_`` counts for nothing, so that ``mergeconfig`` is like ``merge_config``.

    Nothing is derived before the first search. The derived data are arrays of 26 bytes for each term. Safe in several
    threads.
    """

    def __init__(self, terms: Collection[str]) -> None:
        """``terms`` is kept, not copied, and must not change."""
        self._terms = terms

    def near(self, word: str, max_edits: int) -> list[tuple[int, str]]:
        """Returns the terms within ``max_edits`` edits of a word, each after its number of edits, in no order.

        An edit is a letter too many, too few or another, or two neighbours that changed places (Damerau 1964). At most
        ``_MAX_COMPARED`` terms are compared.
        """
        plain = word.replace("_", "")
        indexed = self._signatures_by_length
        first, last = np.searchsorted(indexed.lengths, [len(plain) - max_edits, len(plain) + max_edits + 1]).tolist()
        if first == last:
            return []
        letters, pairs = (each[0] for each in _signatures([plain]))
        # An edit that adds or removes a letter changes fewer bits, and the lengths give the number of such edits.
        added = np.abs(indexed.lengths[first:last].astype(np.int16) - len(plain))
        allowed = _MAX_BITS * max_edits - (_MAX_BITS - _MAX_BITS_OF_LENGTH) * added
        unlike = np.bitwise_count(indexed.letters[first:last] ^ letters)
        rows = np.flatnonzero(unlike <= allowed)
        unlike = unlike[rows] + np.bitwise_count(indexed.pairs[first:last][rows] ^ pairs)
        close = unlike <= allowed[rows]
        rows, unlike = rows[close], unlike[close]
        if len(rows) > _MAX_COMPARED:
            rows = rows[np.argsort(unlike, kind="stable")[:_MAX_COMPARED]]
        found = []
        for row in (rows + first).tolist():
            edits = distance(plain, indexed.terms[row].replace("_", ""), max_edits)
            if edits is not None:
                found.append((edits, indexed.terms[row]))
        return found

    @cached_property
    def _signatures_by_length(self) -> _Signatures:
        # Two threads may make the same signatures at once. Terms of digits alone are numbers, which have no spelling.
        kept = [term for term in self._terms if len(term) >= MIN_LETTERS - 1 and not term.isdigit()]
        spelled = [term.replace("_", "") for term in kept]
        lengths = np.array([len(term) for term in spelled], np.uint16)
        order = np.argsort(lengths, kind="stable")
        parts = [_signatures(spelled[start : start + _BATCH]) for start in range(0, len(spelled), _BATCH)]
        empty = np.empty(0, np.uint64)
        return _Signatures(
            terms=tuple(kept[row] for row in order.tolist()),
            lengths=lengths[order],
            letters=np.concatenate([empty, *(letters for letters, _ in parts)])[order],
            pairs=np.concatenate([empty, *(pairs for _, pairs in parts)])[order],
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Signatures:
    """Terms, ordered by length, with their signatures; arrays have one entry for each term."""

    terms: tuple[str, ...]
    #: Lengths in characters, without ``_``.
    lengths: NDArray[np.uint16]
    #: Sets of the term's letters, and of its pairs of neighbouring letters, its edges included, as bits.
    letters: NDArray[np.uint64]
    pairs: NDArray[np.uint64]


def _signatures(terms: list[str]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    text = "\n" + "\n".join(terms) + "\n"
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    # Each signature includes the line end before its term, so all terms have its bit.
    starts = np.cumsum([0, *(len(term) + 1 for term in terms[:-1])])
    one = np.uint64(1)
    letters = one << (codes[:-1] & np.uint32(63)).astype(np.uint64)
    pairs = one << ((codes[:-1] * np.uint32(31) + codes[1:]) & np.uint32(63)).astype(np.uint64)
    return np.bitwise_or.reduceat(letters, starts), np.bitwise_or.reduceat(pairs, starts)


def distance(one: str, other: str, max_edits: int) -> int | None:
    """Returns the number of edits between two words; None if it is more than ``max_edits``."""
    if one == other:
        return 0
    if abs(len(one) - len(other)) > max_edits:
        return None
    start, ends = 0, (len(one), len(other))
    while start < min(ends) and one[start] == other[start]:
        start += 1
    while min(ends) > start and one[ends[0] - 1] == other[ends[1] - 1]:
        ends = (ends[0] - 1, ends[1] - 1)
    *_, last = _rows(one[start : ends[0]], other[start : ends[1]])
    return last[-1] if last[-1] <= max_edits else None


def _rows(one: str, other: str) -> Iterator[list[int]]:
    """Yields, for each prefix of ``one``, a list of the number of edits between it and each prefix of ``other``."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    yield row
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, against in enumerate(other, 1):
            edits = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                edits = min(edits, last[j - 2] + 1)
            row.append(edits)
        yield row
