"""Which chunk each row of a table is, by the row's address.

To read two columns of hundreds of scattered rows takes longer than to find them; here they are looked up in memory.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

#: What LanceDB calls the column of addresses.
ADDRESS = "_rowid"
#: A row keeps its address until the table is compacted, and no other row gets it.
Address = NDArray[np.uint64]
_COLUMNS = ["path", "ordinal"]
#: The numbers of chunks in their file, by its path.
ChunkRefs = dict[str, list[int]]


class RowIdMap:
    """Those of one table, read in the background: 16 bytes for each row. Of one event loop."""

    def __init__(self, table: Any) -> None:
        """``table``: LanceDB's asynchronous one, with the columns ``path`` and ``ordinal``."""
        self._table = table
        self._known = _Known()
        self._reading: asyncio.Task[None] | None = None

    async def chunks(self, asked: Address) -> ChunkRefs:
        """The chunks at these addresses. Raises what LanceDB does where it must be asked."""
        found, unknown = self._known.split(asked)
        if len(unknown):
            # The table is new to us, or was compacted: until it has been read, some of its rows are fetched.
            rows = await self._table.take_row_ids(unknown.tolist()).select(_COLUMNS).to_arrow()
            for path, ordinal in zip(rows["path"].to_pylist(), rows["ordinal"].to_pylist(), strict=True):
                found.setdefault(path, []).append(ordinal)
            self.read()
        return found

    def read(self) -> asyncio.Task[None]:
        """Read those of all rows, if nobody does. To be awaited by who wants to know them all."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        return self._reading

    async def _read(self) -> None:
        known = _Known()
        try:
            # In batches, between which questions are answered.
            async for batch in await self._table.query().with_row_id().select(_COLUMNS).to_batches():
                known.add(batch)
        except Exception as error:  # noqa: BLE001  whatever it is: rows are fetched, and the next question tries again
            log.debug("the addresses of rows could not be read: %s", error)
        else:
            known.sort()
            self._known = known


class _Known:
    """What was read of the rows."""

    def __init__(self) -> None:
        #: Ascending once sorted, shape (rows,).
        self._addresses: Address = np.empty(0, np.uint64)
        #: Of each row the number of its file, and its own there.
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
        """To be called once, when all rows are added."""
        if self._added:
            addresses, files, ordinals = map(np.concatenate, zip(*self._added, strict=True))
            order = np.argsort(addresses, kind="stable")
            self._addresses, self._files, self._ordinals = addresses[order], files[order], ordinals[order]
        self._paths = list(self._numbers)
        self._added.clear()
        self._numbers.clear()

    def split(self, asked: Address) -> tuple[ChunkRefs, Address]:
        """The chunks at those of the addresses that are known, and the other addresses."""
        if not len(self._addresses):
            return {}, asked
        places = self._addresses.searchsorted(asked)
        known = self._addresses.take(places, mode="clip") == asked
        kept = places[known]
        found: ChunkRefs = {}
        for file, ordinal in zip(self._files[kept].tolist(), self._ordinals[kept].tolist(), strict=True):
            found.setdefault(self._paths[file], []).append(ordinal)
        return found, asked[~known]
