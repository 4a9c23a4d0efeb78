"""Searches the vector and full-text indices of a folder's tables for candidates."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Coroutine, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from conexus.embedding.unit_vectors import Vectors
from conexus.segments.snapshot import ChunkRefs
from conexus.storage.index_directory import table_name
from conexus.storage.lance.tables import StoreError, first_line

log = logging.getLogger(__name__)

#: LanceDB's name of the column of row addresses.
ADDRESS = "_rowid"
#: Addresses of rows, shape (rows,). A row keeps its address until the table is compacted; no other row gets it.
Address = NDArray[np.uint64]
_COLUMNS = ["path", "ordinal"]


class RowIdMap:
    """Maps the addresses of one table. It reads the table in the background and takes 16 bytes for each row.

    Owned by the thread of one event loop.
    """

    def __init__(self, table: Any) -> None:
        """``table``: an asynchronous table of LanceDB, with the columns ``path`` and ``ordinal``."""
        self._table = table
        self._known = _Known()
        self._reading: asyncio.Task[None] | None = None

    async def chunks(self, asked: Address) -> ChunkRefs:
        """Returns the chunks at these addresses. Raises LanceDB's errors if it must fetch rows and cannot."""
        found, unknown = self._known.split(asked)
        if len(unknown):
            # The table was not read yet, or was compacted since: rows at unknown addresses are fetched until it has
            # been read.
            rows = await self._table.take_row_ids(unknown.tolist()).select(_COLUMNS).to_arrow()
            for path, ordinal in zip(rows["path"].to_pylist(), rows["ordinal"].to_pylist(), strict=True):
                found.setdefault(path, []).append(ordinal)
            self.read()
        return found

    def read(self) -> asyncio.Task[None]:
        """Starts reading the addresses of all rows, unless that is under way. Returns the task, to be awaited."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        return self._reading

    async def _read(self) -> None:
        known = _Known()
        try:
            # In batches, so that requests are answered between two of them.
            async for batch in await self._table.query().with_row_id().select(_COLUMNS).to_batches():
                known.add(batch)
        except Exception as error:  # noqa: BLE001  after any error rows are fetched, and the next request tries again
            log.debug("the addresses of rows could not be read: %s", error)
        else:
            known.sort()
            self._known = known


class _Known:
    """The addresses that were read, and the chunk at each. Owned by the task that reads; immutable after ``sort``."""

    def __init__(self) -> None:
        #: Addresses of the rows, ascending once sorted; shape (rows,).
        self._addresses: Address = np.empty(0, np.uint64)
        #: Number of each row's file; number of its chunk in that file. Shape (rows,).
        self._files: NDArray[np.int32] = np.empty(0, np.int32)
        self._ordinals: NDArray[np.int32] = np.empty(0, np.int32)
        self._numbers: dict[str, int] = {}
        self._paths: list[str] = []
        self._added: list[tuple[Address, NDArray[np.int32], NDArray[np.int32]]] = []

    def add(self, batch: Any) -> None:
        """Adds rows: a record batch with ``_COLUMNS`` and addresses."""
        paths = batch.column("path").dictionary_encode()
        names = paths.dictionary.to_pylist()
        numbers = np.array([self._numbers.setdefault(name, len(self._numbers)) for name in names], np.int32)
        addresses, ordinals = (batch.column(name).to_numpy() for name in (ADDRESS, "ordinal"))
        self._added.append((addresses, numbers[paths.indices.to_numpy()], ordinals))

    def sort(self) -> None:
        """Sorts the rows by address. Must be called once, after all rows were added."""
        if self._added:
            addresses, files, ordinals = map(np.concatenate, zip(*self._added, strict=True))
            order = np.argsort(addresses, kind="stable")
            self._addresses, self._files, self._ordinals = addresses[order], files[order], ordinals[order]
        self._paths = list(self._numbers)
        self._added.clear()
        self._numbers.clear()

    def split(self, asked: Address) -> tuple[ChunkRefs, Address]:
        """Returns the chunks at the addresses that are known, and the other addresses."""
        if not len(self._addresses):
            return {}, asked
        places = self._addresses.searchsorted(asked)
        known = self._addresses.take(places, mode="clip") == asked
        kept = places[known]
        found: ChunkRefs = {}
        for file, ordinal in zip(self._files[kept].tolist(), self._ordinals[kept].tolist(), strict=True):
            found.setdefault(self._paths[file], []).append(ordinal)
        return found, asked[~known]


Result = TypeVar("Result")

#: Partitions of the vector index that a query searches: with fewer, one of the ten nearest rows is sometimes missing.
_PROBES = 24


class TableSearch:
    """Searches the table of chunks, which another process writes. Owned by the main thread of the candidates
    process.

    The searches of a request run at once, in an event loop that has a thread of its own. Through LanceDB's blocking
    interface, with a thread for each, the same three searches take twice as long.
    """

    def __init__(self, directory: Path) -> None:
        """Opens the table. Imports lancedb, which takes seconds. Raises StoreError if there is no readable table."""
        import lancedb

        started: Future[asyncio.AbstractEventLoop] = Future()
        self._ended = asyncio.Event()

        async def live() -> None:
            started.set_result(asyncio.get_running_loop())
            await self._ended.wait()

        threading.Thread(target=lambda: asyncio.run(live()), name="conexus-table-search", daemon=True).start()
        self._loop = started.result()

        async def opened() -> tuple[Any, RowIdMap]:
            database = await lancedb.connect_async(str(directory))
            table = await database.open_table(table_name("chunks"))
            return table, RowIdMap(table)

        try:
            self._table, self._addresses = self._wait(opened())
        except StoreError:
            self.close()
            raise

    def prepare(self) -> None:
        """Reads the addresses of all rows, without which the first requests are slow: a second for a million rows."""

        async def read() -> None:
            await self._addresses.read()

        self._wait(read())

    def find_candidates(
        self, vector: Vectors | None, words: Sequence[str], *, nearest: int, by_words: int, by_names: int
    ) -> ChunkRefs:
        """Returns the chunks nearest to ``vector``, and the chunks with ``words`` in their code or in their names.

        ``nearest``, ``by_words``, ``by_names``: how many chunks to find by vectors, by words of the code, by words of
        names. ``nearest`` must be more than is wanted, because that index holds vectors of a quarter of the size. Only
        rows that the indices cover are found. Raises StoreError if there are no indices.
        """
        return self._wait(self._find(vector, " ".join(words), nearest, by_words, by_names))

    def close(self) -> None:
        """Ends the thread, and what it is still reading."""
        self._loop.call_soon_threadsafe(self._ended.set)

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except Exception as error:  # lancedb raises RuntimeError, OSError, ValueError and its own
            raise StoreError(f"the index cannot be searched: {first_line(error)}") from error

    async def _find(self, vector: Vectors | None, words: str, nearest: int, by_words: int, by_names: int) -> ChunkRefs:
        from lancedb.query import MatchQuery

        await self._table.checkout_latest()
        searches: list[Awaitable[Address]] = []
        if vector is not None:
            near = self._table.query().nearest_to(vector).column("vector").distance_type("cosine").nprobes(_PROBES)
            searches.append(_addresses(near.limit(nearest)))
        if words:
            for column, count in (("terms", by_words), ("names", by_names)):
                # The other parameters of ``MatchQuery`` have defaults that its stub lacks.
                match = MatchQuery(words, column)  # type: ignore[call-arg]
                searches.append(_addresses(self._table.query().nearest_to_text(match).limit(count)))
        found = await asyncio.gather(*searches)
        return await self._addresses.chunks(np.unique(np.concatenate(found))) if found else {}


async def _addresses(query: Any) -> Address:
    """Returns the addresses of the rows that a query finds by an index."""
    rows = await query.fast_search().select([ADDRESS]).to_arrow()
    found: Address = rows[ADDRESS].to_numpy()
    return found
