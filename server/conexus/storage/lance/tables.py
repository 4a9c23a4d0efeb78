"""The stored tables of one folder: two LanceDB tables, written in batches after the segments in memory.

The files of the workspace are the truth and the tables are a cache of them. So a crash may lose the latest batch, but
never leaves half a file: a file's rows are valid only if the `files` table names their generation.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from conexus.segments.analysis import FileFacts
from conexus.segments.segment import MemorySegment
from conexus.storage.index_directory import Table, remove_tables_of_other_layouts, table_name, table_path
from conexus.storage.lance.predicates import any_of
from conexus.storage.lance.schema import (
    Files,
    StoredFile,
    chunk_rows,
    chunks_schema,
    file_rows,
    files_schema,
    segment_from_rows,
)

#: Most paths in one predicate: LanceDB plans a predicate with thousands of names slowly, and every name is a literal in
#: it.
_NAMES_AT_ONCE = 400
_MOST_INDEX_SEGMENTS = 8
#: Longest word that the full-text indices take, see terms.py.
_LONGEST_WORD = 128
#: Rows that are loaded at once. More loaded rows than this are made into a segment.
_ROWS_AT_ONCE = 16_384
#: Rows that are written at once. Each takes some 3 KB of memory until it is written.
_ROWS_PER_WRITE = 8192
#: Seconds for which old versions are kept. A reader uses the newest version and is done within moments, except for a
#: start that has nothing but tables.
KEEP_SECONDS = 15.0

#: Pattern that finds an error number of the operating system in LanceDB's messages.
_OS_ERROR = re.compile(r"\(os error (\d+)\)")

log = logging.getLogger(__name__)


class StoreError(RuntimeError):
    """The tables could not be read or written. The message says what failed and is for the user."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The changes that are written in one batch."""

    #: Absolute path of the folder that contains the files, whose texts are stored too.
    folder: str
    #: Files to write, each entry with ascending numbers.
    files: tuple[Files, ...]
    #: Paths of files that are gone.
    gone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some rows of a file, as a pyarrow table; None for a file without rows."""

    path: str
    rows: Any

    def __len__(self) -> int:
        return 0 if self.rows is None else len(self.rows)


class LanceTables:
    """The tables of one folder. Owned by the main thread of the store process. Only the writer's process may write."""

    def __init__(self, directory: Path, dimensions: int) -> None:
        """Opens or creates the tables. Imports lancedb, which takes seconds. Raises StoreError if that fails."""
        import lancedb
        import pyarrow as pa

        self._pa = pa
        self._directory = directory
        self._dimensions = dimensions
        try:
            self._database = lancedb.connect(str(directory))
            self._files = self._open("files", files_schema())
            self._chunks = self._open("chunks", chunks_schema(self._dimensions))
            self._generation = self._newest_generation()
        except Exception as error:  # lancedb raises RuntimeError, OSError, ValueError and its own
            raise StoreError(f"the index cannot be opened: {first_line(error)}") from error
        self._paths: set[str] | None = None

    def _open(self, table_of: Table, schema: Any) -> Any:
        name = table_name(table_of)
        try:
            table = self._database.open_table(name)
        except ValueError:  # no such table
            return self._database.create_table(name, schema=schema)
        if table.schema.names == schema.names and table.schema.types == schema.types:
            return table
        # The vectors have another length (a new model): such rows cannot share a table with new rows.
        return self._database.create_table(name, schema=schema, mode="overwrite")

    def _newest_generation(self) -> int:
        newest = [0]
        for table in (self._files, self._chunks):
            column = table.search().select(["generation"]).to_arrow()["generation"]
            newest.append(self._pa.compute.max(column).as_py() or 0)
        return max(newest)

    # --- reading ---

    def files(self) -> dict[str, StoredFile]:
        """Returns what the tables hold by path: the newest generation of each file. Raises StoreError if that fails."""
        return {path: stored for path, (stored, _) in self._stored().items()}

    def _stored(self) -> dict[str, tuple[StoredFile, int]]:
        newest: dict[str, tuple[StoredFile, int]] = {}
        try:
            rows = self._files.to_arrow().to_pylist()
        except Exception as error:
            raise StoreError(f"the index cannot be read: {first_line(error)}") from error
        for row in rows:
            if row["path"] not in newest or newest[row["path"]][1] < row["generation"]:
                facts = FileFacts(row["path"], row["language"], row["size"], row["mtime_ns"], row["digest"])
                newest[row["path"]] = (StoredFile(facts, row["version"], row["chunks"]), row["generation"])
        return newest

    def load(self) -> Iterator[tuple[MemorySegment, str]]:
        """Yields everything as segments of some tens of thousands of rows, each with the version that made its rows.

        Rows whose tokens are by another release's shipped model are loaded without tokens. Raises StoreError if a table
        is damaged.
        """
        stored = self._stored()
        try:
            waiting: dict[str, list[_Piece]] = {}
            for path, (each, _) in stored.items():
                if not each.chunks:
                    waiting.setdefault(each.version, []).append(_Piece(path, None))
            for batch in self._chunks.search().to_batches(_ROWS_AT_ONCE):
                table = self._pa.Table.from_batches([batch])
                for path, rows in self._rows_by_file(table, stored).items():
                    waiting.setdefault(stored[path][0].version, []).append(_Piece(path, table.take(rows)))
                for version, pieces in waiting.items():
                    if sum(len(piece) for piece in pieces) > _ROWS_AT_ONCE:
                        waiting[version], complete = [], pieces
                        yield self._segment(complete, stored), version
            for version, pieces in waiting.items():
                if pieces:
                    yield self._segment(pieces, stored), version
        except Exception as error:
            raise StoreError(f"the index cannot be read: {first_line(error)}") from error

    def _rows_by_file(self, table: Any, stored: Mapping[str, tuple[StoredFile, int]]) -> dict[str, Any]:
        """Returns the row numbers of each file's newest generation in a table."""
        found: dict[str, list[int]] = {}
        columns = (table[name].to_pylist() for name in ("path", "generation"))
        for row, (path, generation) in enumerate(zip(*columns, strict=True)):
            if path in stored and stored[path][1] == generation:
                found.setdefault(path, []).append(row)
        return {path: self._pa.array(rows, self._pa.int64()) for path, rows in found.items()}

    def _segment(self, pieces: Sequence[_Piece], stored: Mapping[str, tuple[StoredFile, int]]) -> MemorySegment:
        by_path: dict[str, list[Any]] = {}
        for piece in pieces:
            by_path.setdefault(piece.path, []).extend([] if piece.rows is None else [piece.rows])
        # A file's rows may be in two batches. A file with missing rows is left out, so that it is read again.
        whole = {path: parts for path, parts in by_path.items() if sum(map(len, parts)) == stored[path][0].chunks}
        files = [stored[path][0] for path in whole]
        tables = [self._pa.concat_tables(parts).sort_by("ordinal") for parts in whole.values() if parts]
        empty = self._pa.Table.from_pylist([], schema=chunks_schema(self._dimensions))
        return segment_from_rows(self._pa.concat_tables(tables or [empty]), files, self._dimensions)

    # --- writing ---

    def write(self, batch: Batch, version: str) -> None:
        """Replaces the rows of these files. Raises StoreError if that fails, and may then be called again.

        New rows are added first, then the `files` row that makes them valid, and then older generations are deleted: a
        crash at any point leaves each file wholly old or wholly new.
        """
        generation = self._generation + 1
        present = [facts.path for files in batch.files for facts in files.facts]
        try:
            # Only rows of known paths are deleted: searching for paths that were never stored takes time proportional
            # to the table.
            known = self._known_paths()
            former = [path for path in present if path in known]
            waiting: list[Any] = []
            for part in chain.from_iterable(map(_parts, batch.files)):
                waiting.append(chunk_rows(part, batch.folder, generation))
                if sum(map(len, waiting)) > _ROWS_PER_WRITE:
                    self._chunks.add(self._pa.concat_tables(waiting))
                    waiting.clear()
            if any(map(len, waiting)):
                self._chunks.add(self._pa.concat_tables(waiting))
            if present:
                self._files.add(file_rows(batch.files, version, generation))
            self._delete(self._files, batch.gone, None)
            self._delete(self._files, former, generation)
            self._delete(self._chunks, [*former, *batch.gone], generation)
            known.update(present)
        except Exception as error:
            raise StoreError(f"the index cannot be written: {first_line(error)}") from error
        self._generation = generation

    def _known_paths(self) -> set[str]:
        """Returns the files that may have rows of an older generation. Cached, because only the writer adds rows."""
        if self._paths is None:
            self._paths = set(self.files())
        return self._paths

    def _delete(self, table: Any, paths: Sequence[str], before: int | None) -> None:
        older = "" if before is None else f" AND generation < {before}"
        for start in range(0, len(paths), _NAMES_AT_ONCE):
            table.delete(any_of("path", paths[start : start + _NAMES_AT_ONCE]) + older)

    # --- indices ---

    def make_indices(self) -> None:
        """Creates the vector and full-text indices, or updates them with the rows added since. Takes a while.

        Raises StoreError if that fails.
        """
        from lancedb.index import FTS, IvfRq

        words = FTS(
            base_tokenizer="whitespace",
            lower_case=False,
            stem=False,
            remove_stop_words=False,
            ascii_folding=False,
            with_position=False,
            max_token_length=_LONGEST_WORD,
        )
        configs = {"vector": IvfRq(distance_type="cosine", num_bits=4), "terms": words, "names": words}
        try:
            known = {column for each in self._chunks.list_indices() for column in each.columns}
            if not known.issuperset(configs):
                for column, config in configs.items():
                    self._chunks.create_index(column, config=config)
            else:
                self._chunks.optimize(cleanup_older_than=timedelta(seconds=KEEP_SECONDS))
                if self._segments_of_indices() > _MOST_INDEX_SEGMENTS:
                    # Every optimize adds a segment to the vector index, and LanceDB never merges these segments.
                    self._chunks.create_index("vector", config=configs["vector"])
        except Exception as error:
            raise StoreError(f"the index's indices cannot be made: {first_line(error)}") from error

    def _segments_of_indices(self) -> int:
        return max((each.num_segments or 0 for each in self._chunks.list_indices()), default=0)

    # --- maintenance ---

    def repair(self) -> None:
        """Deletes rows that a killed writer left behind, and tables of other layouts. Only the writer may call it."""
        remove_tables_of_other_layouts(self._directory)
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
            raise StoreError(f"the index cannot be written: {first_line(error)}") from error

    def versions(self) -> int:
        """Returns how many versions the table with more versions keeps on disk. Each write makes one or more."""
        tables = (table_path(self._directory, "files"), table_path(self._directory, "chunks"))
        versions = (table / "_versions" for table in tables)
        return max(sum(1 for _ in each.iterdir()) if each.is_dir() else 0 for each in versions)

    def dead_share(self) -> float:
        """Returns the share of the rows on disk that were deleted or replaced, 0..1. Compacting removes these rows.

        LanceDB rounds the mean number of rows in a fragment down: for very small fragments the result is too low.
        Raises StoreError if the table cannot be read.
        """
        try:
            stats = self._chunks.stats()
        except Exception as error:
            raise StoreError(f"the index cannot be read: {first_line(error)}") from error
        fragments = stats["fragment_stats"]
        rows = fragments["num_fragments"] * fragments["lengths"]["mean"]
        return max(0.0, 1 - stats["num_rows"] / rows) if rows else 0.0

    def compact(self, keep_seconds: float = KEEP_SECONDS) -> None:
        """Compacts fragments and drops versions older than ``keep_seconds``. Takes seconds on a large table.

        The old fragments leave the disk only if this is called again when the present version is that old.
        """
        try:
            for table in (self._files, self._chunks):
                table.optimize(cleanup_older_than=timedelta(seconds=keep_seconds))
        except Exception as error:  # a conflict with a reader's checkout is harmless: next time  # noqa: BLE001
            log.warning("index maintenance was put off: %s", first_line(error))


def _parts(files: Files) -> Iterator[Files]:
    """Yields files in parts of bounded size: at most ``_ROWS_PER_WRITE`` rows, or one file."""
    waiting: list[int] = []
    rows = 0
    for number, count in zip(files.numbers, files.counts, strict=True):
        if waiting and rows + count > _ROWS_PER_WRITE:
            yield Files(files.segment, tuple(waiting))
            waiting, rows = [], 0
        waiting.append(number)
        rows += count
    if rows:
        yield Files(files.segment, tuple(waiting))


def first_line(error: Exception) -> str:
    """Returns an error in words for the user: the system's message for a system error, else the error's first line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    by_system = _OS_ERROR.search(line)
    return os.strerror(int(by_system[1])) if by_system else line[:300]
