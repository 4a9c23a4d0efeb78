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

from conexus import audit, limits
from conexus.chunking import BEGINNING_MS, language_of
from conexus.indexing.worker_tasks import FATAL, NO_WORKER, TOO_HEAVY, Pool, Read, Task
from conexus.limits import Limit
from conexus.owned import owned
from conexus.processes.memory import HOLES
from conexus.processes.workers import INLINE_FILES, WorkerProcesses
from conexus.segments.snapshot import FileKey
from conexus.storage.manifest import remove_segment
from conexus.timing import Backoff
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
#: Failed starts of workers after which workers cannot run here. A start fails if a worker without files dies.
_MOST_FAILED_STARTS = 4
#: Pause in seconds after a worker died: the first one and the longest. Each further death doubles the pause.
_FIRST_REST_SECONDS, _LONGEST_REST_SECONDS = 0.25, 30.0
#: Size in bytes up to which a file is read in this process even if it may have ended a worker, if no worker can run, or
#: while workers start; and above which a file is read by a worker if one can run.
_SMALL_BYTES, _LARGE_BYTES = 32 << 10, 256 << 10
#: Bytes of memory that a worker uses without any work, and the least that it gets for its work.
_REST_BYTES, _LEAST_BYTES = 32 << 20, 48 << 20
#: Largest number of quarantined files that are remembered.
_MOST_QUARANTINED = 10_000


