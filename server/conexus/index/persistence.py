"""Write-behind: keeps one folder's stored index in step with what is searchable, in a thread of its own."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from conexus.index.folder import Part
from conexus.index.manifest import Listed, LoadedSegment
from conexus.index.segment import MemorySegment
from conexus.index.store import KEEP_SECONDS, StoreError
from conexus.index.store_process import Abandoned, StoredRows
from conexus.index.stored_index import StoredIndex

#: Seconds between two batches: each makes a new version of the tables.
FLUSH_SECONDS = 2.0
#: Files that are handed to the tables at once: with twice as many their process takes a third more memory.
FLUSH_FILES = 250
#: Seconds between two lists of segments.
LIST_SECONDS = 5.0
#: Versions of the tables that are worth compacting them when nothing else is to be done, and at any time: each takes
#: files, and is longer than the one before.
_MANY_VERSIONS, _MOST_VERSIONS = 40, 80
#: The share of dead rows that is worth it when nothing else is to be done.
_MOST_DEAD = 0.1
#: Seconds between two times that the tables are compacted, at least.
MAINTENANCE_SECONDS = 10.0
#: How long writing rests after it failed, in seconds: each time twice as long.
_FIRST_REST_SECONDS, _LONGEST_REST_SECONDS = 1.0, 30.0
_PAUSE_SECONDS, _LONGEST_HOLD_SECONDS = 2.0, 30.0
_LOCK_RETRY_SECONDS = 1.0

log = logging.getLogger(__name__)

#: Where files are: the segment and the number in it; None for a file that is gone. One that is not to be stored as it
#: is searchable now is left out.
Places = Mapping[str, tuple[MemorySegment, int] | None]
#: Gives the places of files, when they are about to be written.
Locate = Callable[[Iterable[str]], Places]


class Persistence:
    """Decides what is written when.

    Its methods belong to the indexer's thread and return at once, except ``close``; the work is done by ``executor``'s
    thread.
    """

    def __init__(self, stored: StoredIndex, executor: ThreadPoolExecutor) -> None:
        self._stored = stored
        self._executor = executor
        #: Paths alone: what waits keeps no segment from being freed that something newer has replaced.
        self._waiting: dict[str, None] = {}
        self._guard = threading.Lock()
        self._work: Future[None] | None = None
        #: When writing may go on, on the monotonic clock, and how long it rested last.
        self._not_before, self._rest = 0.0, 0.0
        self._next_lock_try = 0.0
        self._next_list = 0.0
        self._next_look = 0.0
        self._held_since = 0.0
        #: Whether it was tried to become the writer.
        self._claimed = False
        #: Whether compacting left what can be dropped a while later.
        self._again = False
        self._written_at = self._maintained_at = -math.inf
        #: Names of segment files that were part of the index while this process wrote it.
        self._seen: frozenset[str] = frozenset()
        #: Why the stored index is not kept in step, in words for the user.
        self.problem: str | None = None
        #: Told when a piece of writing is done, so that the next one can begin; from the executor's thread.
        self.on_done: Callable[[], None] = lambda: None

    @property
    def busy(self) -> bool:
        """Whether something is being written."""
        return self._work is not None and not self._work.done()

    @property
    def writes(self) -> bool:
        """Whether something is being written, or will be next."""
        return self.busy or (self._may_write and bool(self._waiting) and self.problem is None)

    @property
    def _may_write(self) -> bool:
        return self._stored.role == "writer"

    def in_step(self, base: Sequence[Part]) -> bool:
        """Whether all is stored that the writer should store; ``base``: the segments as they are now."""
        if not self._may_write:
            return self._claimed
        return not (self._waiting or self.busy) and self._stored.lists(base) and self._stored.compared

    # --- opening ---

    def claim(self) -> None:
        """Take the lock if it is free."""
        self._executor.submit(self._claim)

    def open(self) -> Future[list[LoadedSegment]]:
        """Take the lock if it is free, and load what is stored. Empty where nothing can be had."""
        return self._executor.submit(self._open)

    def _claim(self) -> bool:
        """Whether the index directory can be used."""
        try:
            self._stored.claim()
        except OSError as error:
            self._cannot_use(error)
            return False
        finally:
            self._claimed = True
        return True

    def _open(self) -> list[LoadedSegment]:
        try:
            return self._stored.load() if self._claim() else []
        except Abandoned:
            return []
        except Exception:
            # Whatever it is that is stored there, the files of the workspace are the truth.
            log.exception("the stored index cannot be loaded; it is built anew")
            return []

    def take_over_if_due(self) -> None:
        """For a reader, now and then: become the writer if no one holds the lock."""
        if not self._may_write and self._claimed and time.monotonic() >= self._next_lock_try:
            self._next_lock_try = time.monotonic() + _LOCK_RETRY_SECONDS
            self._executor.submit(self._take_over)

    def _take_over(self) -> None:
        if self._may_write:
            return
        try:
            if self._stored.claim():
                self.problem = None
        except OSError as error:
            self._cannot_use(error)

    def _cannot_use(self, error: OSError) -> None:
        self.problem = f"the index directory cannot be used: {error.strerror}"

    # --- writing ---

    def put(self, paths: Iterable[str]) -> None:
        """The stored rows of these files shall be those that are searchable. Readers leave that to the writer."""
        if self._may_write or not self._claimed:
            with self._guard:
                self._waiting.update(dict.fromkeys(paths))

    def should_wait(self, now: float, asked_at: float) -> bool:
        """Whether what waits to be written is to wait on, for a user is asking: not for ever.

        Both on the monotonic clock, in seconds.
        """
        if not self._waiting:
            self._held_since = now
        return now - asked_at < _PAUSE_SECONDS and now - self._held_since < _LONGEST_HOLD_SECONDS

    def flush_if_due(self, base: Sequence[Part], locate: Locate, *, hold: bool, idle: bool) -> None:
        """Start writing what waits, unless something is being written or was just written.

        ``base``: the segments as they are now; ``locate`` is called at once, if at all. With ``hold`` the tables wait
        and segment files alone are written, which have all that a killed process would lose. When ``idle``, the tables
        are opened and compared with what is searchable, once.
        """
        if not self._may_write:
            if self._claimed:
                self._take_waiting()
            return
        now = time.monotonic()
        if now >= self._next_look and not self.busy:
            self._next_look = now + LIST_SECONDS
            if self._stored.is_lost():
                self._next_lock_try = 0.0
                self._begin(self._stored.begin_anew)
        self._seen = (self._seen - self._stored.removed) | {part.name for part in base if part.name is not None}
        if self.busy or now < self._not_before:
            return
        if now >= self._next_list and not self._stored.lists(base):
            self._next_list = now + LIST_SECONDS
            self._begin(self._stored.write_list, *_described(base), self._seen)
        elif not hold and (self._waiting or (idle and not self._stored.compared)):
            self._begin(self._write, locate(self._take_waiting(FLUSH_FILES)))

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        self._work = self._executor.submit(self._guarded, work, *arguments)
        self._work.add_done_callback(lambda _: self.on_done())

    def _take_waiting(self, most: int | None = None) -> Sequence[str]:
        with self._guard:
            batch = list(islice(self._waiting, most))
            self._waiting = dict.fromkeys(islice(self._waiting, len(batch), None))
        return batch

    def _guarded(self, work: Callable[..., None], *arguments: object) -> None:
        """Do a piece of work. If it fails, that is said, and it is tried again a little later."""
        try:
            work(*arguments)
        except (StoreError, OSError) as error:
            reason = f"the index cannot be written: {error.strerror}" if isinstance(error, OSError) else str(error)
            self.problem = f"{reason}; searching goes on from memory"
            log.warning("%s", self.problem)
            self._rest_a_while()
            self._next_list = 0.0
            self._stored.compared = False
        except Abandoned:
            log.debug("the server ends before its tables were opened")
        except Exception:
            log.exception("the index could not be stored")
            self._rest_a_while()
        else:
            self.problem = None
            self._rest = 0.0

    def _rest_a_while(self) -> None:
        self._rest = min(max(2 * self._rest, _FIRST_REST_SECONDS), _LONGEST_REST_SECONDS)
        self._not_before = time.monotonic() + self._rest

    def _write(self, batch: Places) -> None:
        try:
            self._stored.compare()
            if batch:
                self._stored.write_rows(*_grouped(batch))
        except StoreError:
            with self._guard:
                self._waiting = {**dict.fromkeys(batch), **self._waiting}
            raise
        self._written_at = time.monotonic()
        if not self._waiting:
            self._not_before = self._written_at + FLUSH_SECONDS

    def maintain_if_due(self, *, quiet: bool) -> None:
        """Compact the tables if that pays; sooner when it is ``quiet``, that is, when nothing else is to be done."""
        now = time.monotonic()
        at_rest = quiet and not self._waiting
        many = self._stored.versions >= (_MANY_VERSIONS if at_rest else _MOST_VERSIONS)
        pays = self._written_at > self._maintained_at and (many or (at_rest and self._stored.dead > _MOST_DEAD))
        again = quiet and self._again and now > self._maintained_at + KEEP_SECONDS
        if self._may_write and not self.busy and (pays or again) and now >= self._not_before:
            # Versions of the last moments are kept, and compacting makes one that has all the old files.
            self._again = pays
            self._begin(self._maintain)

    def _maintain(self) -> None:
        self._stored.maintain(KEEP_SECONDS)
        self._maintained_at = time.monotonic()
        self._not_before = self._maintained_at + MAINTENANCE_SECONDS

    def clear(self) -> Future[None]:
        """Forget what is stored."""
        self._take_waiting()
        return self._executor.submit(self._stored.clear)

    def close(self, base: Sequence[Part], locate: Locate) -> None:
        """Write what waits and give up the lock.

        The process of the tables is not started for that, which takes seconds: the next start compares them.
        """
        self._executor.submit(self._close, *_described(base), locate(self._take_waiting())).result()

    def _close(self, parts: Sequence[Part], listed: Sequence[Listed], batch: Places) -> None:
        if self._may_write:
            self._guarded(self._stored.write_list, parts, listed, self._seen)
            if batch and self._stored.has_process:
                self._guarded(self._write, batch)
        self._stored.remove_unlisted(parts)
        self._stored.release()


def _described(base: Sequence[Part]) -> tuple[Sequence[Part], Sequence[Listed]]:
    """The segments, and which of their files count now; names are not known for all."""
    hidden = (
        tuple(facts.path for number, facts in enumerate(part.segment.files) if number not in part.files)
        if len(part.files) < len(part.segment.files)
        else ()
        for part in base
    )
    return tuple(base), [Listed(part.name or "", paths, part.indexed) for part, paths in zip(base, hidden, strict=True)]


def _grouped(batch: Places) -> tuple[tuple[StoredRows, ...], tuple[str, ...]]:
    """The files of a batch by their segments, and what is gone."""
    segments: dict[MemorySegment | Path, list[int]] = {}
    for place in batch.values():
        if place is not None:
            segment, number = place
            segments.setdefault(segment.path or segment, []).append(number)
    rows = tuple(StoredRows(segment, tuple(sorted(numbers))) for segment, numbers in segments.items())
    return rows, tuple(path for path, place in batch.items() if place is None)
