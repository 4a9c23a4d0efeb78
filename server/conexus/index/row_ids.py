"""Maps the addresses of a LanceDB table's rows to chunks.

Reading two columns of hundreds of scattered rows takes longer than finding the rows, so the map is kept in memory.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

#: LanceDB's name of the column of row addresses.
ADDRESS = "_rowid"
#: Addresses of rows, shape (rows,). A row keeps its address until the table is compacted; no other row gets it.
Address = NDArray[np.uint64]
_COLUMNS = ["path", "ordinal"]
#: Maps the path of a file to the numbers of chunks in it.
ChunkRefs = dict[str, list[int]]


class RowIdMap:
    """Maps the addresses of one table. It reads the table in the background and takes 16 bytes for each row.

    It must be used in one event loop alone.
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
    """The addresses that were read, and the chunk at each."""

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
        """Add rows: a record batch with ``_COLUMNS`` and addresses."""
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
