"""The persisted index of one folder: two LanceDB tables, written in batches behind the memory segments.

The files of the workspace are the truth and the tables a cache of them, so a crash may lose the latest batch but never
leave half a file: a file's rows count only if the `files` table names their generation.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from conexus.chunking.chunk import KINDS
from conexus.index.analysis import FileFacts, IndexedFile, has_present_tokens, model_of
from conexus.index.postings import Occurrences
from conexus.index.ragged import Ragged
from conexus.index.segment import MemorySegment, segment_of_rows

#: Part of the table names: tables of another layout are never read, and the writer removes them.
SCHEMA_VERSION = 2
#: A token number as it is stored, on whatever machine.
_TOKEN = np.dtype("<u2")
#: LanceDB plans a predicate with thousands of names slowly, and every name is a literal in it.
_NAMES_AT_ONCE = 400
_KEEP_VERSIONS = timedelta(minutes=10)

log = logging.getLogger(__name__)


class StoreError(RuntimeError):
    """The tables could not be read or written; the message says what and is for the user."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    facts: FileFacts
    #: Versions of all that made the rows; see ``analysis.analysis_version``.
    version: str


def quote(value: str) -> str:
    """A string literal of LanceDB's SQL. The only way in which a predicate may hold a value."""
    return "'" + value.replace("'", "''") + "'"


def any_of(column: str, values: Iterable[str]) -> str:
    """The predicate that a column has one of these values."""
    return f"{column} IN ({', '.join(quote(value) for value in values)})"


