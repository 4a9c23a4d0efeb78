"""Numbers the words of a segment: every string that its chunks are looked up by, each once.

Numbers follow a hash of the words, not their spelling: so a look-up is a search in one array of numbers, for all words
of a query at once, and a merge of segments sorts hashes alone, no strings and no postings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.strings import Strings

Hashes = NDArray[np.uint64]
Numbers = NDArray[np.int32]

#: Most words whose numbers a lexicon caches, so that a word that is looked up often takes the time of a dictionary.
_MAX_CACHED = 20_000


@lru_cache(maxsize=1 << 15)
def word_hash(word: str) -> int:
    """Returns a hash of 64 bits: two of ten million words have the same one with a probability of 3 in a million."""
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """The words of a segment. Safe to use from several threads, because the cache holds finished values alone.

    The cache is a bare dictionary and no ``Memo``, because many words are looked up and cached at once.
    """

    #: Hashes of the words, ascending, shape (words,).
    hashes: Hashes
    #: The words in the same order.
    words: Strings
    _cached: dict[str, int] = field(default_factory=dict, repr=False)

    @staticmethod
    def from_words(words: Iterable[str]) -> tuple[Lexicon, dict[str, int]]:
        """Returns a lexicon of these words, and the number of each."""
        listed = list(dict.fromkeys(words))
        hashes = np.fromiter(map(word_hash, listed), np.uint64, len(listed))
        order = np.argsort(hashes)
        ordered = [listed[place] for place in order.tolist()]
        return Lexicon(hashes[order], Strings.from_strings(ordered)), {
            word: number for number, word in enumerate(ordered)
        }

    def __len__(self) -> int:
        return len(self.hashes)

    def number(self, word: str) -> int:
        """Returns the word's number, -1 if the lexicon does not have it."""
        known = self._cached.get(word)
        return self._look_up((word,))[0] if known is None else known

    def numbers(self, terms: Iterable[tuple[str, float]]) -> tuple[tuple[int, float], ...]:
        """Returns the numbers of the terms that the lexicon has, each with its weight."""
        known = self._cached
        found = []
        for word, weight in terms:
            number = known.get(word)
            if number is None:
                number = self.number(word)
            if number >= 0:
                found.append((number, weight))
        return tuple(found)

    @staticmethod
    def known_words(lexicons: Iterable[Lexicon], words: Sequence[str]) -> frozenset[str]:
        """Returns the words that any of several lexicons has.

        Looks all words up at once and caches their numbers, so that ``number`` takes little time for them afterwards.
        """
        hashes: Hashes | None = None
        here: set[str] = set()
        for lexicon in lexicons:
            numbers: Sequence[int | None] = [lexicon._cached.get(word) for word in words]
            if None in numbers:
                if hashes is None:
                    hashes = np.fromiter(map(word_hash, words), np.uint64, len(words))
                numbers = lexicon._look_up(words, hashes)
            here.update(word for word, number in zip(words, numbers, strict=True) if number is not None and number >= 0)
        return frozenset(here)

    def _look_up(self, words: Sequence[str], hashes: Hashes | None = None) -> list[int]:
        """Returns the numbers of words (-1: not here), and caches them. ``hashes``: the words' hashes, if known.

        The result is never read from the cache, because another thread may empty that at any time.
        """
        if hashes is None:
            hashes = np.fromiter(map(word_hash, words), np.uint64, len(words))
        numbers = [-1] * len(words)
        if len(self):
            places = self.hashes.searchsorted(hashes)
            numbers = np.where(self.hashes.take(places, mode="clip") == hashes, places, -1).tolist()
        if len(self._cached) + len(words) > _MAX_CACHED:
            self._cached.clear()
        self._cached.update(zip(words, numbers, strict=True))
        return numbers

    @staticmethod
    def merged(parts: Sequence[tuple[Lexicon, NDArray[np.bool_]]]) -> tuple[Lexicon, list[Numbers]]:
        """Merges lexicons; each part has a mask of the words that are kept, shape (words,).

        Returns one lexicon, and for each part the new numbers of its words (-1: dropped). Within a part the new numbers
        of kept words ascend.
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
