"""Derives data for the ranking from each segment, once, when it is first needed."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from conexus.search.spellings import Spellings
from conexus.segments.memo import Memo
from conexus.segments.segment import MemorySegment
from conexus.segments.terms import fold, terms

#: Maximum number of symbols of a segment whose terms are cached.
_MAX_SYMBOLS = 1 << 11
#: Maximum number of masks of path patterns that are cached for a segment.
_MAX_PATH_MASKS = 64


@dataclass(frozen=True, slots=True, eq=False)
class NameList:
    """All names of a segment in one text, so that a search for a piece of a name is one scan in C."""

    #: Names as terms are spelled, each between two line ends.
    text: str
    #: Names that are spelled differently, in lower case, by their spelling in the text.
    written: Mapping[str, tuple[str, ...]]

    @staticmethod
    def from_names(names: Collection[str]) -> NameList:
        """Makes the list from names in lower case."""
        written: dict[str, tuple[str, ...]] = {}
        for name in names:
            if not name.isascii():
                folded = fold(name)
                written[folded] = (*written.get(folded, (folded,) if folded in names else ()), name)
        plain = (name for name in names if name.isascii())
        listed = [name for name in dict.fromkeys((*plain, *written)) if "\n" not in name]
        return NameList("\n" + "\n".join(listed) + "\n", written)

    def containing(self, piece: str, limit: int) -> Iterator[str]:
        """Yields the names that contain ``piece``, each once, about ``limit`` at most.

        ``piece`` must be folded and have no line end.
        """
        place = self.text.find(piece)
        while place >= 0 and limit > 0:
            end = self.text.index("\n", place)
            yield from self._as_written(self.text[self.text.rindex("\n", 0, place) + 1 : end])
            place = self.text.find(piece, end)
            limit -= 1

    def beginning(self, piece: str, limit: int) -> Iterator[str]:
        """Yields the names that begin with ``piece``; see ``containing``."""
        place = self.text.find("\n" + piece)
        while place >= 0 and limit > 0:
            end = self.text.index("\n", place + 1)
            yield from self._as_written(self.text[place + 1 : end])
            place = self.text.find("\n" + piece, end)
            limit -= 1

    def _as_written(self, name: str) -> tuple[str, ...]:
        return self.written.get(name, (name,))


class SymbolTerms(NamedTuple):
    """The terms of a symbol: the whole symbol as one term, its parts (itself if it has none), and all of these."""

    whole: str
    parts: frozenset[str]
    all: frozenset[str]

    @staticmethod
    def from_symbol(symbol: str) -> SymbolTerms:
        found = tuple(terms(symbol)) or (symbol,)
        return SymbolTerms(found[0], frozenset(found[1:] or found), frozenset(found))


class SegmentFacts:
    """Data derived from one segment. Arrays have one entry for each file or each row.

    Safe in several threads: two threads may derive the same value at once. It does not reference its segment, because
    the segment would then never be freed.
    """

    def __init__(self, segment: MemorySegment) -> None:
        numbers: dict[str, int] = {}
        languages = [numbers.setdefault(facts.language, len(numbers)) for facts in segment.files]
        self.languages = np.array(languages, np.int32)
        self.language_numbers = numbers
        #: Number of terms in all chunks of each file, shape (files,).
        self.lengths = np.bincount(segment.file_of, segment.body.lengths, len(segment.files)).astype(np.float32)
        self.has_rows: NDArray[np.bool_] = np.diff(segment.first_rows) > 0
        #: Mask of the rows that define a name: definitions, first pieces only.
        self.defines: NDArray[np.bool_] = (segment.parts == 0) & segment.has_symbol
        #: For each row: its number of lines, the number of enclosing definitions, the depth of its file in the tree;
        #: shape (3, rows).
        self.row_facts = _row_facts(segment)
        #: Masks of the files that path patterns match, shape (files,), by the patterns.
        self.path_masks = Memo(_MAX_PATH_MASKS)
        self.roles = segment.roles
        self._paths = [facts.path for facts in segment.files]
        self._definitions, self._names = segment.definitions, segment.names
        self._symbol_terms = Memo(_MAX_SYMBOLS)

    def symbol_terms(self, segment: MemorySegment, number: int) -> SymbolTerms:
        """Returns the terms of a symbol, given its number in the lexicon of ``segment``, this object's segment."""
        return self._symbol_terms.get(number, lambda: SymbolTerms.from_symbol(segment.lexicon.words[number]))

    @cached_property
    def names(self) -> NameList:
        """The names that the segment defines, in lower case."""
        return NameList.from_names(dict.fromkeys(self._definitions.vocabulary()))

    @cached_property
    def spellings(self) -> Spellings:
        """The terms of all names."""
        return Spellings(tuple(self._names.vocabulary()))

    @cached_property
    def by_path(self) -> Mapping[str, int]:
        """The number of each file, by its path."""
        return {path: number for number, path in enumerate(self._paths)}

    @cached_property
    def path_ranks(self) -> NDArray[np.int32]:
        """The rank of each file by its path, shape (files,)."""
        ranks = np.empty(len(self._paths), np.int32)
        ranks[sorted(range(len(self._paths)), key=self._paths.__getitem__)] = np.arange(len(self._paths))
        return ranks


_facts: dict[int, SegmentFacts] = {}
_lock = Lock()


def facts_of(segment: MemorySegment) -> SegmentFacts:
    """Returns the segment's facts, made on first use and dropped with the segment. Safe in several threads."""
    known = _facts.get(id(segment))
    if known is None:
        with _lock:
            known = _facts.get(id(segment))
            if known is None:
                known = _facts[id(segment)] = SegmentFacts(segment)
                # Most of the segment's pages were read for it, and at a start the pages of all segments are.
                segment.release()
                weakref.finalize(segment, _facts.pop, id(segment), None).atexit = False
    return known


def _row_facts(segment: MemorySegment) -> NDArray[np.int32]:
    depths = np.array([facts.path.count("/") for facts in segment.files], np.int32)
    facts = np.empty((3, len(segment)), np.int32)
    np.subtract(segment.end_lines, segment.start_lines, out=facts[0])
    facts[1] = segment.containers.depths
    facts[2] = depths[segment.file_of]
    return facts
