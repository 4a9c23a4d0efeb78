"""An immutable, searchable set of chunks: flat arrays in memory, or mapped from a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.file import MappedFile
from conexus.arrays.float16 import to_float32
from conexus.arrays.ragged import Ragged, concatenated_ranges
from conexus.chunking.chunk import KINDS
from conexus.embedding.unit_vectors import Vectors
from conexus.segments.analysis import Digests, FileFacts, IndexedFile
from conexus.segments.fields import (
    AllWords,
    FactsPerFile,
    LabelPerRow,
    NumberPerRow,
    RaggedPerRow,
    RowNumbering,
    SegmentInput,
    VectorPerRow,
    WordPathPerRow,
    WordPerRow,
    WordPostings,
    declare,
    each_chunk,
    each_file,
    file_of_rows,
    first_rows,
)
from conexus.segments.lexicon import Hashes, Lexicon
from conexus.segments.postings import Occurrences, Postings, Rows, occurrences
from conexus.segments.roles import Role, roles_of
from conexus.segments.row_names import Containers, Symbols
from conexus.segments.terms import terms
from conexus.segments.vectors import SegmentVectors, state_of

LiveMask = NDArray[np.bool_]
_QUALIFIED = re.compile(r"\.|::")
_KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}
_TEST_KIND = KINDS.index("test")
_TEST_MODULES = ("test", "tests")
#: Largest part number that a row can have.
_MOST_PARTS = 65535


def _digests(files: Sequence[IndexedFile]) -> Digests:
    return np.concatenate([np.empty(0, np.int64), *(file.digests for file in files)])


def _vectors(files: Sequence[IndexedFile]) -> Vectors:
    vectors = [file.vectors for file in files if len(file.vectors)]
    return np.concatenate(vectors) if vectors else np.empty((0, 0), np.float32)


def _tokens(files: Sequence[IndexedFile]) -> Ragged:
    return Ragged.joined([file.tokens for file in files])


def _roles(segment: SegmentInput) -> NDArray[np.uint8]:
    """Derives ``Role`` flags of each row: the roles of its file, and TEST for a test inside a file of code."""
    file_roles = np.array([int(roles_of(facts.path)) for facts in segment.files], np.uint8)
    roles = file_roles[file_of_rows(segment.row_counts)]
    roles[np.asarray(segment.sources["kinds"]) == _TEST_KIND] |= np.uint8(Role.TEST)
    inside = [any(name in names for name in _TEST_MODULES) for names in segment.sources["containers"]]
    roles[np.array(inside, np.bool_)] |= np.uint8(Role.TEST)
    return roles


def _defined_names(segment: SegmentInput) -> list[Occurrences]:
    """Derives the names that each row defines, in lower case: as written, and without qualifiers.

    Only the first part of a definition that was split defines its name.
    """
    rows = zip(segment.sources["symbols"], np.asarray(segment.sources["parts"]).tolist(), strict=True)
    names = [{symbol.lower(), own_name(symbol).lower()} if symbol and part == 0 else set() for symbol, part in rows]
    return [occurrences(names)]


def _stems(segment: SegmentInput) -> list[Occurrences]:
    return [occurrences([set(terms(path.name.partition(".")[0] or path.name)) for path in segment.paths])]


def _parents(segment: SegmentInput) -> list[Occurrences]:
    return [occurrences([set(terms(path.parent.name)) for path in segment.paths])]


def _file_names(segment: SegmentInput) -> list[Occurrences]:
    return [occurrences([{path.name.lower()} for path in segment.paths])]


@dataclass(frozen=True, eq=False, kw_only=True)
class MemorySegment:
    """Chunks of some files. The rows of one file are consecutive. The arrays are never changed.

    Fields with ``declare(...)`` are declared here and nowhere else: building, merging, saving and loading a segment,
    and the columns of the stored tables, follow from the declaration. The order of the fields is the order of their
    arrays in a segment file.

    ``eq=False``: segments are compared and hashed by identity, so that values derived from one can be kept by segment.
    """

    #: Fingerprint of the model that made ``dense``.
    model: str
    #: The rows of file ``f`` are ``first_rows[f]:first_rows[f + 1]``; shape (files + 1,).
    first_rows: Rows = field(metadata=declare(RowNumbering(first_rows)))
    #: Number of the file of each row. This and the following arrays of numbers have shape (rows,).
    file_of: Rows = field(metadata=declare(RowNumbering(file_of_rows)))
    start_lines: Rows = field(
        metadata=declare(NumberPerRow(np.int32), collect=each_chunk(attrgetter("start_line")), column="start_line")
    )
    #: Exclusive end line of each row.
    end_lines: Rows = field(
        metadata=declare(NumberPerRow(np.int32), collect=each_chunk(attrgetter("end_line")), column="end_line")
    )
    #: Index into ``chunk.KINDS``.
    kinds: NDArray[np.uint8] = field(
        metadata=declare(
            LabelPerRow(np.uint8, KINDS), collect=each_chunk(lambda chunk: _KIND_NUMBERS[chunk.kind]), column="kind"
        )
    )
    parts: NDArray[np.uint16] = field(
        metadata=declare(
            NumberPerRow(np.uint16), collect=each_chunk(lambda chunk: min(chunk.part, _MOST_PARTS)), column="part"
        )
    )
    #: ``Role`` flags: the file's roles, and TEST for a test inside a file of code.
    roles: NDArray[np.uint8] = field(metadata=declare(NumberPerRow(np.uint8), derive=_roles))
    #: 64-bit digests of the embedded texts.
    digests: Digests = field(metadata=declare(NumberPerRow(np.int64), collect=_digests, column="digest"))
    symbols: Symbols = field(
        metadata=declare(
            WordPerRow(), collect=each_chunk(attrgetter("symbol")), column="symbol", array="symbol_numbers"
        )
    )
    dense: SegmentVectors = field(metadata=declare(VectorPerRow(), collect=_vectors, column="vector"))
    #: The shipped model's distinct tokens of each chunk, ascending; none if they are unknown.
    tokens: Ragged = field(metadata=declare(RaggedPerRow(), collect=_tokens, column="tokens"))
    #: All words: terms, names, symbols.
    lexicon: Lexicon = field(metadata=declare(AllWords()))
    #: Names of the definitions that contain each row, outermost first.
    containers: Containers = field(
        metadata=declare(
            WordPathPerRow(), collect=each_chunk(attrgetter("breadcrumb")), column="breadcrumb", array="crumbs"
        )
    )
    #: Terms of the code and its documentation.
    body: Postings = field(metadata=declare(WordPostings(), collect=each_file(attrgetter("body")), column="terms"))
    #: Terms of the symbol, of the containers and of the path.
    names: Postings = field(metadata=declare(WordPostings(), collect=each_file(attrgetter("names")), column="names"))
    #: Names that the chunk refers to, exactly as written.
    references: Postings = field(
        metadata=declare(WordPostings(), collect=each_file(attrgetter("references")), column="references")
    )
    #: Rows that define a name, by the name in lower case: as written, and without its qualifiers. Only the first part
    #: of a definition that was split.
    definitions: Postings = field(metadata=declare(WordPostings(), derive=_defined_names))
    #: Distinct terms of each file's stem, and of the name of the directory that contains the file.
    stems: Postings = field(metadata=declare(WordPostings(over_files=True), derive=_stems))
    parents: Postings = field(metadata=declare(WordPostings(over_files=True), derive=_parents))
    #: Each file's name in lower case.
    file_names: Postings = field(metadata=declare(WordPostings(over_files=True), derive=_file_names))
    files: tuple[FileFacts, ...] = field(metadata=declare(FactsPerFile()))
    #: The file that the arrays are mapped from; None if they are only in memory.
    path: Path | None = None
    mapped: MappedFile | None = None

    def __len__(self) -> int:
        return len(self.file_of)

    def __getstate__(self) -> dict[str, Any]:
        return state_of(self)

    @property
    def vectors(self) -> NDArray[np.float16]:
        """Vectors of the chunks, shape (rows, dimensions), of about unit length."""
        return self.dense.vectors

    @cached_property
    def has_symbol(self) -> LiveMask:
        """Which rows have a symbol, shape (rows,)."""
        has: LiveMask = self.lexicon.words.lengths[self.symbols.numbers] > 0
        return has

    @cached_property
    def bytes_per_query(self) -> int:
        """Bytes that a query may have to read: all but whole vectors, files and the texts of words."""
        fields = (self.body, self.names, self.references, self.definitions)
        of_postings = sum(each.rows.nbytes + each.counts.nbytes for each in fields)
        return self.dense.bytes_per_query + 32 * len(self) + of_postings

    def reference_counts(self, hashes: Hashes, live: LiveMask | None) -> NDArray[np.int64]:
        """Returns the number of live rows that refer to each word, given the words' hashes; shape (len(hashes),).

        ``live``: shape (rows,); None if all rows are live.
        """
        known = self.lexicon.hashes
        if not len(known):
            return np.zeros(len(hashes), np.int64)
        numbers = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
        present = known[numbers] == hashes
        firsts, ends = (self.references.starts[numbers + more].astype(np.int64) * present for more in (0, 1))
        counts: NDArray[np.int64] = ends - firsts
        if live is not None:
            places, starts = concatenated_ranges(firsts, ends)
            before = np.zeros(len(places) + 1, np.int64)
            np.cumsum(live[self.references.rows[places]], out=before[1:])
            counts = before[starts[1:]] - before[starts[:-1]]
        return counts

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

    def file_rows(self, file: int) -> range:
        """Returns the rows of a file, given its number."""
        return range(int(self.first_rows[file]), int(self.first_rows[file + 1]))

    def vectors_by_digest(self, file: int) -> dict[int, Vectors]:
        """Returns the vectors of a file's chunks by digest, without chunks that have no vector yet."""
        rows = self.file_rows(file)
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
