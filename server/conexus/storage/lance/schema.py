"""Turns segments into rows of the tables, column by column, and such rows into segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.ragged import Ragged
from conexus.arrays.strings import Strings
from conexus.segments.analysis import FileFacts, has_current_tokens, model_of
from conexus.segments.build import segment_from_input
from conexus.segments.fields import (
    Declaration,
    LabelPerRow,
    NumberPerRow,
    RaggedPerRow,
    SegmentInput,
    VectorPerRow,
    WordPathPerRow,
    WordPerRow,
    WordPostings,
    declarations,
)
from conexus.segments.postings import MAX_COUNT, Occurrences, Postings
from conexus.segments.row_names import Containers
from conexus.segments.segment import MemorySegment
from conexus.text.positions import split_lines
from conexus.workspace.inside import Inside
from conexus.workspace.read import Skipped, read_text

#: The type of a stored token number, the same on every machine: 16 bits, the low byte first.
_TOKEN = np.dtype("<u2")
#: The first columns of the table of chunks, in their order. Columns of other fields follow, and ``generation`` is last.
_LEADING_COLUMNS = (
    "id", "path", "language", "kind", "symbol", "breadcrumb", "ordinal", "part", "start_line", "end_line", "text",
    "terms", "terms_counts", "names", "names_counts", "references", "references_counts", "digest", "vector", "tokens",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as the tables hold it."""

    facts: FileFacts
    #: Versions of everything that made the rows; see ``analysis.analysis_version``.
    version: str
    #: Number of its rows.
    chunks: int


@dataclass(frozen=True, slots=True)
class Files:
    """Some files of a segment."""

    segment: MemorySegment
    numbers: tuple[int, ...]

    @property
    def facts(self) -> list[FileFacts]:
        return [self.segment.files[number] for number in self.numbers]

    @property
    def counts(self) -> list[int]:
        """Number of rows of each file."""
        return [len(self.segment.file_rows(number)) for number in self.numbers]

    @property
    def rows(self) -> NDArray[np.int64]:
        """Row numbers of all these files, ascending, shape (rows,)."""
        spans = [self.segment.file_rows(number) for number in self.numbers]
        return np.concatenate([np.empty(0, np.int64), *(np.arange(span.start, span.stop) for span in spans)])


def files_schema() -> Any:
    """Returns the columns of the table of files, as a pyarrow schema."""
    import pyarrow as pa

    columns = [
        ("path", pa.string()),
        ("language", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("digest", pa.string()),
        ("chunks", pa.int32()),
        ("version", pa.string()),
        ("generation", pa.int64()),
    ]
    return pa.schema(columns)


def chunks_schema(dimensions: int) -> Any:
    """Returns the columns of the table of chunks, as a pyarrow schema; its vectors have ``dimensions`` components."""
    import pyarrow as pa

    types = {
        "id": pa.string(),
        "path": pa.string(),
        "language": pa.string(),
        "ordinal": pa.int32(),
        "text": pa.string(),
        "generation": pa.int64(),
    }
    for declaration in _stored_fields().values():
        types |= _column_types(declaration, dimensions)
    ordered = [*_LEADING_COLUMNS, *(name for name in types if name not in _LEADING_COLUMNS and name != "generation")]
    return pa.schema([(name, types[name]) for name in (*ordered, "generation")])


def file_rows(batch: Sequence[Files], version: str, generation: int) -> Any:
    """Returns the rows of files, as a pyarrow table."""
    import pyarrow as pa

    rows = [
        {
            "path": facts.path,
            "language": facts.language,
            "size": facts.size,
            "mtime_ns": facts.mtime_ns,
            "digest": facts.digest,
            "chunks": chunks,
            "version": version,
            "generation": generation,
        }
        for files in batch
        for facts, chunks in zip(files.facts, files.counts, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=files_schema())


def chunk_rows(files: Files, folder: str, generation: int) -> Any:
    """Returns the rows of the chunks of files, as a pyarrow table; ``folder`` is the absolute path of their folder."""
    import pyarrow as pa

    segment, rows = files.segment, files.rows
    dimensions = segment.vectors.shape[1]
    words = _word_array(pa, segment.lexicon.words)
    paths = pa.array([facts.path for facts in files.facts], pa.string())
    languages = pa.array([facts.language for facts in files.facts], pa.string())
    owners = pa.array(np.repeat(np.arange(len(files.facts)), files.counts))
    ordinals = rows - np.repeat(segment.first_rows[list(files.numbers)], files.counts)
    path_of = paths.take(owners)
    columns = {
        "id": [f"{path}#{ordinal}" for path, ordinal in zip(path_of.to_pylist(), ordinals.tolist(), strict=True)],
        "path": path_of,
        "language": languages.take(owners),
        "ordinal": ordinals.astype(np.int32),
        "text": [_storable(text) for text in _texts(files, folder)],
        "generation": np.full(len(rows), generation, np.int64),
    }
    for name, declaration in _stored_fields().items():
        columns |= _write_columns(declaration, getattr(segment, name), rows, words)
    schema = chunks_schema(dimensions)
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, schema.field(name).type)
        for name, column in ((name, columns[name]) for name in schema.names)
    ]
    return pa.table(arrays, schema=schema)


