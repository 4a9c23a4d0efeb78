"""What the ranking derives once from each segment: facts of its files as arrays."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from conexus.chunking.chunk import KINDS
from conexus.index.postings import Counts, Postings, build, occurrences
from conexus.index.segment import MemorySegment
from conexus.index.terms import fold, terms
from conexus.search.roles import Role, roles_of
from conexus.search.spellings import Spellings

_TEST_KIND = KINDS.index("test")
_TEST_MODULES = frozenset({"test", "tests"})


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


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Arrays have one entry for each file of the segment, where not said otherwise."""

    #: Sets of ``Role``, one for each row: a file's, and TEST for a test inside a file of code.
    roles: NDArray[np.uint8]
    languages: NDArray[np.int32]
    language_numbers: dict[str, int]
    #: Terms of the file's stem, each once.
    stems: Postings
    #: Terms of the name of the folder that holds the file, each once.
    parents: Postings
    #: The mean of the file's vectors, of length 1; shape (files, dimensions).
    centroids: NDArray[np.float32]
    #: Terms in all of the file's chunks.
    lengths: Counts
    #: Files by their name in lower case.
    by_name: dict[str, list[int]]
    #: Rows that define a name: definitions, first pieces only.
    defines: NDArray[np.bool_]
    #: The names they define.
    names: NameList
    #: The names that the segment's chunks refer to, by their number in its postings.
    reference_names: tuple[str, ...]
    #: The terms of all names; what finds them by their spelling is derived when a word is first looked for.
    spellings: Spellings
    #: Of each row: its lines, how many definitions enclose it, how deep its file lies, how many rows refer to its
    #: symbol; shape (4, rows).
    row_facts: NDArray[np.int32]
    #: Files that patterns of paths choose, by the patterns; bounded.
    chosen: dict[tuple[str, ...], NDArray[np.bool_]] = field(default_factory=dict)


_tables: dict[int, Table] = {}
_lock = Lock()


def table(segment: MemorySegment) -> Table:
    """The segment's table, made on first use and forgotten with the segment. Safe in several threads."""
    # A segment has no weak references; its array of owners belongs to it alone and has.
    anchor = segment.file_of
    known = _tables.get(id(anchor))
    if known is None:
        with _lock:
            known = _tables.get(id(anchor))
            if known is None:
                known = _tables[id(anchor)] = _table(segment)
                weakref.finalize(anchor, _tables.pop, id(anchor), None).atexit = False
    return known


def _table(segment: MemorySegment) -> Table:
    paths = [facts.path for facts in segment.files]
    numbers: dict[str, int] = {}
    languages = [numbers.setdefault(facts.language, len(numbers)) for facts in segment.files]
    by_name: dict[str, list[int]] = {}
    stems: list[set[str]] = []
    parents: list[set[str]] = []
    for number, path in enumerate(paths):
        place = PurePosixPath(path)
        by_name.setdefault(place.name.lower(), []).append(number)
        stems.append(set(terms(place.name.partition(".")[0] or place.name)))
        parents.append(set(terms(place.parent.name)))
    return Table(
        roles=_roles(segment, paths),
        languages=np.array(languages, np.int32),
        language_numbers=numbers,
        stems=build([occurrences(stems)]),
        parents=build([occurrences(parents)]),
        centroids=_centroids(segment),
        lengths=np.bincount(segment.file_of, segment.body.lengths, len(paths)).astype(np.float32),
        by_name=by_name,
        defines=(segment.parts == 0) & np.array([bool(symbol) for symbol in segment.symbols], np.bool_),
        names=NameList.of(segment.definitions),
        reference_names=tuple(segment.references.numbers),
        row_facts=_row_facts(segment, paths),
        spellings=Spellings(segment.names.numbers),
    )


def _row_facts(segment: MemorySegment, paths: Sequence[str]) -> NDArray[np.int32]:
    references = segment.references
    counts = dict(zip(references.numbers, np.diff(references.starts).tolist(), strict=True))
    depths = np.array([path.count("/") for path in paths], np.int32)
    return np.stack(
        [
            segment.end_lines - segment.start_lines,
            np.array([len(crumb) for crumb in segment.breadcrumbs], np.int32),
            depths[segment.file_of],
            np.array([counts.get(symbol, 0) if symbol else 0 for symbol in segment.symbols], np.int32),
        ]
    ).astype(np.int32)


def _roles(segment: MemorySegment, paths: Sequence[str]) -> NDArray[np.uint8]:
    of_files = np.array([int(roles_of(path)) for path in paths], np.uint8)
    roles = of_files[segment.file_of]
    roles[segment.kinds == _TEST_KIND] |= np.uint8(Role.TEST)
    inside = [not _TEST_MODULES.isdisjoint(crumb) for crumb in segment.breadcrumbs]
    roles[np.array(inside, np.bool_)] |= np.uint8(Role.TEST)
    return roles


def _centroids(segment: MemorySegment) -> NDArray[np.float32]:
    sums = np.zeros((len(segment.files), segment.vectors.shape[1]), np.float32)
    filled = np.flatnonzero(np.diff(segment.first_rows))
    if len(filled):
        sums[filled] = np.add.reduceat(segment.vectors, segment.first_rows[filled], axis=0)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    np.divide(sums, lengths, out=sums, where=lengths > 0)
    return sums