@dataclass(frozen=True, slots=True)
class _Batch:
    folder: str
    paths: tuple[str, ...]
    started: int
    #: The segment file that the worker writes.
    into: Path
    #: Whether its only file is a suspect.
    suspect: bool


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

    ``wake`` is called from other threads when a batch is done. A file that a worker died of, or that needs too much
    memory, is never read in this process.
    """

    def __init__(self, processes: WorkerProcesses, wake: Callable[[], None], memory_mib: int) -> None:
        """``memory_mib``: the memory that all workers may use together, see ``Settings.worker_memory_mib``."""
        #: The worker processes, for reading and for other work.
        self.pool = Pool(processes)
        self.memory_mib = memory_mib
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
        #: When workers may be used again after a death.
        self.retry = Backoff(_FIRST_REST_SECONDS, _LONGEST_REST_SECONDS)
        # Whether workers have ever returned a result, and starts that failed since the latest result.
        self._answered = False
        self._failed_starts = 0
        # A task without files, which shows whether workers can run.
        self._trial: Future[Read] | None = None
        # Files that a worker died of or that needed too much memory; and files that wait until workers can run.
        self._quarantined: dict[FileKey, None] = {}
        self._stranded: dict[FileKey, None] = {}
        # The file that failed alone just now, and is tried once more by a new worker.
        self._failed_alone: FileKey | None = None
        # Results that no worker returned.
        self._ended: list[Done] = []
        # Files that may be read in this thread while workers start, the best last.
        self._quick: list[FileKey] = []
        # Files that wait for the workers, because they are too large to be read here meanwhile.
        self._large: set[FileKey] = set()
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
        return not self._waiting and not self._flying and not self._suspects and not self._ended

    @property
    def has_results(self) -> bool:
        """Whether a worker has ended a batch that ``results`` has not yielded yet."""
        return bool(self._ended) or any(future.done() for future in (*self._flying, *filter(None, (self._trial,))))

    @property
    def cannot_run(self) -> bool:
        """Whether worker processes cannot run here."""
        return self._failed_starts >= _MOST_FAILED_STARTS

    @property
    def stranded(self) -> int:
        """Number of files that are left out until workers can run."""
        return len(self._stranded)

    def is_quarantined(self, key: FileKey) -> bool:
        """Returns whether a file must not be read in this process, in whichever state it is now."""
        return key in self._quarantined

    def add(self, keys: Iterable[FileKey]) -> None:
        """Adds waiting files, except files that are being read already and were not superseded since.

        Quarantined files are tried again, each alone.
        """
        reading = {
            (batch.folder, path)
            for batch in self._flying.values()
            for path in batch.paths
            if self._is_current(batch, path)
        }
        for key in keys:
            if key in self._quarantined:
                self._suspects[key] = None
            elif key not in reading:
                self._waiting[key] = None

    def supersede(self, key: FileKey) -> None:
        """Records that a file, or every file in a directory, was handled otherwise just now.

        What a worker read of these files before is out of date.
        """
        self._waiting.pop(key, None)
        self._suspects.pop(key, None)
        self._stranded.pop(key, None)
        self._large.discard(key)
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
        for waiting in (self._waiting, self._suspects, self._stranded):
            for key in [key for key in waiting if key[0] == folder]:
                del waiting[key]
        self._large = {key for key in self._large if key[0] != folder}
        for future in [future for future, batch in self._flying.items() if batch.folder == folder]:
            _drop(future, self._flying.pop(future))

    def can_work(self, *, workers: bool) -> bool:
        """Decides whether ``work_off`` would do anything now."""
        pays = workers and self._workers_pay
        if not pays and self._suspects:
            return True
        if workers and self._needs_trial:
            return True
        return self._next_here(pays=pays) is not None or (pays and self._can_submit)

    def work_off(
        self,
        task: Callable[[str, tuple[str, ...], int], Task],
        read_here: Callable[[FileKey], None],
        size_of: Callable[[FileKey], int],
        stop: Callable[[], bool],
        *,
        workers: bool,
    ) -> None:
        """Has waiting files read: many by workers, a few by ``read_here``, and the first ones while workers start.

        ``task`` makes a task of a folder, paths and the memory in bytes. ``size_of`` returns the size of a file on
        disk. ``stop`` is asked before each file that is read in this thread. ``workers`` says whether workers may be
        used.
        """
        if workers and self._needs_trial:
            self._try_workers(task)
        pays = workers and self._workers_pay
        while workers and self._workers_pay and self._can_submit:
            self._submit(task)
        if not pays:
            # No worker can try them.
            suspects, self._suspects = self._suspects, {}
            for suspect in suspects:
                if suspect in self._quarantined:
                    self._end(suspect, FATAL)
                elif size_of(suspect) <= _SMALL_BYTES:
                    self._waiting[suspect] = None
                else:
                    self._end(suspect, NO_WORKER)
        until = time.monotonic() + INLINE_SECONDS
        while (key := self._next_here(pays=pays)) is not None and time.monotonic() < until and not stop():
            size = size_of(key)
            if workers and not self.cannot_run and size > (_SMALL_BYTES if pays else _LARGE_BYTES):
                self._large.add(key)
                continue
            del self._waiting[key]
            if self.cannot_run and size > _SMALL_BYTES:
                self._end(key, NO_WORKER)
                continue
            read_here(key)
            self.done += 1

    def _end(self, key: FileKey, reason: str) -> None:
        """Leaves a file out that no worker can read. It is tried again when workers can run."""
        folder, path = key
        self._stranded[key] = None
        self._ended.append(Done(folder, Read(None, {path: Skipped(reason)}), frozenset((path,))))

    @property
    def _needs_trial(self) -> bool:
        """Whether a task without files should show now whether workers can run."""
        unknown = (bool(self._suspects) and not self._answered) or (self.cannot_run and bool(self._stranded))
        return unknown and self._trial is None and self.retry.may_try() and not self._flying

    def _try_workers(self, task: Callable[[str, tuple[str, ...], int], Task]) -> None:
        folder = next(iter(self._suspects or self._stranded))[0]
        try:
            self._trial = self.pool.read(task(folder, (), self._memory(alone=True)))
        except OSError as error:
            self._start_failed(error)
        else:
            self._trial.add_done_callback(lambda _: self._wake())

    def _memory(self, *, alone: bool) -> int:
        """Returns the bytes that a worker may use for a task, beside what all workers use without any work."""
        free = (self.memory_mib << 20) - self.pool.workers * _REST_BYTES - HOLES
        return max(free if alone else free // self.pool.workers, _LEAST_BYTES)

    def _next_here(self, *, pays: bool) -> FileKey | None:
        """Returns the file to be read in this thread now; None if there is none.

        There is none, too, if workers pay (``pays``) and are to read all files that wait.
        """
        if not pays:
            return next((key for key in self._waiting if key not in self._large), None)
        if self._answering:
            return None
        while self._quick and (self._quick[-1] not in self._waiting or self._quick[-1] in self._large):
            self._quick.pop()
        if not self._quick:
            waiting = (key for key in self._waiting if key not in self._large)
            costs = [(BEGINNING_MS.get(language_of(key[1]), 0), key) for key in islice(waiting, _MOST_LOOKED_AT)]
            quick = sorted((each for each in costs if each[0] < _MOST_BEGINNING_MS), key=itemgetter(0))
            self._quick = [key for _, key in reversed(quick)]
        return self._quick[-1] if self._quick else None

    @property
    def _workers_pay(self) -> bool:
        """Whether enough files wait to be worth the start of worker processes, or workers are in use anyway.

        False where workers cannot run.
        """
        many = bool(self._flying or self._suspects or self._large) or len(self._waiting) > INLINE_FILES
        return many and not self.cannot_run

    @property
    def _can_submit(self) -> bool:
        """Whether a batch would find a worker soon: two for each worker keep it busy while results are taken over."""
        if not self.retry.may_try():
            return False
        if self._suspects:
            return not self._flying and self._answered
        return bool(self._waiting) and len(self._flying) < 2 * self.pool.workers

    def _submit(self, task: Callable[[str, tuple[str, ...], int], Task]) -> None:
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
        suspect = bool(self._suspects)
        given = task(folder, tuple(paths), self._memory(alone=suspect))
        try:
            future = self.pool.read(given)
        except OSError as error:
            self._start_failed(error)
            return
        for path in paths:
            self._waiting.pop((folder, path), None)
            self._suspects.pop((folder, path), None)
            self._large.discard((folder, path))
        self._submitted += 1
        self._clock += 1
        self._flying[future] = _Batch(folder, tuple(paths), self._clock, given.into, suspect)
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
        yield from self._ended
        self._ended.clear()
        if self._trial is not None and self._trial.done():
            trial, self._trial = self._trial, None
            if trial.cancelled():
                pass
            elif (fault := trial.exception()) is not None:
                self._start_failed(fault)
            else:
                self._succeeded()
        for future in [future for future in self._flying if future.done()]:
            batch = self._flying.pop(future)
            if future.cancelled() or future.exception() is not None:
                remove_segment(batch.into)
            if future.cancelled():  # together with the workers of another batch, which had failed
                self._put_back(batch)
                continue
            error = future.exception()
            if error is None:
                self._answering = True
                self._succeeded()
                yield from self._read(batch, future.result())
            else:
                yield from self._after_death(batch, error)
        if not self._flying:
            self._superseded.clear()

    def _succeeded(self) -> None:
        """Notes that workers can run."""
        self._answered, self._failed_starts = True, 0
        self.retry.succeeded()
        for stranded in self._stranded:
            (self._suspects if stranded in self._quarantined else self._waiting)[stranded] = None
        self._stranded.clear()

    def _read(self, batch: _Batch, read: Read) -> Iterator[Done]:
        """Yields what a worker read, and has the files that it did not read tried again."""
        for name, times in read.limits.items():
            limits.hit(Limit(name), times)
        alone = len(batch.paths) == 1
        again = [(batch.folder, path) for path in (*read.unread, *read.heavy) if self._is_current(batch, path)]
        if alone and read.heavy:
            if self._try_once_more(batch):
                self.close()
                return
            limits.hit(Limit.WORKER_MEMORY)
            yield self._quarantine(batch, TOO_HEAVY)
            return
        self._suspects.update((key, None) for key in again if key[1] in read.heavy)
        self._waiting.update((key, None) for key in again if key[1] not in read.heavy)
        if alone:
            self._quarantined.pop((batch.folder, batch.paths[0]), None)
        yield self._done(batch, read)

    def _after_death(self, batch: _Batch, error: BaseException) -> Iterator[Done]:
        """Has the files of a batch whose worker died tried alone, and quarantines a file that was alone.

        A single file is to blame only if workers have returned a result before.
        """
        self.close()
        self.retry.failed()
        log.warning("an indexing process failed: %s", error)
        if self._answered and len(batch.paths) == 1 and not self._try_once_more(batch):
            log.warning("%s makes an indexing process fail", batch.paths[0])
            yield self._quarantine(batch, FATAL)
        else:
            self._suspects.update(((batch.folder, path), None) for path in batch.paths)

    def _try_once_more(self, batch: _Batch) -> bool:
        """Has a file that failed alone tried next by a new worker, once. Returns whether it is tried.

        What a worker read before takes memory, and somebody may have ended the worker.
        """
        key = batch.folder, batch.paths[0]
        if self._failed_alone == key:
            self._failed_alone = None
            return False
        self._failed_alone = key
        self._suspects = {key: None, **self._suspects}
        return True

    def _quarantine(self, batch: _Batch, reason: str) -> Done:
        path = batch.paths[0]
        audit.record("fileQuarantined", folder=Path(batch.folder).name, path=path, reason=reason)
        if len(self._quarantined) == _MOST_QUARANTINED:
            del self._quarantined[next(iter(self._quarantined))]
        self._quarantined[batch.folder, path] = None
        return self._done(batch, Read(None, {path: Skipped(reason)}))

    def _start_failed(self, error: BaseException) -> None:
        self.close()
        self.retry.failed()
        self._failed_starts += 1
        log.warning("worker processes did not start: %s", error)
        if self._failed_starts == _MOST_FAILED_STARTS:
            log.error("worker processes cannot run here; small files are read without them")

    def _done(self, batch: _Batch, read: Read) -> Done:
        self.done += len(batch.paths) - len(read.unread) - len(read.heavy)
        unfinished = {*read.unread, *read.heavy}
        current = frozenset(path for path in batch.paths if path not in unfinished and self._is_current(batch, path))
        return Done(batch.folder, read, current, doubtful=self._scanned.get(batch.folder, 0) > batch.started)

    def _is_current(self, batch: _Batch, path: str) -> bool:
        return self._superseded.get((batch.folder, path), 0) <= batch.started

    def interrupt(self) -> None:
        """Stops the workers; the files that they were reading wait again."""
        self.close()
        for future, batch in self._flying.items():
            self._put_back(batch)
            _drop(future, batch)
        self._flying.clear()

    def _put_back(self, batch: _Batch) -> None:
        """Has the files of a batch that was stopped wait again."""
        waiting = self._suspects if batch.suspect else self._waiting
        waiting.update(((batch.folder, path), None) for path in batch.paths)

    def set_workers(self, workers: int) -> None:
        """Stops the workers; the next ones are as many as ``workers`` says, see ``Settings.workers``."""
        self.interrupt()
        self.pool = Pool(WorkerProcesses(workers))
        self._failed_starts = 0
        self.retry.succeeded()

    def close(self) -> None:
        """Stops the workers."""
        self._answering = False
        self._large.clear()
        self._submitted = 0
        self.pool.close()


def _drop(future: Future[Read], batch: _Batch) -> None:
    """Removes the segment file of a batch that nobody wants, as soon as its worker is done with it or has ended."""
    future.add_done_callback(lambda _: remove_segment(batch.into))