def segment_from_rows(table: Any, files: Sequence[StoredFile], dimensions: int) -> MemorySegment:
    """Makes a segment from rows: the inverse of ``chunk_rows``.

    The rows are in the order of ``files``, and the same version made all of them.
    """
    table = table.combine_chunks()
    version = files[0].version if files else ""
    sources = {name: _read_columns(declaration, table, dimensions) for name, declaration in _stored_fields().items()}
    if not (files and has_current_tokens(version)):
        sources["tokens"] = Ragged.empty(len(table))
    facts, row_counts = [each.facts for each in files], [each.chunks for each in files]
    return segment_from_input(SegmentInput(model_of(version), dimensions, facts, row_counts, sources))


# --- columns of the declared fields ---


def _stored_fields() -> dict[str, Declaration]:
    """Returns the fields of a segment that have columns, by name."""
    return {name: each for name, each in declarations(MemorySegment).items() if each.column}


def _column_types(field: Declaration, dimensions: int) -> dict[str, Any]:
    """Returns the columns of a field by name, as pyarrow types."""
    import pyarrow as pa

    match field.type:
        case WordPerRow() | LabelPerRow():
            return {field.column: pa.string()}
        case NumberPerRow(dtype):
            # No column has less than 32 bits or no sign.
            return {field.column: pa.from_numpy_dtype(np.promote_types(dtype, np.int32))}
        case WordPathPerRow():
            return {field.column: pa.list_(pa.string())}
        case WordPostings(over_files=False):
            return {field.column: pa.list_(pa.string()), f"{field.column}_counts": pa.list_(pa.float32())}
        case VectorPerRow():
            return {field.column: pa.list_(pa.float16(), dimensions)}
        case RaggedPerRow():
            return {field.column: pa.binary()}
        case _:
            raise TypeError(f"{field.column}: no column holds a {type(field.type).__name__}")


def _write_columns(field: Declaration, value: Any, rows: NDArray[np.int64], words: Any) -> dict[str, Any]:
    """Returns the columns of a field by name, for some rows of a segment.

    ``value``: the field's value in the segment. ``words``: the words of the segment's lexicon, as a pyarrow array.
    """
    import pyarrow as pa

    match field.type:
        case LabelPerRow(labels=labels):
            return {field.column: pa.array(labels, pa.string()).take(pa.array(value[rows].astype(np.int64)))}
        case NumberPerRow(dtype):
            return {field.column: value[rows].astype(np.promote_types(dtype, np.int32), copy=False)}
        case WordPerRow():
            return {field.column: words.take(pa.array(value.numbers[rows]))}
        case WordPathPerRow():
            return {field.column: [[_storable(word) for word in path] for path in _paths_of(value, rows)]}
        case WordPostings():
            return _write_postings(pa, field.column, value, rows, words)
        case VectorPerRow():
            vectors = value.vectors[rows]
            return {field.column: pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])}
        case _:
            return {field.column: _write_tokens(value.take(rows))}


