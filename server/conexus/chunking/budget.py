"""Limits the processor time and the memory that chunking one file may take, in the thread and process that chunk."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from conexus.processes.memory import private_bytes

Item = TypeVar("Item")

# Seconds of this thread's processor time that parsing may take, and that all of chunking may take, in any case and for
# each byte. Real files need 0.2 s and 0.7 s per MB, hostile files need hours.
_PARSE_SECONDS, _PARSE_SECONDS_PER_BYTE = 0.5, 1.5e-6
_SECONDS, _SECONDS_PER_BYTE = 1.0, 4e-6

#: Bytes by which chunking one file may make this process grow. Real files of 1 MB need 80 MB at most. Other threads may
#: allocate meanwhile, so the limit is not sharp.
MOST_BYTES = 128 << 20

#: Number of calls of the parser between two looks at the memory, because a look takes some microseconds.
_CALLS = 32
#: Number of items of a loop between two checks.
_ITEMS = 1024


class OverBudget(Exception):
    """Chunking a file would take too much time or memory."""


class TooManyChunks(Exception):
    """A file has more chunks than it may have."""


class Budget:
    """The time and the memory that chunking one file may still take. It belongs to the thread that makes it."""

    def __init__(self, size: int) -> None:
        """``size``: of the file, in bytes."""
        now = time.thread_time()
        self._parsed = now + _PARSE_SECONDS + size * _PARSE_SECONDS_PER_BYTE
        self._end = now + _SECONDS + size * _SECONDS_PER_BYTE
        self._most = private_bytes() + MOST_BYTES
        self._calls = 0

    def stops_parser(self) -> bool:
        """Returns whether a parser that is at work must stop. Cheap, because a parser asks very often."""
        self._calls += 1
        if self._calls % _CALLS == 0 and private_bytes() > self._most:
            return True
        return time.thread_time() > self._parsed

    def check(self) -> None:
        """Raises OverBudget if the time or the memory is used up."""
        if time.thread_time() > self._end or private_bytes() > self._most:
            raise OverBudget

    def checked(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yields the items, and checks the budget between them. Raises OverBudget."""
        rest = iter(items)
        while part := list(islice(rest, _ITEMS)):
            self.check()
            yield from part