class Store:
    """Not thread-safe: the indexer's thread owns it. Only the holder of the folder's lock may write."""

    def __init__(self, directory: Path, dimensions: int) -> None:
        """Open or create the tables. Imports lancedb, which takes seconds; raises StoreError."""
        import lancedb
        import pyarrow as pa

        self._pa = pa
        self._directory = directory
        self._dimensions = dimensions
        try:
            self._database = lancedb.connect(str(directory))
            self._files = self._open("files", self._files_schema())
            self._chunks = self._open("chunks", self._chunks_schema())
            self._generation = self._newest_generation()
        except Exception as error:  # lancedb raises RuntimeError, OSError, ValueError and its own
            raise StoreError(f"the index cannot be opened: {_first_line(error)}") from error
        self._writes = 0

    def _open(self, name: str, schema: Any) -> Any:
        name = _in_this_layout(name)
        try:
            table = self._database.open_table(name)
        except ValueError:  # no such table
            return self._database.create_table(name, schema=schema)
        if table.schema.names == schema.names and table.schema.types == schema.types:
            return table
        # Vectors of another length (a new model): such rows cannot share a table with the new ones.
        return self._database.create_table(name, schema=schema, mode="overwrite")

    def _files_schema(self) -> Any:
        pa = self._pa
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

    def _chunks_schema(self) -> Any:
        pa = self._pa
        text = ["id", "path", "language", "kind", "symbol"]
        columns = [(name, pa.string()) for name in text]
        columns += [("breadcrumb", pa.list_(pa.string())), ("ordinal", pa.int32()), ("part", pa.int32())]
        columns += [("start_line", pa.int32()), ("end_line", pa.int32()), ("text", pa.string())]
        for name in ("terms", "names", "references"):
            columns += [(name, pa.list_(pa.string())), (f"{name}_counts", pa.list_(pa.float32()))]
        columns += [("digest", pa.int64()), ("vector", pa.list_(pa.float16(), self._dimensions))]
        columns += [("tokens", pa.binary())]
        return pa.schema([*columns, ("generation", pa.int64())])

    def _newest_generation(self) -> int:
        newest = [0]
        for table in (self._files, self._chunks):
            column = table.search().select(["generation"]).to_arrow()["generation"]
            newest.append(self._pa.compute.max(column).as_py() or 0)
        return max(newest)

    # --- reading ---

    def files(self) -> dict[str, StoredFile]:
        """What the tables hold, by path: of each file the newest generation."""
        return {path: stored for path, (stored, _) in self._stored().items()}

    def _stored(self) -> dict[str, tuple[StoredFile, int]]:
        newest: dict[str, tuple[StoredFile, int]] = {}
        try:
            rows = self._files.to_arrow().to_pylist()
        except Exception as error:
            raise StoreError(f"the index cannot be read: {_first_line(error)}") from error
        for row in rows:
            if row["path"] not in newest or newest[row["path"]][1] < row["generation"]:
                facts = FileFacts(row["path"], row["language"], row["size"], row["mtime_ns"], row["digest"])
                newest[row["path"]] = (StoredFile(facts, row["version"]), row["generation"])
        return newest

    def load(self) -> tuple[list[MemorySegment], dict[str, StoredFile]]:
        """Everything, as a segment or two for each model that made rows. Raises StoreError if a table is damaged.

        Rows whose tokens are those of another release's shipped model come in a segment of their own, without them.
        """
        stored = self._stored()
        try:
            table = self._chunks.to_arrow()
            rows_of = self._rows_by_file(table, {path: generation for path, (_, generation) in stored.items()})
            segments = []
            made_by: dict[tuple[str, bool], list[FileFacts]] = {}
            for each, _ in stored.values():
                maker = (model_of(each.version), has_present_tokens(each.version))
                made_by.setdefault(maker, []).append(each.facts)
            for maker in sorted(made_by):
                segments.append(self._segment(table, made_by[maker], rows_of, *maker))
        except StoreError:
            raise
        except Exception as error:
            raise StoreError(f"the index cannot be read: {_first_line(error)}") from error
        return segments, {path: each for path, (each, _) in stored.items()}

    def _rows_by_file(self, table: Any, generations: Mapping[str, int]) -> dict[str, list[int]]:
        """Row numbers of each file's newest generation, in the order of its chunks."""
        found: dict[str, list[tuple[int, int]]] = {}
        columns = (table[name].to_pylist() for name in ("path", "generation", "ordinal"))
        for row, (path, generation, ordinal) in enumerate(zip(*columns, strict=True)):
            if generations.get(path) == generation:
                found.setdefault(path, []).append((ordinal, row))
        return {path: [row for _, row in sorted(pairs)] for path, pairs in found.items()}

    def _segment(
        self, table: Any, facts: Sequence[FileFacts], rows_of: Mapping[str, list[int]], model: str, with_tokens: bool
    ) -> MemorySegment:
        rows = [row for each in facts for row in rows_of.get(each.path, ())]
        table = table.take(self._pa.array(rows, self._pa.int64())).combine_chunks()
        vectors = _one_array(table["vector"]).flatten().to_numpy(zero_copy_only=False)
        kinds = {kind: number for number, kind in enumerate(KINDS)}
        return segment_of_rows(
            model=model,
            files=tuple(facts),
            counts=[len(rows_of.get(each.path, ())) for each in facts],
            start_lines=table["start_line"].to_numpy().astype(np.int32),
            end_lines=table["end_line"].to_numpy().astype(np.int32),
            kinds=np.array([kinds.get(kind, 0) for kind in table["kind"].to_pylist()], np.uint8),
            parts=table["part"].to_numpy().astype(np.uint16),
            symbols=tuple(table["symbol"].to_pylist()),
            breadcrumbs=tuple(tuple(each) for each in table["breadcrumb"].to_pylist()),
            digests=table["digest"].to_numpy().astype(np.int64),
            vectors=np.ascontiguousarray(vectors.reshape(-1, self._dimensions), np.float32),
            tokens=_ragged(table["tokens"].to_pylist()) if with_tokens else Ragged.empty(len(rows)),
            body=_occurrences(table, "terms"),
            names=_occurrences(table, "names"),
            references=_occurrences(table, "references"),
        )

    # --- writing ---

    def write(self, changes: Mapping[str, IndexedFile | None], version: str) -> None:
        """Replace the rows of these files; None deletes. Raises StoreError, and may then be called again.

        New rows are added before older generations are deleted, and the `files` row that makes them count is added
        between: a crash at any point leaves each file wholly old or wholly new.
        """
        if not changes:
            return
        generation = self._generation + 1
        files = [file for file in changes.values() if file is not None]
        gone = [path for path, file in changes.items() if file is None]
        try:
            chunks = self._chunk_rows(files, generation)
            if len(chunks):
                self._chunks.add(chunks)
            if files:
                self._files.add(self._file_rows(files, version, generation))
            self._delete(self._files, gone, None)
            self._delete(self._files, [file.facts.path for file in files], generation)
            self._delete(self._chunks, list(changes), generation)
        except Exception as error:
            raise StoreError(f"the index cannot be written: {_first_line(error)}") from error
        self._generation = generation
        self._writes += 1

    def _delete(self, table: Any, paths: Sequence[str], before: int | None) -> None:
        older = "" if before is None else f" AND generation < {before}"
        for start in range(0, len(paths), _NAMES_AT_ONCE):
            table.delete(any_of("path", paths[start : start + _NAMES_AT_ONCE]) + older)

    def _file_rows(self, files: Collection[IndexedFile], version: str, generation: int) -> Any:
        rows = [
            {
                "path": file.facts.path,
                "language": file.facts.language,
                "size": file.facts.size,
                "mtime_ns": file.facts.mtime_ns,
                "digest": file.facts.digest,
                "chunks": len(file.chunks),
                "version": version,
                "generation": generation,
            }
            for file in files
        ]
        return self._pa.Table.from_pylist(rows, schema=self._files.schema)

    def _chunk_rows(self, files: Collection[IndexedFile], generation: int) -> Any:
        pa = self._pa
        owners = [(file.facts, ordinal, chunk) for file in files for ordinal, chunk in enumerate(file.chunks)]
        vectors = [file.vectors for file in files if len(file.vectors)]
        flat = np.concatenate(vectors).astype(np.float16).ravel() if vectors else np.empty(0, np.float16)
        digests = [file.digests for file in files]
        columns = {
            "id": [f"{facts.path}#{ordinal}" for facts, ordinal, _ in owners],
            "path": [facts.path for facts, _, _ in owners],
            "language": [facts.language for facts, _, _ in owners],
            "kind": [chunk.kind for _, _, chunk in owners],
            "symbol": [_storable(chunk.symbol) for _, _, chunk in owners],
            "breadcrumb": [[_storable(name) for name in chunk.breadcrumb] for _, _, chunk in owners],
            "ordinal": [ordinal for _, ordinal, _ in owners],
            "part": [chunk.part for _, _, chunk in owners],
            "start_line": [chunk.start_line for _, _, chunk in owners],
            "end_line": [chunk.end_line for _, _, chunk in owners],
            "text": [_storable(chunk.code) for _, _, chunk in owners],
            **_lists(pa, "terms", [file.body for file in files]),
            **_lists(pa, "names", [file.names for file in files]),
            **_lists(pa, "references", [file.references for file in files]),
            "digest": np.concatenate(digests) if digests else np.empty(0, np.int64),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(flat), self._dimensions),
            "tokens": [row for file in files for row in _stored_tokens(file.tokens)],
            "generation": np.full(len(owners), generation, np.int64),
        }
        schema = self._chunks_schema()
        arrays = [
            column if isinstance(column, pa.Array) else pa.array(column, schema.field(name).type)
            for name, column in ((name, columns[name]) for name in schema.names)
        ]
        return pa.table(arrays, schema=schema)

    # --- upkeep ---

    def repair(self) -> int:
        """Delete rows that a killed writer left behind, and tables of other layouts. Only for the writer.

        Returns of how many states of files there were such rows.
        """
        _remove_other_layouts(self._directory)
        stored = self._stored()
        generations = self._chunks.search().select(["path", "generation"]).to_arrow()
        pairs = zip(generations["path"].to_pylist(), generations["generation"].to_pylist(), strict=True)
        stray = {(path, gen) for path, gen in pairs if path not in stored or stored[path][1] != gen}
        try:
            for path, generation in sorted(stray):
                self._chunks.delete(f"{any_of('path', [path])} AND generation = {generation}")
            if len(self._files) != len(stored):
                for path, (_, generation) in stored.items():
                    self._delete(self._files, [path], generation)
        except Exception as error:
            raise StoreError(f"the index cannot be written: {_first_line(error)}") from error
        return len(stray)

    def needs_maintenance(self) -> bool:
        """Whether enough was written that compacting would pay."""
        return self._writes >= 40

    def maintain(self) -> None:
        """Compact fragments and drop old versions. Takes seconds on a large table: only when idle."""
        try:
            for table in (self._files, self._chunks):
                table.optimize(cleanup_older_than=_KEEP_VERSIONS)
        except Exception as error:  # a conflict with a reader's checkout is harmless: next time  # noqa: BLE001
            log.warning("index maintenance was put off: %s", _first_line(error))
        self._writes = 0

    def size_bytes(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self._directory.rglob("*") if path.is_file())


