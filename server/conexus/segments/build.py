"""Builds a segment from analysed files or from the columns of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.ragged import Ragged
from conexus.chunking.chunk import KINDS
from conexus.embedding.unit_vectors import Vectors
from conexus.segments import postings
from conexus.segments.analysis import Digests, FileFacts, IndexedFile
from conexus.segments.lexicon import Lexicon
from conexus.segments.postings import Occurrences, Rows
from conexus.segments.roles import Role, roles_of
from conexus.segments.segment import Crumbs, MemorySegment, own_name
from conexus.segments.terms import terms
from conexus.segments.vectors import Dense

_KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}
_TEST_KIND = KINDS.index("test")
_TEST_MODULES = ("test", "tests")


@dataclass(frozen=True, slots=True)
class Columns:
    """The input of a segment: Python values and arrays with one entry for each row."""

    model: str
    files: Sequence[FileFacts]
    #: Number of rows of each file.
    counts: Sequence[int]
    start_lines: Rows
    end_lines: Rows
    kinds: NDArray[np.uint8]
    parts: NDArray[np.uint16]
    symbols: Sequence[str]
    breadcrumbs: Sequence[tuple[str, ...]]
    digests: Digests
    vectors: Vectors | NDArray[np.float16]
    tokens: Ragged
    #: Occurrences in consecutive runs of rows.
    body: Sequence[Occurrences]
    names: Sequence[Occurrences]
    references: Sequence[Occurrences]


def build_segment(files: Sequence[IndexedFile], model: str, dimensions: int) -> MemorySegment:
    """Builds a segment of whole files."""
    chunks = [chunk for file in files for chunk in file.chunks]
    vectors = [file.vectors for file in files if len(file.vectors)]
    return segment_of(
        Columns(
            model=model,
            files=[file.facts for file in files],
            counts=[len(file.chunks) for file in files],
            start_lines=np.array([chunk.start_line for chunk in chunks], np.int32),
            end_lines=np.array([chunk.end_line for chunk in chunks], np.int32),
            kinds=np.array([_KIND_NUMBERS[chunk.kind] for chunk in chunks], np.uint8),
            parts=np.array([min(chunk.part, 65535) for chunk in chunks], np.uint16),
            symbols=[chunk.symbol for chunk in chunks],
            breadcrumbs=[chunk.breadcrumb for chunk in chunks],
            digests=np.concatenate([file.digests for file in files]) if files else np.empty(0, np.int64),
            vectors=np.concatenate(vectors) if vectors else np.empty((0, dimensions), np.float32),
            tokens=Ragged.joined([file.tokens for file in files]),
            body=[file.body for file in files],
            names=[file.names for file in files],
            references=[file.references for file in files],
        )
    )


def segment_of(columns: Columns) -> MemorySegment:
    """Builds a segment, with everything that is derived from its columns."""
    paths = [PurePosixPath(facts.path) for facts in columns.files]
    of_files = {
        "stems": [set(terms(path.name.partition(".")[0] or path.name)) for path in paths],
        "parents": [set(terms(path.parent.name)) for path in paths],
        "file_names": [{path.name.lower()} for path in paths],
    }
    found = {name: [postings.occurrences(words)] for name, words in of_files.items()}
    found |= {
        "body": [*columns.body],
        "names": [*columns.names],
        "references": [*columns.references],
        "definitions": [postings.occurrences(_defined(columns.symbols, columns.parts))],
    }
    crumbs: dict[tuple[str, ...], int] = {}
    crumb_of = [crumbs.setdefault(crumb, len(crumbs)) for crumb in columns.breadcrumbs]
    words = [word for parts in found.values() for part in parts for word in part.vocabulary]
    lexicon, numbers = Lexicon.of((*words, *columns.symbols, *(name for crumb in crumbs for name in crumb)))
    fields: dict[str, Any] = {name: postings.build(parts, lexicon, numbers) for name, parts in found.items()}
    first_rows = np.zeros(len(columns.counts) + 1, np.int32)
    np.cumsum(columns.counts, out=first_rows[1:])
    file_of = np.repeat(np.arange(len(columns.counts), dtype=np.int32), columns.counts)
    return MemorySegment(
        model=columns.model,
        files=tuple(columns.files),
        first_rows=first_rows,
        file_of=file_of,
        start_lines=columns.start_lines,
        end_lines=columns.end_lines,
        kinds=columns.kinds,
        parts=columns.parts,
        roles=_roles(columns, file_of),
        digests=columns.digests,
        dense=Dense.of(columns.vectors, first_rows),
        tokens=columns.tokens,
        lexicon=lexicon,
        symbol_numbers=np.fromiter((numbers[symbol] for symbol in columns.symbols), np.int32, len(columns.symbols)),
        crumbs=Crumbs(
            np.array([numbers[name] for crumb in crumbs for name in crumb], np.int32),
            np.cumsum([0, *map(len, crumbs)], dtype=np.int32),
            np.array(crumb_of, np.int32),
        ),
        **fields,
    )


def _defined(symbols: Sequence[str], parts: NDArray[np.uint16]) -> list[set[str]]:
    return [
        {symbol.lower(), own_name(symbol).lower()} if symbol and part == 0 else set()
        for symbol, part in zip(symbols, parts.tolist(), strict=True)
    ]


def _roles(columns: Columns, file_of: Rows) -> NDArray[np.uint8]:
    of_files = np.array([int(roles_of(facts.path)) for facts in columns.files], np.uint8)
    roles = of_files[file_of]
    roles[columns.kinds == _TEST_KIND] |= np.uint8(Role.TEST)
    inside = [any(name in crumb for name in _TEST_MODULES) for crumb in columns.breadcrumbs]
    roles[np.array(inside, np.bool_)] |= np.uint8(Role.TEST)
    return roles
