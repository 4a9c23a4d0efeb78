"""Write-behind: keeps one folder's stored index in step with what is searchable, in a thread of its own."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from conexus.index.folder import LiveSegment
from conexus.index.manifest import LoadedSegment
from conexus.index.owned import owned
from conexus.index.segment import MemorySegment
from conexus.index.store import KEEP_SECONDS, StoreError
from conexus.index.store_process import ShutDown, StoredRows
from conexus.index.stored_index import Save, StoredIndex

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


class StoreThreads:
    """One thread for each index directory, so that work on one index waits for no other. Owned by the indexer's thread.

    A directory keeps its thread: a folder that is closed and opened again is first closed.
    """

    def __init__(self) -> None:
        self._threads: dict[Path, ThreadPoolExecutor] = {}

    def of(self, directory: Path) -> ThreadPoolExecutor:
        """The thread of an index directory."""
        if directory not in self._threads:
            self._threads[directory] = ThreadPoolExecutor(1, f"conexus-store-{directory.name}")
        return self._threads[directory]

    def close(self) -> None:
        """Wait until all that was begun is done."""
        for thread in self._threads.values():
            thread.shutdown()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a piece of writing ended, told by the thread that did it."""

    #: When, on the monotonic clock.
    ended_at: float
    failed: bool = False
    #: Files whose rows were to be written and were not.
    unwritten: Collection[str] = ()
    #: Whether rows were written, and whether the tables were compacted.
    wrote: bool = False
    maintained: bool = False


