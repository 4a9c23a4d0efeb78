"""Keeps the files that wait to be read in bulk, and has worker processes read them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path

from conexus.chunking import BEGINNING_MS, language_of
from conexus.indexing.worker_tasks import FATAL, Pool, Read, Task
from conexus.owned import owned
from conexus.processes.workers import INLINE_FILES, WorkerProcesses
from conexus.segments.snapshot import FileKey
from conexus.storage.manifest import remove_segment
from conexus.workspace.read import Skipped

log = logging.getLogger(__name__)

#: Seconds for which files are read in this thread before other work gets its turn.
INLINE_SECONDS = 0.05

#: Files of a worker's first batches, and of its largest ones. Batches are small at first, so that results are there
#: soon, and grow, so that there are few segments to be merged.
_FIRST_FILES, _MOST_FILES = 24, 144
#: While workers start: how many waiting files to consider for inline reading, and the query-compile time in ms that
#: their language must stay below, because nothing else runs while a language's queries are compiled.
_MOST_LOOKED_AT, _MOST_BEGINNING_MS = 1000, 40
#: Deaths of workers without a result in between after which no workers are used: the files are not the cause.
_MOST_DEATHS = 4


@dataclass(frozen=True, slots=True)
class _Batch:
    folder: str
    paths: tuple[str, ...]
    started: int
    #: The segment file that the worker writes.
    into: Path


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a batch. ``current`` has the paths of its files about which nothing newer is known."""

    folder: str
    read: Read
    current: frozenset[str]
    #: Whether a scan ended while the files were read: what it saw of them may be newer than what was read, or they may
    #: be gone.
    doubtful: bool = False


