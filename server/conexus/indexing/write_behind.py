"""Decides when a folder's changes are written to its stored index, and has a store thread write them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from conexus.indexing.folder_index import LiveSegment
from conexus.owned import owned
from conexus.segments.segment import MemorySegment
from conexus.storage.folder_store import FolderStore, Save
from conexus.storage.lance.process import NeedsMemory, ShutDown
from conexus.storage.lance.requests import StoredRows
from conexus.storage.lance.tables import KEEP_SECONDS, StoreError
from conexus.storage.manifest import LoadedSegment
from conexus.timing import Backoff, Deadline

#: Seconds that writing pauses after a batch if no file waits, because each batch makes a new version of the tables.
FLUSH_SECONDS = 2.0
#: Most files in one batch for the tables: with twice as many, the store process takes a third more memory.
FLUSH_FILES = 250
#: Seconds between two manifests, and between two checks that the stored files and the lock still exist.
LIST_SECONDS = 5.0
#: Numbers of versions of the tables at which compacting pays: when nothing else is to be done, and at any time. Each
#: version adds files, and is longer than the version before.
_MANY_VERSIONS, _MOST_VERSIONS = 40, 80
#: Share of dead rows (0..1) above which compacting pays when nothing else is to be done.
_MOST_DEAD = 0.1
#: Seconds that writing and compacting pause after the tables were compacted.
MAINTENANCE_SECONDS = 10.0
#: Shortest and longest pause of writing after a failure, in seconds. Each failure doubles the pause.
_FIRST_REST_SECONDS, _LONGEST_REST_SECONDS = 1.0, 30.0
#: Failures in a row, because the store process needs too much memory, after which writing pauses for this long.
_MOST_HEAVY, _HEAVY_REST_SECONDS = 5, 600.0
_PAUSE_SECONDS, _LONGEST_HOLD_SECONDS = 2.0, 30.0
_LOCK_RETRY_SECONDS = 1.0

log = logging.getLogger(__name__)

#: Maps each path to (segment, file number), or to None if the file is gone. A file whose searchable rows are not to be
#: stored is left out.
Places = Mapping[str, tuple[MemorySegment, int] | None]
#: Returns the places of files. It is called when the files are about to be written.
Locate = Callable[[Iterable[str]], Places]


class StoreThreads:
    """One store thread for each index directory, so that no index waits for another. The indexer thread owns this.

    A directory keeps its thread, so that closing its index ends before the same index is opened again.
    """

    def __init__(self) -> None:
        self._threads: dict[Path, ThreadPoolExecutor] = {}

    def has(self, directory: Path) -> bool:
        """Returns whether an index directory has a store thread, because its index was opened before."""
        return directory in self._threads

    @property
    def directories(self) -> frozenset[Path]:
        """The index directories that were opened."""
        return frozenset(self._threads)

    def of(self, directory: Path) -> ThreadPoolExecutor:
        """Returns the store thread of an index directory. Starts a thread if there is none."""
        if directory not in self._threads:
            self._threads[directory] = ThreadPoolExecutor(1, f"conexus-store-{directory.name}")
        return self._threads[directory]

    def close(self) -> None:
        """Waits until all submitted work is done."""
        for thread in self._threads.values():
            thread.shutdown()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a piece of writing ended, as reported by the store thread."""

    failed: bool = False
    #: Whether it failed because the store process needed too much memory.
    heavy: bool = False
    #: Paths of the files whose rows could not be written.
    unwritten: Collection[str] = ()
    #: Whether a batch, perhaps an empty one, was written; whether the tables were compacted.
    wrote: bool = False
    maintained: bool = False
    #: Whether compacting once more, ``KEEP_SECONDS`` later, drops the versions of the tables that were kept now.
    again: bool = False


