"""An immutable, searchable set of chunks: flat arrays in memory, or mapped from a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.file import Mapped
from conexus.arrays.float16 import to_float32
from conexus.arrays.ragged import Ragged, places_of
from conexus.arrays.strings import Strings
from conexus.chunking.chunk import KINDS
from conexus.embedding.unit_vectors import Vectors
from conexus.segments.analysis import Digests, FileFacts
from conexus.segments.lexicon import Hashes, Lexicon, Numbers
from conexus.segments.postings import Postings, Rows
from conexus.segments.vectors import Dense, fields_of

LiveMask = NDArray[np.bool_]
#: Names of the fields that hold postings: over rows, and over files.
OF_ROWS = ("body", "names", "references", "definitions")
OF_FILES = ("stems", "parents", "file_names")
_QUALIFIED = re.compile(r"\.|::")


class Symbols(Sequence[str]):
    """The symbol of each row."""

    def __init__(self, words: Strings, numbers: Numbers) -> None:
        self._words, self._numbers = words, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, row: Any) -> Any:
        return self._words[int(self._numbers[row])]

    def __iter__(self) -> Iterator[str]:
        return iter(self._words.take(self._numbers))


class Breadcrumbs(Sequence[tuple[str, ...]]):
    """The names of the definitions that enclose each row, outermost first."""

    def __init__(self, words: Strings, crumbs: Crumbs) -> None:
        self._words, self._crumbs = words, crumbs

    def __len__(self) -> int:
        return len(self._crumbs.of_rows)

    def __getitem__(self, row: Any) -> Any:
        crumbs = self._crumbs
        number = int(crumbs.of_rows[row])
        path = crumbs.words[crumbs.starts[number] : crumbs.starts[number + 1]]
        return tuple(self._words[word] for word in path.tolist())

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        names = list(self._words.take(self._crumbs.words))
        starts = self._crumbs.starts.tolist()
        each = [tuple(names[first:last]) for first, last in pairwise(starts)]
        return (each[number] for number in self._crumbs.of_rows.tolist())


@dataclass(frozen=True, slots=True, eq=False)
class Crumbs:
    """Distinct breadcrumbs; crumb ``c`` is the words ``words[starts[c]:starts[c + 1]]``."""

    words: Numbers
    starts: NDArray[np.int32]
    #: The crumb of each row.
    of_rows: Numbers

    @property
    def depths(self) -> NDArray[np.int32]:
        """How many names enclose each row, shape (rows,)."""
        depths: NDArray[np.int32] = np.diff(self.starts)[self.of_rows]
        return depths


@dataclass(frozen=True, eq=False)
class MemorySegment:
    """Chunks of some files. The rows of one file are consecutive; arrays have one entry for each row.

    ``eq=False``: segments are compared and hashed by identity, so that values derived from one can be kept by segment.
    """

    #: Fingerprint of the model that made ``dense``.
    model: str
    files: tuple[FileFacts, ...]
    #: The rows of file ``f`` are ``first_rows[f]:first_rows[f + 1]``.
    first_rows: Rows
    file_of: Rows
    start_lines: Rows
    #: Exclusive end line of each row.
    end_lines: Rows
    #: Index into ``chunk.KINDS``.
    kinds: NDArray[np.uint8]
    parts: NDArray[np.uint16]
    #: ``Role`` flags: the file's roles, and TEST for a test inside a file of code.
    roles: NDArray[np.uint8]
    digests: Digests
    dense: Dense
    #: The shipped model's distinct tokens of each chunk, ascending; none if they are unknown.
    tokens: Ragged
    #: All words: terms, names, symbols.
    lexicon: Lexicon
    symbol_numbers: Numbers
    crumbs: Crumbs
    #: Terms of the code and its documentation.
    body: Postings
    #: Terms of the symbol, the breadcrumb and the path.
    names: Postings
    #: Names that the chunk refers to, exactly as written.
    references: Postings
    #: Rows that define a name, by the name in lower case: as written, and without its qualifiers. Only the first part
    #: of a definition that was split.
    definitions: Postings
    # of files:
    #: Distinct terms of the file's stem, and of the name of the directory that contains the file.
    stems: Postings
    parents: Postings
    #: The file's name in lower case.
    file_names: Postings
    #: The file that the arrays are mapped from; None if they are only in memory.
    path: Path | None = None
    mapped: Mapped | None = None

    def __len__(self) -> int:
        return len(self.file_of)

    def __getstate__(self) -> dict[str, Any]:
        return fields_of(self)

    @property
    def vectors(self) -> NDArray[np.float16]:
        """Vectors of the chunks, shape (rows, dimensions), of about unit length."""
        return self.dense.vectors

    @cached_property
    def symbols(self) -> Symbols:
        return Symbols(self.lexicon.words, self.symbol_numbers)

    @cached_property
    def breadcrumbs(self) -> Breadcrumbs:
        return Breadcrumbs(self.lexicon.words, self.crumbs)

    @cached_property
    def has_symbol(self) -> LiveMask:
        """Which rows have a symbol, shape (rows,)."""
        has: LiveMask = self.lexicon.words.lengths[self.symbol_numbers] > 0
        return has

    @cached_property
    def bytes_walked(self) -> int:
        """Bytes that a query may have to read: all but whole vectors, files and the texts of words."""
        fields = (self.body, self.names, self.references, self.definitions)
        return self.dense.bytes_walked + 32 * len(self) + sum(each.rows.nbytes + each.counts.nbytes for each in fields)

    def referring(self, hashes: Hashes, counted: LiveMask | None) -> NDArray[np.int64]:
        """For each word hash, the number of live rows that reference it; ``counted=None`` means all rows.

        Shape ``(len(hashes),)``.
        """
        known = self.lexicon.hashes
        if not len(known):
            return np.zeros(len(hashes), np.int64)
        numbers = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
        here = known[numbers] == hashes
        firsts, ends = (self.references.starts[numbers + more].astype(np.int64) * here for more in (0, 1))
        often: NDArray[np.int64] = ends - firsts
        if counted is not None:
            places, starts = places_of(firsts, ends)
            before = np.zeros(len(places) + 1, np.int64)
            np.cumsum(counted[self.references.rows[places]], out=before[1:])
            often = before[starts[1:]] - before[starts[:-1]]
        return often

    @property
    def mapped_size(self) -> int:
        """Size of the file that the arrays are mapped from, in bytes; 0 if they are only in memory."""
        return len(self.mapped) if self.mapped is not None else 0

    def is_whole(self) -> bool:
        """Returns whether the file that the arrays are mapped from is as it was written. Reads every byte of it."""
        return self.mapped is None or self.mapped.is_whole()

    def is_untouched(self) -> bool:
        """Returns whether the file that the arrays are mapped from seems not to have been written to since."""
        return self.mapped is None or self.mapped.is_untouched()

    def release(self) -> None:
        """Releases the pages of the file that the arrays are mapped from."""
        if self.mapped is not None:
            self.mapped.release()

    def rows_of(self, file: int) -> range:
        return range(int(self.first_rows[file]), int(self.first_rows[file + 1]))

    def vectors_of(self, file: int) -> dict[int, Vectors]:
        """Returns the vectors of a file's chunks by digest, without chunks that have no vector yet."""
        rows = self.rows_of(file)
        span = slice(rows.start, rows.stop)
        pairs = zip(self.digests[span].tolist(), to_float32(self.vectors[span]), strict=True)
        return {digest: vector for digest, vector in pairs if vector.any()}

    def kind(self, row: int) -> str:
        return KINDS[self.kinds[row]]


def name_parts(symbol: str) -> list[str]:
    """Returns the parts of a qualified name: ``Ecto.Query`` -> Ecto, Query; ``Shape::area`` -> Shape, area."""
    return _QUALIFIED.split(symbol)


def own_name(symbol: str) -> str:
    """Returns the last part of a qualified name, and any other symbol as it is."""
    return name_parts(symbol)[-1] or symbol