@owned(shared={"has_results", "idle", "pending"})
class Bulk:
    """Has files read in bulk. Not thread-safe: the indexer thread owns it.

    ``wake`` is called from other threads when a batch is done.
    """

    def __init__(self, processes: WorkerProcesses, wake: Callable[[], None]) -> None:
        #: The worker processes, for reading and for other work.
        self.pool = Pool(processes)
        self._wake = wake
        self._waiting: dict[FileKey, None] = {}
        self._flying: dict[Future[Read], _Batch] = {}
        # A counter of events that serves as a clock, and the time on it at which each file was handled otherwise.
        self._clock = 0
        self._superseded: dict[FileKey, int] = {}
        # Time of the latest scan of each folder, on that clock.
        self._scanned: dict[str, int] = {}
        # Files of batches whose worker died: each is tried alone, so that the others are not blamed.
        self._suspects: dict[FileKey, None] = {}
        # Whether the workers have started, that is, have returned a first result.
        self._answering = False
        # Deaths of workers since the latest result, and whether there ever was a result.
        self._deaths = 0
        self._answered = False
        # Files that may be read in this thread while workers start, the best last.
        self._quick: list[FileKey] = []
        # Batches handed over since the workers started.
        self._submitted = 0
        #: Number of files that are done since there was last nothing to do.
        self.done = 0

    @property
    def pending(self) -> int:
        """Number of files that wait or are being read."""
        flying = sum(len(batch.paths) for batch in list(self._flying.values()))
        return len(self._waiting) + len(self._suspects) + flying

    @property
    def idle(self) -> bool:
        """Whether no file waits or is being read."""
        return not self._waiting and not self._flying and not self._suspects

    @property
    def has_results(self) -> bool:
        """Whether a worker has ended a batch that ``results`` has not yielded yet."""
        return any(future.done() for future in list(self._flying))

    def add(self, keys: Iterable[FileKey]) -> None:
        """Adds waiting files, except files that are being read already and were not superseded since."""
        reading = {
            (batch.folder, path)
            for batch in self._flying.values()
            for path in batch.paths
            if self._is_current(batch, path)
        }
        self._waiting.update((key, None) for key in keys if key not in reading)

    def supersede(self, key: FileKey) -> None:
        """Records that a file, or every file in a directory, was handled otherwise just now.

        What a worker read of these files before is out of date.
        """
        self._waiting.pop(key, None)
        self._suspects.pop(key, None)
        if self._flying:
            self._clock += 1
            self._superseded[key] = self._clock
            folder, path = key
            below = f"{path}/" if path else ""
            for batch in self._flying.values():
                if batch.folder == folder:
                    inside = ((folder, each) for each in batch.paths if each.startswith(below))
                    self._superseded.update((each, self._clock) for each in inside)

    def scanned(self, folder: str) -> None:
        """Records that a scan of a folder just finished.

        Files still being read by workers were not compared; they are rechecked when their result arrives.
        """
        self._clock += 1
        self._scanned[folder] = self._clock

    def forget(self, folder: str) -> None:
        """Drops the waiting files and the batches of a folder, because nothing of it is wanted any more."""
        self._scanned.pop(folder, None)
        for waiting in (self._waiting, self._suspects):
            for key in [key for key in waiting if key[0] == folder]:
                del waiting[key]
        for future in [future for future, batch in self._flying.items() if batch.folder == folder]:
            _drop(future, self._flying.pop(future))

    def can_work(self, *, workers: bool) -> bool:
        """Decides whether ``work_off`` would do anything now."""
        pays = workers and self._workers_pay
        return self._next_here(pays=pays) is not None or (pays and self._can_submit)

    def work_off(
        self,
        task: Callable[[str, tuple[str, ...]], Task],
        read_here: Callable[[FileKey], None],
        stop: Callable[[], bool],
        *,
        workers: bool,
    ) -> None:
        """Has waiting files read: many by workers, a few by ``read_here``, and the first ones while workers start.

        ``task`` makes a task of a folder and paths. ``stop`` is asked before each file that is read in this thread.
        ``workers`` says whether workers may be used.
        """
        pays = workers and self._workers_pay
        while workers and self._workers_pay and self._can_submit:
            self._submit(task)
        until = time.monotonic() + INLINE_SECONDS
        while (key := self._next_here(pays=pays)) is not None and time.monotonic() < until and not stop():
            del self._waiting[key]
            read_here(key)
            self.done += 1

    def _next_here(self, *, pays: bool) -> FileKey | None:
        """Returns the file to be read in this thread now; None if there is none.

        There is none, too, if workers pay (``pays``) and are to read all files that wait.
        """
        if not pays:
            return next(iter(self._waiting), None)
        if self._answering:
            return None
        while self._quick and self._quick[-1] not in self._waiting:
            self._quick.pop()
        if not self._quick:
            costs = [(BEGINNING_MS.get(language_of(key[1]), 0), key) for key in islice(self._waiting, _MOST_LOOKED_AT)]
            quick = sorted((each for each in costs if each[0] < _MOST_BEGINNING_MS), key=itemgetter(0))
            self._quick = [key for _, key in reversed(quick)]
        return self._quick[-1] if self._quick else None

    @property
    def _workers_pay(self) -> bool:
        """Whether enough files wait to be worth the start of worker processes, or workers are in use anyway.

        False where workers died too often.
        """
        many = bool(self._flying or self._suspects) or len(self._waiting) > INLINE_FILES
        return many and self._deaths < _MOST_DEATHS

    @property
    def _can_submit(self) -> bool:
        """Whether a batch would find a worker soon: two for each worker keep it busy while results are taken over."""
        if self._suspects:
            return not self._flying
        return bool(self._waiting) and len(self._flying) < 2 * self.pool.workers

    def _submit(self, task: Callable[[str, tuple[str, ...]], Task]) -> None:
        """Hands the next batch to a worker."""
        paths: list[str] = []
        most = self._batch_files()
        if self._suspects:
            folder, path = next(iter(self._suspects))
            paths.append(path)
        else:
            folder = next(iter(self._waiting))[0]
            for root, path in self._waiting:
                if root == folder:
                    paths.append(path)
                if len(paths) == most:
                    break
        given = task(folder, tuple(paths))
        try:
            future = self.pool.read(given)
        except OSError as error:
            self._count_death(error)
            return
        for path in paths:
            self._waiting.pop((folder, path), None)
            self._suspects.pop((folder, path), None)
        self._submitted += 1
        self._clock += 1
        self._flying[future] = _Batch(folder, tuple(paths), self._clock, given.into)
        future.add_done_callback(lambda _: self._wake())

    def _batch_files(self) -> int:
        """Returns how many files the next batch may have.

        The last batches are smaller, so that all workers are done at about the same time.
        """
        rounds = self._submitted // (2 * self.pool.workers)
        share = len(self._waiting) // (2 * self.pool.workers)
        return max(_FIRST_FILES, min(_FIRST_FILES * (1 + rounds), _MOST_FILES, share))

    def results(self) -> Iterator[Done]:
        """Yields the results since the last call.

        If a worker died (killed, out of memory, a parser's fault), its files are tried one by one.
        """
        for future in [future for future in self._flying if future.done()]:
            batch = self._flying.pop(future)
            if future.cancelled() or future.exception() is not None:
                remove_segment(batch.into)
            if future.cancelled():  # together with the workers of another batch, which had failed
                self._waiting.update(((batch.folder, path), None) for path in batch.paths)
                continue
            error = future.exception()
            if error is None:
                self._answering = self._answered = True
                self._deaths = 0
                yield self._done(batch, future.result())
            else:
                yield from self._after_death(batch, error)
        if not self._flying:
            self._superseded.clear()

    def _after_death(self, batch: _Batch, error: BaseException) -> Iterator[Done]:
        """Has the files of a batch whose worker died tried alone, and leaves out a file that was alone.

        A file is left out only if workers have returned a result before.
        """
        if self._answered and len(batch.paths) == 1:
            log.warning("%s makes an indexing process fail", batch.paths[0])
            self._count_death(error)
            yield self._done(batch, Read(None, {batch.paths[0]: Skipped(FATAL)}))
            return
        self._suspects.update(((batch.folder, path), None) for path in batch.paths)
        self._count_death(error)

    def _count_death(self, error: BaseException) -> None:
        self.close()
        self._deaths += 1
        log.warning("an indexing process failed: %s", error)
        if self._deaths >= _MOST_DEATHS:
            log.error("worker processes cannot run here; files are read one by one")
            self._waiting.update(self._suspects)
            self._suspects.clear()

    def _done(self, batch: _Batch, read: Read) -> Done:
        self.done += len(batch.paths)
        current = frozenset(path for path in batch.paths if self._is_current(batch, path))
        return Done(batch.folder, read, current, doubtful=self._scanned.get(batch.folder, 0) > batch.started)

    def _is_current(self, batch: _Batch, path: str) -> bool:
        return self._superseded.get((batch.folder, path), 0) <= batch.started

    def interrupt(self) -> None:
        """Stops the workers; the files that they were reading wait again."""
        self.close()
        for future, batch in self._flying.items():
            self._waiting.update(((batch.folder, path), None) for path in batch.paths)
            _drop(future, batch)
        self._flying.clear()

    def set_workers(self, workers: int) -> None:
        """Stops the workers; the next ones are as many as ``workers`` says, see ``Settings.workers``."""
        self.interrupt()
        self.pool = Pool(WorkerProcesses(workers))
        self._deaths = 0

    def close(self) -> None:
        """Stops the workers."""
        self._answering = False
        self._submitted = 0
        self.pool.close()


def _drop(future: Future[Read], batch: _Batch) -> None:
    """Removes the segment file of a batch that nobody wants, as soon as its worker is done with it or has ended."""
    future.add_done_callback(lambda _: remove_segment(batch.into))
