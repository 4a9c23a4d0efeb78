"""Turns segments into rows of the tables, column by column, and such rows into segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.ragged import Ragged
from conexus.arrays.strings import Strings
from conexus.chunking.chunk import KINDS
from conexus.segments.analysis import FileFacts, has_present_tokens, model_of
from conexus.segments.build import Columns, segment_of
from conexus.segments.postings import MOST_COUNTED, Occurrences, Postings
from conexus.segments.segment import MemorySegment
from conexus.text.positions import split_lines
from conexus.workspace.read import Skipped, read_text

#: The type of a stored token number, the same on every machine: 16 bits, the low byte first.
_TOKEN = np.dtype("<u2")


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
        return [len(self.segment.rows_of(number)) for number in self.numbers]

    @property
    def rows(self) -> NDArray[np.int64]:
        """Row numbers of all these files, ascending, shape (rows,)."""
        spans = [self.segment.rows_of(number) for number in self.numbers]
        return np.concatenate([np.empty(0, np.int64), *(np.arange(span.start, span.stop) for span in spans)])


def files_schema() -> Any:
    """Returns the columns of the table of files, as a pyarrow schema."""
    import pyarrow as pa

    columns = [
        ("path", pa.string()),
        ("language", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
    ]
    columns += [
        ("digest", pa.string()),
        ("chunks", pa.int32()),
        ("version", pa.string()),
        ("generation", pa.int64()),
    ]
    return pa.schema(columns)


def chunks_schema(dimensions: int) -> Any:
    """Returns the columns of the table of chunks, as a pyarrow schema; its vectors have ``dimensions`` components."""
    import pyarrow as pa

    text = ["id", "path", "language", "kind", "symbol"]
    columns = [(name, pa.string()) for name in text]
    columns += [("breadcrumb", pa.list_(pa.string())), ("ordinal", pa.int32()), ("part", pa.int32())]
    columns += [("start_line", pa.int32()), ("end_line", pa.int32()), ("text", pa.string())]
    for name in ("terms", "names", "references"):
        columns += [(name, pa.list_(pa.string())), (f"{name}_counts", pa.list_(pa.float32()))]
    columns += [("digest", pa.int64()), ("vector", pa.list_(pa.float16(), dimensions))]
    columns += [("tokens", pa.binary())]
    return pa.schema([*columns, ("generation", pa.int64())])


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
    crumbs = _named_crumbs(segment, rows)
    columns = {
        "id": [f"{path}#{ordinal}" for path, ordinal in zip(path_of.to_pylist(), ordinals.tolist(), strict=True)],
        "path": path_of,
        "language": languages.take(owners),
        "kind": pa.array(KINDS, pa.string()).take(pa.array(segment.kinds[rows].astype(np.int64))),
        "symbol": words.take(pa.array(segment.symbol_numbers[rows])),
        "breadcrumb": [[_storable(name) for name in crumb] for crumb in crumbs],
        "ordinal": ordinals.astype(np.int32),
        "part": segment.parts[rows].astype(np.int32),
        "start_line": segment.start_lines[rows],
        "end_line": segment.end_lines[rows],
        "text": [_storable(text) for text in _texts(files, folder)],
        **_lists(pa, "terms", segment.body, rows, words),
        **_lists(pa, "names", segment.names, rows, words),
        **_lists(pa, "references", segment.references, rows, words),
        "digest": segment.digests[rows],
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(segment.vectors[rows].ravel()), dimensions),
        "tokens": _stored_tokens(segment.tokens.rows(rows)),
        "generation": np.full(len(rows), generation, np.int64),
    }
    schema = chunks_schema(dimensions)
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, schema.field(name).type)
        for name, column in ((name, columns[name]) for name in schema.names)
    ]
    return pa.table(arrays, schema=schema)


def segment_of_rows(table: Any, files: Sequence[StoredFile], dimensions: int) -> MemorySegment:
    """Makes a segment from rows: the inverse of ``chunk_rows``.

    The rows are in the order of ``files``, and the same version made all of them.
    """
    table = table.combine_chunks()
    version = files[0].version if files else ""
    vectors = _one_array(table["vector"]).flatten().to_numpy(zero_copy_only=False)
    kinds = {kind: number for number, kind in enumerate(KINDS)}
    with_tokens = bool(files) and has_present_tokens(version)
    return segment_of(
        Columns(
            model=model_of(version),
            files=[each.facts for each in files],
            counts=[each.chunks for each in files],
            start_lines=table["start_line"].to_numpy().astype(np.int32),
            end_lines=table["end_line"].to_numpy().astype(np.int32),
            kinds=np.array([kinds.get(kind, 0) for kind in table["kind"].to_pylist()], np.uint8),
            parts=table["part"].to_numpy().astype(np.uint16),
            symbols=table["symbol"].to_pylist(),
            breadcrumbs=[tuple(each) for each in table["breadcrumb"].to_pylist()],
            digests=table["digest"].to_numpy().astype(np.int64),
            vectors=np.ascontiguousarray(vectors.reshape(-1, dimensions), np.float16),
            tokens=_ragged(table["tokens"].to_pylist()) if with_tokens else Ragged.empty(len(table)),
            body=[_occurrences(table, "terms")],
            names=[_occurrences(table, "names")],
            references=[_occurrences(table, "references")],
        )
    )


def _stored_tokens(tokens: Ragged) -> list[bytes]:
    flat = tokens.values.astype(_TOKEN).tobytes()
    return [flat[start:end] for start, end in pairwise((tokens.starts * _TOKEN.itemsize).tolist())]


def _ragged(stored: Sequence[bytes]) -> Ragged:
    """Makes rows of token numbers from stored bytes: the inverse of ``_stored_tokens``."""
    lengths = np.fromiter(map(len, stored), np.int64, len(stored)) // _TOKEN.itemsize
    return Ragged.cut(np.frombuffer(b"".join(stored), _TOKEN).astype(np.uint16), lengths)


def _lists(pa: Any, name: str, postings: Postings, rows: NDArray[np.int64], words: Any) -> dict[str, Any]:
    """Returns two list columns, the words and the counts of each row, made of flat arrays."""
    numbers, counts, starts = postings.selected(rows)
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


def _named_crumbs(segment: MemorySegment, rows: NDArray[np.int64]) -> list[tuple[str, ...]]:
    numbers = segment.crumbs.of_rows[rows]
    first = dict(zip(numbers.tolist(), rows.tolist(), strict=True))
    names = {number: segment.breadcrumbs[row] for number, row in first.items()}
    return [names[number] for number in numbers.tolist()]


def _texts(files: Files, folder: str) -> Iterator[str]:
    """Yields the code of each chunk as it is on disk; an empty text where the file changed since it was indexed."""
    segment = files.segment
    for number, facts in zip(files.numbers, files.facts, strict=True):
        read = read_text(Path(folder, facts.path), facts.size)
        same = not isinstance(read, Skipped) and read.digest == facts.digest
        lines = split_lines(read.text) if not isinstance(read, Skipped) and same else []
        for row in segment.rows_of(number):
            yield "".join(lines[int(segment.start_lines[row]) : int(segment.end_lines[row])])


def _occurrences(table: Any, name: str) -> Occurrences:
    """Makes occurrences from two list columns of a whole table: the inverse of ``_lists``."""
    column = _one_array(table[name])
    encoded = column.flatten().dictionary_encode()
    lengths = np.diff(column.offsets.to_numpy())
    counts = _one_array(table[f"{name}_counts"]).flatten().to_numpy(zero_copy_only=False)
    return Occurrences(
        tuple(encoded.dictionary.to_pylist()),
        encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32),
        np.repeat(np.arange(len(column), dtype=np.int32), lengths),
        np.minimum(counts, MOST_COUNTED).astype(np.uint8),
        len(column),
    )


def _one_array(column: Any) -> Any:
    combined = column.combine_chunks()
    return combined.chunk(0) if hasattr(combined, "chunk") else combined


def _storable(text: str) -> str:
    # Arrow strings are UTF-8, which has no lone surrogates.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