def _read_columns(field: Declaration, table: Any, dimensions: int) -> Any:
    """Returns what a field is built from, out of a whole table: the inverse of ``_write_columns``."""
    column = table[field.column]
    match field.type:
        case LabelPerRow(dtype, labels):
            numbers = {label: number for number, label in enumerate(labels)}
            return np.array([numbers.get(label, 0) for label in column.to_pylist()], dtype)
        case NumberPerRow(dtype):
            return column.to_numpy().astype(dtype)
        case WordPerRow():
            return column.to_pylist()
        case WordPathPerRow():
            return [tuple(path) for path in column.to_pylist()]
        case WordPostings():
            return [_read_postings(table, field.column)]
        case VectorPerRow():
            vectors = _one_array(column).flatten().to_numpy(zero_copy_only=False)
            return np.ascontiguousarray(vectors.reshape(-1, dimensions), np.float16)
        case _:
            return _read_tokens(column.to_pylist())


def _write_tokens(tokens: Ragged) -> list[bytes]:
    flat = tokens.values.astype(_TOKEN).tobytes()
    return [flat[start:end] for start, end in pairwise((tokens.starts * _TOKEN.itemsize).tolist())]


def _read_tokens(stored: Sequence[bytes]) -> Ragged:
    """Makes rows of token numbers from stored bytes: the inverse of ``_write_tokens``."""
    lengths = np.fromiter(map(len, stored), np.int64, len(stored)) // _TOKEN.itemsize
    return Ragged.from_lengths(np.frombuffer(b"".join(stored), _TOKEN).astype(np.uint16), lengths)


def _write_postings(pa: Any, name: str, postings: Postings, rows: NDArray[np.int64], words: Any) -> dict[str, Any]:
    """Returns two list columns, the words and the counts of each row, made of flat arrays."""
    numbers, counts, starts = postings.words_in_rows(rows)
    offsets = pa.array(starts.astype(np.int32))
    return {
        name: pa.ListArray.from_arrays(offsets, words.take(pa.array(numbers))),
        f"{name}_counts": pa.ListArray.from_arrays(offsets, pa.array(counts.astype(np.float32))),
    }


def _word_array(pa: Any, words: Strings) -> Any:
    if _is_storable(words):
        buffers = [None, pa.py_buffer(words.starts.astype(np.int32)), pa.py_buffer(words.blob)]
        return pa.Array.from_buffers(pa.string(), len(words), buffers)
    return pa.array([_storable(word) for word in words], pa.string())


def _is_storable(words: Strings) -> bool:
    try:
        words.blob.tobytes().decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _paths_of(containers: Containers, rows: NDArray[np.int64]) -> list[tuple[str, ...]]:
    """Returns the containers of some rows. Decodes each path once."""
    paths = containers.paths[rows]
    first = dict(zip(paths.tolist(), rows.tolist(), strict=True))
    names = {path: containers[row] for path, row in first.items()}
    return [names[path] for path in paths.tolist()]


def _texts(files: Files, folder: str) -> Iterator[str]:
    """Yields the code of each chunk as it is on disk; an empty text where the file changed since it was indexed."""
    segment = files.segment
    with Inside(folder) as inside:
        for number, facts in zip(files.numbers, files.facts, strict=True):
            read = read_text(inside, facts.path, facts.size)
            same = not isinstance(read, Skipped) and read.digest == facts.digest
            lines = split_lines(read.text) if not isinstance(read, Skipped) and same else []
            for row in segment.file_rows(number):
                yield "".join(lines[int(segment.start_lines[row]) : int(segment.end_lines[row])])


def _read_postings(table: Any, name: str) -> Occurrences:
    """Makes occurrences from two list columns of a whole table: the inverse of ``_write_postings``."""
    column = _one_array(table[name])
    encoded = column.flatten().dictionary_encode()
    lengths = np.diff(column.offsets.to_numpy())
    counts = _one_array(table[f"{name}_counts"]).flatten().to_numpy(zero_copy_only=False)
    return Occurrences(
        tuple(encoded.dictionary.to_pylist()),
        encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32),
        np.repeat(np.arange(len(column), dtype=np.int32), lengths),
        np.minimum(counts, MAX_COUNT).astype(np.uint8),
        len(column),
    )


def _one_array(column: Any) -> Any:
    combined = column.combine_chunks()
    return combined.chunk(0) if hasattr(combined, "chunk") else combined


def _storable(text: str) -> str:
    # Arrow strings are UTF-8, which has no lone surrogates.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
