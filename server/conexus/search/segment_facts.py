"""What the ranking derives once from each segment, when it is first looked for."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from conexus.index.segment import MemorySegment
from conexus.index.terms import fold, terms
from conexus.search.spellings import Spellings

#: So many symbols of a segment are remembered with their terms.
_MOST_SYMBOLS = 1 << 11


@dataclass(frozen=True, slots=True, eq=False)
class NameList:
    """All names of a segment in one text, so that looking for a piece of a name is one scan in C."""

    #: Names as terms are spelled, each between two line ends.
    text: str
    #: The names that are spelled otherwise, in lower case, by how they stand in the text.
    written: Mapping[str, tuple[str, ...]]

    @staticmethod
    def of(names: Collection[str]) -> NameList:
        """``names``: in lower case."""
        written: dict[str, tuple[str, ...]] = {}
        for name in names:
            if not name.isascii():
                folded = fold(name)
                written[folded] = (*written.get(folded, (folded,) if folded in names else ()), name)
        plain = (name for name in names if name.isascii())
        listed = [name for name in dict.fromkeys((*plain, *written)) if "\n" not in name]
        return NameList("\n" + "\n".join(listed) + "\n", written)

    def containing(self, piece: str, limit: int) -> Iterator[str]:
        """Names that contain ``piece``, which is folded and has no line end, each once; about ``limit`` at most."""
        place = self.text.find(piece)
        while place >= 0 and limit > 0:
            end = self.text.index("\n", place)
            yield from self._as_written(self.text[self.text.rindex("\n", 0, place) + 1 : end])
            place = self.text.find(piece, end)
            limit -= 1

    def beginning(self, piece: str, limit: int) -> Iterator[str]:
        """Names that begin with ``piece``, as above."""
        place = self.text.find("\n" + piece)
        while place >= 0 and limit > 0:
            end = self.text.index("\n", place + 1)
            yield from self._as_written(self.text[place + 1 : end])
            place = self.text.find("\n" + piece, end)
            limit -= 1

    def _as_written(self, name: str) -> tuple[str, ...]:
        return self.written.get(name, (name,))


class SymbolTerms(NamedTuple):
    """A symbol as one term, its parts (itself if it has none), and all of these."""

    whole: str
    parts: frozenset[str]
    all: frozenset[str]

    @staticmethod
    def of(symbol: str) -> SymbolTerms:
        found = tuple(terms(symbol)) or (symbol,)
        return SymbolTerms(found[0], frozenset(found[1:] or found), frozenset(found))


class SegmentFacts:
    """Safe in several threads: two may derive the same at once. Arrays have one entry for each file or row.

    It does not hold its segment, which would then never be forgotten.
    """

    def __init__(self, segment: MemorySegment) -> None:
        numbers: dict[str, int] = {}
        languages = [numbers.setdefault(facts.language, len(numbers)) for facts in segment.files]
        self.languages = np.array(languages, np.int32)
        self.language_numbers = numbers
        #: Terms in all of the file's chunks.
        self.lengths = np.bincount(segment.file_of, segment.body.lengths, len(segment.files)).astype(np.float32)
        self.has_rows: NDArray[np.bool_] = np.diff(segment.first_rows) > 0
        #: Rows that define a name: definitions, first pieces only.
        self.defines: NDArray[np.bool_] = (segment.parts == 0) & segment.has_symbol
        #: Of each row: its lines, how many definitions enclose it, how deep its file lies; shape (3, rows).
        self.row_facts = _row_facts(segment)
        #: Files that patterns of paths choose, by the patterns; bounded.
        self.chosen: dict[tuple[str, ...], NDArray[np.bool_]] = {}
        self.roles = segment.roles
        self._paths = [facts.path for facts in segment.files]
        self._definitions, self._names = segment.definitions, segment.names
        self._symbol_terms: dict[int, SymbolTerms] = {}

    def symbol_terms(self, segment: MemorySegment, number: int) -> SymbolTerms:
        """The terms of a symbol, given its number in the segment's lexicon. ``segment``: the table's."""
        found = self._symbol_terms.get(number)
        if found is None:
            if len(self._symbol_terms) >= _MOST_SYMBOLS:
                self._symbol_terms.clear()
            found = self._symbol_terms[number] = SymbolTerms.of(segment.lexicon.words[number])
        return found

    @cached_property
    def names(self) -> NameList:
        """The names that the segment defines, in lower case."""
        return NameList.of(dict.fromkeys(self._definitions.vocabulary()))

    @cached_property
    def spellings(self) -> Spellings:
        """The terms of all names."""
        return Spellings(tuple(self._names.vocabulary()))

    @cached_property
    def by_path(self) -> Mapping[str, int]:
        """The number of each file."""
        return {path: number for number, path in enumerate(self._paths)}


_tables: dict[int, SegmentFacts] = {}
_lock = Lock()


def table(segment: MemorySegment) -> SegmentFacts:
    """The segment's table, made on first use and forgotten with the segment. Safe in several threads."""
    known = _tables.get(id(segment))
    if known is None:
        with _lock:
            known = _tables.get(id(segment))
            if known is None:
                known = _tables[id(segment)] = SegmentFacts(segment)
                # Most of the segment was looked at for it, and at a start all segments are.
                segment.release()
                weakref.finalize(segment, _tables.pop, id(segment), None).atexit = False
    return known


def _row_facts(segment: MemorySegment) -> NDArray[np.int32]:
    depths = np.array([facts.path.count("/") for facts in segment.files], np.int32)
    facts = np.empty((3, len(segment)), np.int32)
    np.subtract(segment.end_lines, segment.start_lines, out=facts[0])
    facts[1] = segment.crumbs.depths
    facts[2] = depths[segment.file_of]
    return facts