@owned(shared={"problem"})
class WriteBehind:
    """Decides what is written when.

    One thread owns it: the indexer thread, or the embed thread while that builds a chosen model's index. Its methods
    return at once. The store thread (``executor``) does the work: it gets values and returns an ``_Outcome``.
    """

    def __init__(self, stored: FolderStore, executor: ThreadPoolExecutor) -> None:
        self._stored = stored
        self._executor = executor
        #: Paths of the files that wait to be written. Only paths, so that a segment that was replaced can be freed.
        self._waiting: dict[str, None] = {}
        #: The piece of work that the store thread has to do or has done; None once its outcome is applied.
        self._work: Future[_Outcome | None] | None = None
        #: When writing may go on after a batch or after compacting, and when after a failure.
        self._pause, self._retry = Deadline(0.0), Backoff(_FIRST_REST_SECONDS, _LONGEST_REST_SECONDS)
        #: Most files in the next batch, and failures in a row because the store process needed too much memory.
        self._most_files, self._heavy = FLUSH_FILES, 0
        #: When the next manifest may be written.
        self._next_list = Deadline(0.0)
        #: When the stored files and the lock are checked next, and when a reader tries to take the lock.
        self._next_look, self._next_lock_try = Deadline(0.0), Deadline(0.0)
        #: When waiting files are written though requests come.
        self._held = Deadline(0.0)
        #: Paths of the batch of files that was handed to the tables last.
        self._batch: frozenset[str] = frozenset()
        #: Whether nothing waited beside the batch of files that was handed to the tables last.
        self._is_last_batch = True
        #: When the tables are to be compacted once more, to drop the versions that were kept the latest time.
        self._again = Deadline()
        #: Whether the tables were written since they were compacted.
        self._written = False
        #: Names of the segment files that this process used for the index and that are not removed yet.
        self._seen: frozenset[str] = frozenset()
        #: Called when a piece of work is done, so that the owner calls ``collect``. Runs in the store thread, or at
        #: once in the owner's thread if the work is done before this is registered.
        self.on_done: Callable[[], None] = lambda: None

    @property
    def deadlines(self) -> tuple[Deadline, ...]:
        """When one of these is due, ``flush_if_due``, ``maintain_if_due`` or ``take_over_if_due`` may have work."""
        writing = self._pause, self._retry.next_try, self._held, self._again
        return *writing, self._next_list, self._next_look, self._next_lock_try

    @property
    def problem(self) -> str | None:
        """Why the stored index cannot be kept up to date, in words for the user. Any thread may read it."""
        return self._stored.state.problem

    @property
    def busy(self) -> bool:
        """Whether the store thread has a piece of work whose outcome was not applied yet."""
        return self._work is not None

    @property
    def writes(self) -> bool:
        """Whether something is being written, or files wait that can be written next."""
        return self.busy or (self._may_write and bool(self._waiting) and self.problem is None)

    @property
    def _may_write(self) -> bool:
        return self._stored.state.role == "writer"

    @property
    def _claimed(self) -> bool:
        """Whether this process has tried to become the writer."""
        return self._stored.state.claimed

    def in_step(self, base: Sequence[LiveSegment]) -> bool:
        """Returns whether everything that the writer should store is stored. ``base``: the present base segments.

        For a reader: whether it has tried to become the writer.
        """
        if not self._may_write:
            return self._claimed
        return not (self._waiting or self.busy) and self._lists(base) and self._stored.state.compared

    def _lists(self, base: Sequence[LiveSegment]) -> bool:
        """Returns whether the manifest on disk names all segments of the base as they are now."""
        return self._stored.lists((part.name, part.indexed) for part in base)

    # --- opening ---

    def claim(self) -> None:
        """Has the store thread take the lock if it is free."""
        self._begin(self._claim)

    def open(self) -> Future[list[LoadedSegment]]:
        """Has the store thread take the lock if it is free, and load the stored segments; none if that fails."""
        return self._executor.submit(self._open)

    def _open(self) -> list[LoadedSegment]:
        try:
            return self._stored.load() if self._stored.claim() else []
        except ShutDown:
            return []
        except Exception:
            # The stored index may be damaged in any way. The workspace's files are the truth, so it is rebuilt from
            # them.
            log.exception("the stored index cannot be loaded; it is rebuilt")
            return []

    def take_over_if_due(self) -> None:
        """Has a reader become the writer if no process holds the lock. Tries once in ``_LOCK_RETRY_SECONDS``."""
        if not self._may_write and self._claimed and not self.busy and self._next_lock_try.is_due():
            self._next_lock_try.set_in(_LOCK_RETRY_SECONDS)
            self._begin(self._take_over)

    # --- writing ---

    def put_differing(self, paths: Iterable[str]) -> None:
        """Adds files whose rows in the tables differed when these were opened.

        The batch that is being written was located before, so its files are left out: they are not written twice.
        """
        being_written = self._batch if self.busy else ()
        self.put(path for path in paths if path not in being_written)

    def put(self, paths: Iterable[str]) -> None:
        """Queues files whose stored rows must be replaced by the searchable rows.

        A process that tried to become the writer but is a reader ignores them, because the writer stores them.
        """
        if self._may_write or not self._claimed:
            if not self._waiting:
                self._held.set_in(_LONGEST_HOLD_SECONDS)
            self._waiting.update(dict.fromkeys(paths))

    def should_wait(self, now: float, asked_at: float) -> bool:
        """Decides whether waiting files should wait longer, because a request was made within ``_PAUSE_SECONDS``.

        They wait for ``_LONGEST_HOLD_SECONDS`` at most. ``now`` and ``asked_at``, the time of the latest request, are
        seconds on the monotonic clock.
        """
        return now - asked_at < _PAUSE_SECONDS and not self._held.is_due()

    def flush_if_due(self, base: Sequence[LiveSegment], locate: Locate, *, hold: bool, idle: bool) -> None:
        """Starts writing what waits, unless something is being written or writing pauses.

        ``base``: the present segments of the base. ``locate`` is called before this returns, if at all. With ``hold``,
        only segment files and the manifest are written and the tables wait: the segment files hold everything that a
        killed process would lose. When ``idle``, the tables are opened and compared with the searchable index, once.
        """
        self.collect()
        if not self._may_write:
            if self._claimed:
                self._take_waiting()
            return
        if self._next_look.is_due() and not self.busy:
            self._next_look.set_in(LIST_SECONDS)
            if self._stored.is_lost():
                self._next_lock_try.set_in(0.0)
                self._begin(self._begin_anew)
        self._name(base)
        if not self._may_begin:
            return
        if self._next_list.is_due() and not self._lists(base):
            self._next_list.set_in(LIST_SECONDS)
            self._begin(self._write_list, self._saves(base), self._seen)
        elif not hold and (self._waiting or (idle and not self._stored.state.compared)):
            batch = locate(self._take_waiting(self._most_files))
            self._batch, self._is_last_batch = frozenset(batch), not self._waiting
            self._begin(self._write, batch, unwritten=batch)

    def add_segment(self, name: str) -> None:
        """Registers a segment file as part of the index, so that it is removed when the manifest no longer names it."""
        self._seen |= {name}

    def _name(self, base: Sequence[LiveSegment]) -> None:
        """Gives a file name to each segment that has none. The store thread gets the names.

        So the file of a segment that is merged away while it is being written has a known name, and is removed.
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

    @property
    def _may_begin(self) -> bool:
        """Whether a piece of writing may begin now."""
        return not self.busy and self._pause.is_due() and self._retry.may_try()

    def _begin(self, work: Callable[..., _Outcome | None], *arguments: object, unwritten: Collection[str] = ()) -> None:
        self._work = self._executor.submit(self._guarded, work, arguments, unwritten)
        self._work.add_done_callback(lambda _: self.on_done())

    def collect(self) -> None:
        """Applies the outcome of the latest piece of work, once that has ended."""
        if self._work is None or not self._work.done():
            return
        outcome, self._work = self._work.result(), None
        if outcome is None:
            return
        if outcome.unwritten:
            self._waiting = {**dict.fromkeys(outcome.unwritten), **self._waiting}
        if outcome.heavy:
            self._heavy += 1
            self._most_files = max(1, len(outcome.unwritten) // 2)
        elif not outcome.failed and outcome.wrote:
            self._heavy, self._most_files = 0, min(2 * self._most_files, FLUSH_FILES)
        if outcome.failed:
            self._retry.failed()
            if self._heavy >= _MOST_HEAVY:
                self._retry.next_try.set_in(_HEAVY_REST_SECONDS)
            self._next_list.set_in(0.0)
        else:
            self._retry.succeeded()
        if outcome.wrote:
            self._written = True
            if self._is_last_batch:
                self._pause.set_in(FLUSH_SECONDS)
        if outcome.maintained:
            self._written = False
            self._pause.set_in(MAINTENANCE_SECONDS)
            if outcome.again:
                self._again.set_in(KEEP_SECONDS)
            else:
                self._again.clear()

    def maintain_if_due(self, *, quiet: bool) -> None:
        """Starts compacting the tables if that pays; earlier when it is ``quiet``: nothing else is to be done."""
        at_rest = quiet and not self._waiting
        state = self._stored.state
        many = state.versions >= (_MANY_VERSIONS if at_rest else _MOST_VERSIONS)
        pays = self._written and (many or (at_rest and state.dead > _MOST_DEAD))
        if self._may_write and self._may_begin and (pays or (quiet and self._again.is_due())):
            # The versions of the last ``KEEP_SECONDS`` are kept, and with them all old files: compacting again drops
            # them.
            self._begin(self._maintain, pays)

    def clear(self) -> None:
        """Drops the waiting files, and has the store thread forget the stored index (``FolderStore.clear``)."""
        self._take_waiting()
        self._executor.submit(self._stored.clear)

    def close(self, base: Sequence[LiveSegment], locate: Locate, *, whole: bool) -> None:
        """Has the store thread write what waits and release the lock, after the writing that is under way.

        Closing does not start the store process, because its start takes seconds: the next start of the server
        compares the tables with the searchable index. Nothing is written if the base is not ``whole``, because
        the stored segments were not loaded yet.
        """
        self._name(base)
        try:
            saves = self._saves(base) if whole else None
            self._executor.submit(self._close, saves, self._seen, locate(self._take_waiting()))
        except RuntimeError:  # the engine and its store threads have ended
            self._stored.release()

    # --- what the store thread does ---

    def _guarded(
        self, work: Callable[..., _Outcome | None], arguments: Sequence[object], unwritten: Collection[str] = ()
    ) -> _Outcome | None:
        """Does a piece of work and returns its outcome; None if it wrote nothing or the server is shutting down.

        If the work fails, the error is logged and the outcome says so: the owner tries again after a pause.
        """
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
            return _Outcome(failed=True, heavy=isinstance(error, NeedsMemory), unwritten=unwritten)
        except Exception:
            log.exception("the index could not be stored")
        else:
            if outcome is not None:
                self._stored.succeed()
            return outcome
        return _Outcome(failed=True, unwritten=unwritten)

    def _claim(self) -> None:
        self._stored.claim()

    def _take_over(self) -> None:
        self._stored.take_over()

    def _write_list(self, saves: Sequence[Save], seen: frozenset[str]) -> _Outcome:
        self._stored.write_list(saves, seen)
        return _Outcome()

    def _write(self, batch: Places) -> _Outcome:
        self._stored.compare()
        if batch:
            self._stored.write_rows(*_grouped(batch))
        return _Outcome(wrote=True)

    def _maintain(self, again: bool) -> _Outcome:
        self._stored.compact_tables(KEEP_SECONDS)
        return _Outcome(maintained=True, again=again)

    def _begin_anew(self) -> _Outcome:
        self._stored.begin_anew()
        return _Outcome()

    def _close(self, saves: Sequence[Save] | None, seen: frozenset[str], batch: Places) -> None:
        try:
            if self._may_write and saves is not None:
                self._guarded(self._write_list, (saves, seen))
                if batch and self._stored.has_process:
                    self._guarded(self._write, (batch,))
            self._stored.remove_unlisted(seen)
        except Exception:
            log.exception("the index could not be closed")
        finally:
            self._stored.release()


def _save(part: LiveSegment, version: str) -> Save:
    files = part.segment.files
    whole = len(part.files) == len(files)
    hidden = () if whole else tuple(facts.path for number, facts in enumerate(files) if number not in part.files)
    return Save(part.segment, part.name or "", part.version or version, hidden, part.indexed)


def _grouped(batch: Places) -> tuple[tuple[StoredRows, ...], tuple[str, ...]]:
    """Returns the files of a batch grouped by segment, and the paths of the files that are gone."""
    segments: dict[MemorySegment | Path, list[int]] = {}
    for place in batch.values():
        if place is not None:
            segment, number = place
            segments.setdefault(segment.path or segment, []).append(number)
    rows = tuple(StoredRows(segment, tuple(sorted(numbers))) for segment, numbers in segments.items())
    return rows, tuple(path for path, place in batch.items() if place is None)
