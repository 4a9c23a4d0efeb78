"""The words of a segment: every string that its chunks are looked up by, each once, under a number.

Numbers follow a hash of the words, not their spelling: so looking up is a search in one array of numbers, for all words
of a query at once, and segments are merged without sorting anything again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from conexus.index.strings import Strings

Hashes = NDArray[np.uint64]
Numbers = NDArray[np.int32]

#: What lookups remember, so that words asked for again and again cost a dictionary's time. Bounded.
_MOST_REMEMBERED = 20_000


@lru_cache(maxsize=1 << 15)
def word_hash(word: str) -> int:
    """64 bits that stand for a word: two of ten million words are alike with a probability of 3 in a million."""
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """Safe in several threads: what is remembered are finished values."""

    #: Ascending, shape (words,).
    hashes: Hashes
    #: The words in the same order.
    words: Strings
    _known: dict[str, int] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(words: Iterable[str]) -> tuple[Lexicon, dict[str, int]]:
        """A lexicon of these words, and the number of each."""
        listed = list(dict.fromkeys(words))
        hashes = np.fromiter(map(word_hash, listed), np.uint64, len(listed))
        order = np.argsort(hashes)
        ordered = [listed[place] for place in order.tolist()]
        return Lexicon(hashes[order], Strings.of(ordered)), {word: number for number, word in enumerate(ordered)}

    def __len__(self) -> int:
        return len(self.hashes)

    def number(self, word: str) -> int:
        """The word's number, -1 if it is not here."""
        known = self._known.get(word)
        return self._look_up((word,))[0] if known is None else known

    def numbers(self, terms: Iterable[tuple[str, float]]) -> tuple[tuple[int, float], ...]:
        """The numbers of those of the terms that are here, each with its weight."""
        known = self._known
        found = []
        for word, weight in terms:
            number = known.get(word)
            if number is None:
                number = self.number(word)
            if number >= 0:
                found.append((number, weight))
        return tuple(found)

    def learn(self, words: Iterable[str]) -> None:
        """Look many words up at once; ``number`` is cheap for them afterwards."""
        Lexicon.learn_in((self,), tuple(words))

    @staticmethod
    def learn_in(lexicons: Iterable[Lexicon], words: Sequence[str]) -> frozenset[str]:
        """Look many words up in several lexicons; those that any of them has."""
        hashes: Hashes | None = None
        here: set[str] = set()
        for lexicon in lexicons:
            numbers: Sequence[int | None] = [lexicon._known.get(word) for word in words]
            if None in numbers:
                if hashes is None:
                    hashes = np.fromiter(map(word_hash, words), np.uint64, len(words))
                numbers = lexicon._look_up(words, hashes)
            here.update(word for word, number in zip(words, numbers, strict=True) if number is not None and number >= 0)
        return frozenset(here)

    def _look_up(self, words: Sequence[str], hashes: Hashes | None = None) -> list[int]:
        """The numbers of words, which are remembered. ``hashes``: theirs, where they are known.

        What is returned is never read from what is remembered: another thread may forget that at any time.
        """
        if hashes is None:
            hashes = np.fromiter(map(word_hash, words), np.uint64, len(words))
        numbers = [-1] * len(words)
        if len(self):
            places = self.hashes.searchsorted(hashes)
            numbers = np.where(self.hashes.take(places, mode="clip") == hashes, places, -1).tolist()
        if len(self._known) + len(words) > _MOST_REMEMBERED:
            self._known.clear()
        self._known.update(zip(words, numbers, strict=True))
        return numbers

    @staticmethod
    def merged(parts: Sequence[tuple[Lexicon, NDArray[np.bool_]]]) -> tuple[Lexicon, list[Numbers]]:
        """One lexicon of the words that each part keeps, and for each part the new numbers of its words (-1: dropped).

        Within a part the new numbers of kept words ascend.
        """
        hashes = [lexicon.hashes[kept] for lexicon, kept in parts]
        together = np.concatenate(hashes) if hashes else np.empty(0, np.uint64)
        unique, first = np.unique(together, return_index=True)
        numbers: list[Numbers] = []
        for (lexicon, kept), own in zip(parts, hashes, strict=True):
            mapping = np.full(len(lexicon), -1, np.int32)
            mapping[kept] = np.searchsorted(unique, own)
            numbers.append(mapping)
        words = Strings.joined([lexicon.words.take(np.flatnonzero(kept)) for lexicon, kept in parts])
        return Lexicon(unique, words.take(first)), numbers
