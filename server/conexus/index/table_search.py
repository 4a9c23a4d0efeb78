"""Searches the vector and full-text indices of a folder's tables for candidates."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Coroutine, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from conexus.embedding.embedder import Vectors
from conexus.index.row_ids import ADDRESS, Address, ChunkRefs, RowIdMap
from conexus.index.store import StoreError, chunks_table, first_line

Result = TypeVar("Result")

#: Partitions of the vector index that a query searches: with fewer, one of the ten nearest rows is sometimes missing.
_PROBES = 24


class TableSearch:
    """Searches the table of chunks, which another process writes.

    The searches of a request run at once, in an event loop of their own. Through LanceDB's blocking interface, with a
    thread for each, the same three searches take twice as long.
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
            table = await database.open_table(chunks_table())
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

    def candidates(self, vector: Vectors | None, words: Sequence[str], counts: tuple[int, int, int]) -> ChunkRefs:
        """Returns the chunks nearest to ``vector``, and the chunks with ``words`` in their code or in their names.

        ``counts``: how many nearest chunks, chunks by code and chunks by names to find; more nearest chunks than are
        wanted, because their index holds vectors of a quarter of the size. Only rows that the indices cover are found.
        Raises StoreError if there are no indices.
        """
        return self._wait(self._find(vector, " ".join(words), counts))

    def close(self) -> None:
        """Ends the thread, and what it is still reading."""
        self._loop.call_soon_threadsafe(self._ended.set)

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except Exception as error:  # lancedb raises RuntimeError, OSError, ValueError and its own
            raise StoreError(f"the index cannot be searched: {first_line(error)}") from error

    async def _find(self, vector: Vectors | None, words: str, counts: tuple[int, int, int]) -> ChunkRefs:
        from lancedb.query import MatchQuery

        nearest, by_words, by_names = counts
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