def remove(directory: Path) -> None:
    """Delete a folder's persisted index, whatever state it is in."""
    for child in directory.glob("*.lance"):
        shutil.rmtree(child, ignore_errors=True)


def exist(directory: Path) -> bool:
    """Whether a directory has tables that can be read."""
    return (directory / f"{_in_this_layout('files')}.lance").is_dir()


def _in_this_layout(table: str) -> str:
    return f"{table}_{SCHEMA_VERSION}"


def _remove_other_layouts(directory: Path) -> None:
    kept = {f"{_in_this_layout(table)}.lance" for table in ("files", "chunks")}
    for child in directory.glob("*.lance"):
        if child.name not in kept:
            shutil.rmtree(child, ignore_errors=True)


def _stored_tokens(tokens: Ragged) -> list[bytes]:
    flat = tokens.values.astype(_TOKEN).tobytes()
    return [flat[start:end] for start, end in pairwise((tokens.starts * _TOKEN.itemsize).tolist())]


def _ragged(stored: Sequence[bytes]) -> Ragged:
    """The inverse of ``_stored_tokens``."""
    lengths = np.fromiter(map(len, stored), np.int64, len(stored)) // _TOKEN.itemsize
    return Ragged.cut(np.frombuffer(b"".join(stored), _TOKEN).astype(np.uint16), lengths)


