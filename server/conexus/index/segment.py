"""An immutable, searchable set of chunks in memory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conexus.chunking.chunk import KINDS
from conexus.embedding.embedder import Vectors
from conexus.index import postings
from conexus.index.analysis import Digests, FileFacts, IndexedFile
from conexus.index.postings import Occurrences, Postings, Rows
from conexus.index.ragged import Ragged

Alive = NDArray[np.bool_]
_QUALIFIED = re.compile(r"\.|::")
_KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True, eq=False)
class MemorySegment:
    """Chunks of some files. The rows of one file are neighbours; arrays have one entry for each row.

    ``eq=False``: segments are compared and hashed by identity, so that what is derived from one can be kept beside it.
    """

    #: Fingerprint of the model that made ``vectors``.
    model: str
    files: tuple[FileFacts, ...]
    #: The rows of file ``f`` are ``first_rows[f]:first_rows[f + 1]``.
    first_rows: Rows
    file_of: Rows
    start_lines: Rows
    #: Exclusive.
    end_lines: Rows
    #: Index into ``chunk.KINDS``.
    kinds: NDArray[np.uint8]
    parts: NDArray[np.uint16]
    symbols: tuple[str, ...]
    breadcrumbs: tuple[tuple[str, ...], ...]
    digests: Digests
    #: Shape (rows, dimensions), float32, unit length.
    vectors: Vectors
    #: The shipped model's tokens of each chunk, each once, ascending; none where they are not known.
    tokens: Ragged
    #: Terms of the code and its documentation.
    body: Postings
    #: Terms of the symbol, the breadcrumb and the path.
    names: Postings
    #: Names that the chunk refers to, exactly as written.
    references: Postings
    #: Rows that define a name, by the name in lower case, qualified as written and alone; first parts only.
    definitions: Mapping[str, Rows]

    def __len__(self) -> int:
        return len(self.file_of)

    def rows_of(self, file: int) -> range:
        return range(int(self.first_rows[file]), int(self.first_rows[file + 1]))

    def kind(self, row: int) -> str:
        return KINDS[self.kinds[row]]


def name_parts(symbol: str) -> list[str]:
    """The parts of a qualified name: ``Ecto.Query`` -> Ecto, Query; ``Shape::area`` -> Shape, area."""
    return _QUALIFIED.split(symbol)


def own_name(symbol: str) -> str:
    """The last part of a qualified name; any other symbol as it is."""
    return name_parts(symbol)[-1] or symbol


def build_segment(files: Sequence[IndexedFile], model: str, dimensions: int) -> MemorySegment:
    """A segment of whole files."""
    chunks = [chunk for file in files for chunk in file.chunks]
    counts = [len(file.chunks) for file in files]
    vectors = [file.vectors for file in files if len(file.vectors)]
    return _segment(
        model=model,
        files=tuple(file.facts for file in files),
        counts=counts,
        start_lines=np.array([chunk.start_line for chunk in chunks], np.int32),
        end_lines=np.array([chunk.end_line for chunk in chunks], np.int32),
        kinds=np.array([_KIND_NUMBERS[chunk.kind] for chunk in chunks], np.uint8),
        parts=np.array([min(chunk.part, 65535) for chunk in chunks], np.uint16),
        symbols=tuple(chunk.symbol for chunk in chunks),
        breadcrumbs=tuple(chunk.breadcrumb for chunk in chunks),
        digests=np.concatenate([file.digests for file in files]) if files else np.empty(0, np.int64),
        vectors=np.concatenate(vectors) if vectors else np.empty((0, dimensions), np.float32),
        tokens=Ragged.joined([file.tokens for file in files]),
        body=postings.build([file.body for file in files]),
        names=postings.build([file.names for file in files]),
        references=postings.build([file.references for file in files]),
    )


def segment_of_rows(*, body: Occurrences, names: Occurrences, references: Occurrences, **columns: Any) -> MemorySegment:
    """A segment of columns that were stored; ``counts`` has the number of rows of each of ``files``."""
    return _segment(
        body=postings.build([body]),
        names=postings.build([names]),
        references=postings.build([references]),
        **columns,
    )


def merge_segments(parts: Sequence[tuple[MemorySegment, Sequence[int]]]) -> MemorySegment:
    """One segment of some files of several segments with the same model; files are named by their numbers."""
    files: list[FileFacts] = []
    counts: list[int] = []
    symbols: list[str] = []
    breadcrumbs: list[tuple[str, ...]] = []
    masks: list[tuple[MemorySegment, Alive]] = []
    for segment, numbers in parts:
        kept = np.zeros(len(segment.files), np.bool_)
        kept[numbers] = True
        alive = kept[segment.file_of]
        masks.append((segment, alive))
        for number in np.flatnonzero(kept).tolist():
            files.append(segment.files[number])
            counts.append(len(segment.rows_of(number)))
        rows = np.flatnonzero(alive).tolist()
        symbols.extend([segment.symbols[row] for row in rows])
        breadcrumbs.extend([segment.breadcrumbs[row] for row in rows])

    def joined(name: str) -> NDArray:  # type: ignore[type-arg]
        return np.concatenate([getattr(segment, name)[alive] for segment, alive in masks])

    return _segment(
        model=parts[0][0].model,
        files=tuple(files),
        counts=counts,
        start_lines=joined("start_lines"),
        end_lines=joined("end_lines"),
        kinds=joined("kinds"),
        parts=joined("parts"),
        symbols=tuple(symbols),
        breadcrumbs=tuple(breadcrumbs),
        digests=joined("digests"),
        vectors=joined("vectors"),
        tokens=Ragged.joined([segment.tokens.kept(alive) for segment, alive in masks]),
        body=postings.merge([(segment.body, alive) for segment, alive in masks]),
        names=postings.merge([(segment.names, alive) for segment, alive in masks]),
        references=postings.merge([(segment.references, alive) for segment, alive in masks]),
    )


def _segment(
    *, counts: Sequence[int], symbols: tuple[str, ...], parts: NDArray[np.uint16], **rest: Any
) -> MemorySegment:
    first_rows = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=first_rows[1:])
    by_name: dict[str, list[int]] = {}
    for row, (symbol, part) in enumerate(zip(symbols, parts.tolist(), strict=True)):
        if symbol and part == 0:
            for name in {symbol.lower(), own_name(symbol).lower()}:
                by_name.setdefault(name, []).append(row)
    return MemorySegment(
        first_rows=first_rows,
        file_of=np.repeat(np.arange(len(counts), dtype=np.int32), counts),
        symbols=symbols,
        parts=parts,
        definitions={name: np.array(rows, np.int32) for name, rows in by_name.items()},
        **rest,
    )