@owned(shared={"problem"})
class Persistence:
    """Decides what is written when.

    One thread owns it: the indexer's, or the one that builds a chosen model's index. Its methods return at once; the
    work is done by ``executor``'s thread, which gets values and returns an ``_Outcome``.
    """

    def __init__(self, stored: StoredIndex, executor: ThreadPoolExecutor) -> None:
        self._stored = stored
        self._executor = executor
        #: Paths alone: what waits keeps no segment from being freed that something newer has replaced.
        self._waiting: dict[str, None] = {}
        self._work: Future[_Outcome | None] | None = None
        #: When writing may go on, on the monotonic clock, and how long it rested last.
        self._not_before, self._rest = 0.0, 0.0
        self._next_lock_try = 0.0
        self._next_list = 0.0
        self._next_look = 0.0
        self._held_since = 0.0
        #: Whether compacting left what can be dropped a while later.
        self._again = False
        self._written_at = self._maintained_at = -math.inf
        #: Names of segment files that were part of the index while this process wrote it.
        self._seen: frozenset[str] = frozenset()
        #: Told when a piece of writing is done, so that the next one can begin; from the executor's thread.
        self.on_done: Callable[[], None] = lambda: None

    @property
    def problem(self) -> str | None:
        """Why the stored index is not kept in step, in words for the user. Any thread may ask."""
        return self._stored.state.problem

    @property
    def busy(self) -> bool:
        """Whether something is being written."""
        self._collect()
        return self._work is not None

    @property
    def writes(self) -> bool:
        """Whether something is being written, or will be next."""
        return self.busy or (self._may_write and bool(self._waiting) and self.problem is None)

    @property
    def _may_write(self) -> bool:
        return self._stored.state.role == "writer"

    @property
    def _claimed(self) -> bool:
        """Whether it was tried to become the writer."""
        return self._stored.state.claimed

    def in_step(self, base: Sequence[LiveSegment]) -> bool:
        """Whether all is stored that the writer should store; ``base``: the segments as they are now."""
        if not self._may_write:
            return self._claimed
        return not (self._waiting or self.busy) and self._stored.lists(base) and self._stored.state.compared

    # --- opening ---

    def claim(self) -> None:
        """Take the lock if it is free."""
        self._executor.submit(self._stored.claim)

    def open(self) -> Future[list[LoadedSegment]]:
        """Take the lock if it is free, and load what is stored. Empty where nothing can be had."""
        return self._executor.submit(self._open)

    def _open(self) -> list[LoadedSegment]:
        try:
            return self._stored.load() if self._stored.claim() else []
        except ShutDown:
            return []
        except Exception:
            # Whatever it is that is stored there, the files of the workspace are the truth.
            log.exception("the stored index cannot be loaded; it is built anew")
            return []

    def take_over_if_due(self) -> None:
        """For a reader, now and then: become the writer if no one holds the lock."""
        if not self._may_write and self._claimed and time.monotonic() >= self._next_lock_try:
            self._next_lock_try = time.monotonic() + _LOCK_RETRY_SECONDS
            self._executor.submit(self._stored.take_over)

    # --- writing ---

    def put(self, paths: Iterable[str]) -> None:
        """The stored rows of these files shall be those that are searchable. Readers leave that to the writer."""
        if self._may_write or not self._claimed:
            self._waiting.update(dict.fromkeys(paths))

    def should_wait(self, now: float, asked_at: float) -> bool:
        """Whether what waits to be written is to wait on, for a user is asking: not for ever.

        Both on the monotonic clock, in seconds.
        """
        if not self._waiting:
            self._held_since = now
        return now - asked_at < _PAUSE_SECONDS and now - self._held_since < _LONGEST_HOLD_SECONDS

    def flush_if_due(self, base: Sequence[LiveSegment], locate: Locate, *, hold: bool, idle: bool) -> None:
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
                self._begin(self._begin_anew)
        self._name(base)
        if self.busy or now < self._not_before:
            return
        if now >= self._next_list and not self._stored.lists(base):
            self._next_list = now + LIST_SECONDS
            self._begin(self._write_list, self._saves(base), self._seen)
        elif not hold and (self._waiting or (idle and not self._stored.state.compared)):
            batch = locate(self._take_waiting(FLUSH_FILES))
            self._begin(self._write, batch, unwritten=batch)

    def add_segment(self, name: str) -> None:
        """A segment file became part of the index: it is removed when it is no longer listed."""
        self._seen |= {name}

    def _name(self, base: Sequence[LiveSegment]) -> None:
        """Give the segments that lie in no file a name for one: the thread that writes is told it.

        So the name of a segment that is merged away while it is written is known, and its file is removed.
        """
        for part in base:
            if part.name is None:
                part.name = self._stored.new_name()
        names = {part.name for part in base if part.name is not None}
        self._seen = (self._seen - self._stored.state.removed) | names

    def _saves(self, base: Sequence[LiveSegment]) -> tuple[Save, ...]:
        return tuple(_save(part, self._stored.version) for part in base)

    def _take_waiting(self, most: int | None = None) -> Sequence[str]:
        batch = list(islice(self._waiting, most))
        self._waiting = dict.fromkeys(islice(self._waiting, len(batch), None))
        return batch

    def _begin(self, work: Callable[..., _Outcome], *arguments: object, unwritten: Collection[str] = ()) -> None:
        self._work = self._executor.submit(self._guarded, work, arguments, unwritten)
        self._work.add_done_callback(lambda _: self.on_done())

    def _collect(self) -> None:
        """Take over how the last piece of writing ended, once it has."""
        if self._work is None or not self._work.done():
            return
        outcome, self._work = self._work.result(), None
        if outcome is None:
            return
        if outcome.unwritten:
            self._waiting = {**dict.fromkeys(outcome.unwritten), **self._waiting}
        if outcome.failed:
            self._rest = min(max(2 * self._rest, _FIRST_REST_SECONDS), _LONGEST_REST_SECONDS)
            self._not_before = outcome.ended_at + self._rest
            self._next_list = 0.0
        else:
            self._rest = 0.0
        if outcome.wrote:
            self._written_at = outcome.ended_at
            if not self._waiting:
                self._not_before = self._written_at + FLUSH_SECONDS
        if outcome.maintained:
            self._maintained_at = outcome.ended_at
            self._not_before = self._maintained_at + MAINTENANCE_SECONDS

    def maintain_if_due(self, *, quiet: bool) -> None:
        """Compact the tables if that pays; sooner when it is ``quiet``, that is, when nothing else is to be done."""
        now = time.monotonic()
        busy = self.busy
        at_rest = quiet and not self._waiting
        state = self._stored.state
        many = state.versions >= (_MANY_VERSIONS if at_rest else _MOST_VERSIONS)
        pays = self._written_at > self._maintained_at and (many or (at_rest and state.dead > _MOST_DEAD))
        again = quiet and self._again and now > self._maintained_at + KEEP_SECONDS
        if self._may_write and not busy and (pays or again) and now >= self._not_before:
            # Versions of the last moments are kept, and compacting makes one that has all the old files.
            self._again = pays
            self._begin(self._maintain)

    def clear(self) -> None:
        """Forget what is stored."""
        self._take_waiting()
        self._executor.submit(self._stored.clear)

    def close(self, base: Sequence[LiveSegment], locate: Locate) -> None:
        """Have what waits written and the lock given up, after what is being written.

        The process of the tables is not started for that, which takes seconds: the next start compares them.
        """
        self._name(base)
        try:
            self._executor.submit(self._close, self._saves(base), self._seen, locate(self._take_waiting()))
        except RuntimeError:  # the engine has ended, and its threads
            self._stored.release()

    # --- what the executor's thread does ---

    def _guarded(
        self, work: Callable[..., _Outcome], arguments: Sequence[object], unwritten: Collection[str] = ()
    ) -> _Outcome | None:
        """Do a piece of work. If it fails, that is said, and it is tried again a little later."""
        try:
            outcome = work(*arguments)
        except ShutDown:
            log.debug("the server ends before its tables were opened")
            return None
        except (StoreError, OSError) as error:
            reason = f"the index cannot be written: {error.strerror}" if isinstance(error, OSError) else str(error)
            problem = f"{reason}; searching goes on from memory"
            log.warning("%s", problem)
            self._stored.fail(problem)
        except Exception:
            log.exception("the index could not be stored")
        else:
            self._stored.succeed()
            return outcome
        return _Outcome(time.monotonic(), failed=True, unwritten=unwritten)

    def _write_list(self, saves: Sequence[Save], seen: frozenset[str]) -> _Outcome:
        self._stored.write_list(saves, seen)
        return _Outcome(time.monotonic())

    def _write(self, batch: Places) -> _Outcome:
        self._stored.compare()
        if batch:
            self._stored.write_rows(*_grouped(batch))
        return _Outcome(time.monotonic(), wrote=True)

    def _maintain(self) -> _Outcome:
        self._stored.maintain(KEEP_SECONDS)
        return _Outcome(time.monotonic(), maintained=True)

    def _begin_anew(self) -> _Outcome:
        self._stored.begin_anew()
        return _Outcome(time.monotonic())

    def _close(self, saves: Sequence[Save], seen: frozenset[str], batch: Places) -> None:
        if self._may_write:
            self._guarded(self._write_list, (saves, seen))
            if batch and self._stored.has_process:
                self._guarded(self._write, (batch,))
        self._stored.remove_unlisted(seen)
        self._stored.release()


def _save(part: LiveSegment, version: str) -> Save:
    files = part.segment.files
    whole = len(part.files) == len(files)
    hidden = () if whole else tuple(facts.path for number, facts in enumerate(files) if number not in part.files)
    return Save(part.segment, part.name or "", part.version or version, hidden, part.indexed)


def _grouped(batch: Places) -> tuple[tuple[StoredRows, ...], tuple[str, ...]]:
    """The files of a batch by their segments, and what is gone."""
    segments: dict[MemorySegment | Path, list[int]] = {}
    for place in batch.values():
        if place is not None:
            segment, number = place
            segments.setdefault(segment.path or segment, []).append(number)
    rows = tuple(StoredRows(segment, tuple(sorted(numbers))) for segment, numbers in segments.items())
    return rows, tuple(path for path, place in batch.items() if place is None)