def _lists(pa: Any, name: str, parts: Sequence[Occurrences]) -> dict[str, Any]:
    """Two list columns, terms and counts, made of flat arrays: no Python object for each occurrence."""
    terms = [
        pa.array([_storable(term) for term in part.vocabulary], pa.string()).take(pa.array(part.terms))
        for part in parts
    ]
    counts = [part.counts for part in parts]
    none = np.empty(0, np.int64)
    lengths = np.concatenate([none, *(np.bincount(part.rows, minlength=part.size) for part in parts)])
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    flat = pa.concat_arrays(terms) if terms else pa.array([], pa.string())
    numbers = np.concatenate(counts) if counts else np.empty(0, np.float32)
    return {
        name: pa.ListArray.from_arrays(pa.array(offsets), flat),
        f"{name}_counts": pa.ListArray.from_arrays(pa.array(offsets), pa.array(numbers, pa.float32())),
    }


def _occurrences(table: Any, name: str) -> Occurrences:
    """The inverse of ``_lists`` for a whole table."""
    column = _one_array(table[name])
    encoded = column.flatten().dictionary_encode()
    lengths = np.diff(column.offsets.to_numpy())
    counts = _one_array(table[f"{name}_counts"]).flatten().to_numpy(zero_copy_only=False)
    return Occurrences(
        tuple(encoded.dictionary.to_pylist()),
        encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32),
        np.repeat(np.arange(len(column), dtype=np.int32), lengths),
        counts.astype(np.float32),
        len(column),
    )


def _one_array(column: Any) -> Any:
    combined = column.combine_chunks()
    return combined.chunk(0) if hasattr(combined, "chunk") else combined


def _storable(text: str) -> str:
    # Arrow strings are UTF-8, which has no lone surrogates.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
