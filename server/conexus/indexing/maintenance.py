"""Keeps the index small and stored: merges, writes, has LanceDB's indices made, and gives back unused memory."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from conexus.config import Settings
from conexus.indexing.bulk_reader import Bulk
from conexus.indexing.commands import Post
from conexus.indexing.merging import Merging
from conexus.indexing.publish import Publisher
from conexus.indexing.request_gate import RequestGate
from conexus.indexing.search_mode import SearchMode, SearchModes
from conexus.indexing.workspace_folder import WorkspaceFolder
from conexus.indexing.write_behind import StoreThreads
from conexus.owned import owned
from conexus.processes.memory import trim
from conexus.segments.lexicon import word_hash
from conexus.segments.snapshot import CandidateSource
from conexus.segments.terms import word_terms
from conexus.storage.cleaning import clean
from conexus.storage.lance.process import LanceProcess
from conexus.timing import Deadline

log = logging.getLogger(__name__)

#: Merge the overlay after 20 s without file changes and 1 s without requests. It takes about 30 ms and speeds up later
#: queries.
_MAINTENANCE_IDLE_SECONDS = 20.0
_REST_SECONDS = 1.0
#: Seconds without file changes after which idle worker processes are stopped.
_WORKERS_IDLE_SECONDS = 2.0
#: Seconds without a request that merging waits for, so that requests have the processor; and its longest wait.
_PAUSE_SECONDS, _LONGEST_HOLD_SECONDS = 2.0, 30.0
#: Longest time in seconds that work on the indexer thread waits for requests in flight.
_LONGEST_YIELD_SECONDS = 0.5
#: Seconds from the end of merging and writing until unused memory is given back to the system.
_TRIM_SECONDS = 2.0
#: Seconds between two looks at what nothing announces, such as files of the index that another program changed. Then
#: the memory pages that requests read are released, too. An index within the memory budget releases them only if no
#: request came for that long.
_LOOK_SECONDS = 2.0


@owned(shared={"to_hand_over", "search_mode"})
class Maintenance:
    """Does the background work on all folders, which waits while there is something better to do.

    Owned by the indexer thread.
    """

    def __init__(
        self,
        bulk: Bulk,
        publisher: Publisher,
        requests: RequestGate,
        post: Post,
    ) -> None:
        #: The store process, which writes the tables of all folders, one call after the other; and its calling threads.
        self.tables, self.threads = LanceProcess(), StoreThreads()
        #: The thread for work that concerns the store process and no folder.
        self._thread = ThreadPoolExecutor(1, "conexus-tables")
        #: Time of the latest hint or reading of files, on the monotonic clock.
        self.active_at = time.monotonic()
        #: Whether someone waits until everything is stored.
        self.storing = False
        self._bulk, self._publisher, self._requests = bulk, publisher, requests
        #: Both take over the results of work that they have other threads and processes do.
        self.merging = Merging(lambda: bulk.pool, post, self._rearranged, lambda: self._yields)
        self.search_modes = SearchModes(self.tables, self.threads, post, self._find_candidates)
        #: Whether worker processes are to be replaced before the last merges.
        self._renewing = False
        #: Whether work on the indexer thread lets requests in flight go first, and until when at the latest.
        self._yields, self._yield_end = False, Deadline()
        #: When it will be quiet for long enough, if nothing happens until then.
        self._quiet = Deadline()
        #: When merges are made though requests come.
        self._merges_held = Deadline(_LONGEST_HOLD_SECONDS)
        #: When idle workers are stopped.
        self._workers_idle = Deadline()
        #: When nothing uses any more what was merged or written; not set if there is nothing.
        self._trim = Deadline()
        #: When to look at what nothing announces.
        self._look = Deadline(0.0)
        #: Whether indexes that nobody needs were removed, or are being removed; and whether that is to stop.
        self._cleaned, self._closing = False, threading.Event()

    @property
    def deadlines(self) -> tuple[Deadline, ...]:
        """When one of these is due, ``run_due`` may have work."""
        return self._yield_end, self._quiet, self._workers_idle, self._trim, self._look

    def search_mode(self, folder: str) -> SearchMode:
        """Returns the search mode of a folder, which says where its candidates are found."""
        return self.search_modes.mode(folder)

    @property
    def to_hand_over(self) -> tuple[object, ...]:
        """Other objects that belong to the thread that owns this one."""
        return self.merging, self.search_modes

    def note_activity(self) -> None:
        """Notes that files or documents change now: what can wait for a quiet moment waits."""
        self.active_at = time.monotonic()

    def all_read(self) -> None:
        """Begins the last merges; called when all files of a folder were read."""
        self._renewing = True
        # Workers end before the complete index is made ready for requests, because that takes memory for a moment.
        self._renew_workers()

    def forget(self, folder: str) -> None:
        """Drops the work on a folder, because nothing of it is wanted any more."""
        self.merging.forget(folder)
        self.search_modes.forget(folder)

    def close(self) -> None:
        """Stops the helpers after their present work."""
        self._closing.set()
        self.merging.close()
        self.threads.close()
        self._thread.shutdown()
        self.tables.close()
        self.search_modes.close()

    def run_due(self, folders: Collection[WorkspaceFolder], budget: int) -> None:
        """Begins what is due; called after every step. ``budget``: bytes that a query may have to read."""
        now, asked_at = time.monotonic(), self._requests.asked_at
        self._quiet.set_at(max(self.active_at + _MAINTENANCE_IDLE_SECONDS, asked_at + _REST_SECONDS))
        self._workers_idle.set_at(self.active_at + _WORKERS_IDLE_SECONDS)
        if now - asked_at > _PAUSE_SECONDS:
            self._merges_held.set_in(_LONGEST_HOLD_SECONDS)
        self._let_requests_go_first()
        self._renew_workers()
        walked = sum(each.index.bytes_per_query for each in folders)
        idle = now - max(self.active_at, asked_at) > _MAINTENANCE_IDLE_SECONDS
        for folder in folders:
            quiet = folder.settled and self._quiet.is_due()
            if quiet and not self._yields and folder.index.compact_overlay():
                self._rearranged(folder.root)
            self._merge(folder, quiet=quiet)
            self.search_modes.consider(folder, budget, walked, idle=idle)
            self._write(folder, now, quiet=quiet)
        if self._bulk.idle and self.merging.idle and self._workers_idle.is_due():
            if self._bulk.pool.running:
                self._bulk.close()
                trim()
                self._look.set_in(0.0)  # writing has waited for the end of the workers
            if self.tables.running:
                self._thread.submit(self.tables.close_if_idle)
        if self._trim.is_due() and self._quiet.is_due():
            self._trim.clear()
            self.drop_caches()
        if self._look.is_due():
            self._look.set_in(_LOOK_SECONDS)
            for folder in folders:
                if now - asked_at > _LOOK_SECONDS or self.search_mode(folder.root) == "indexed":
                    folder.index.release()

    def clean_if_due(self, folders: Collection[WorkspaceFolder], data_directory: Path, settings: Settings) -> None:
        """Has indexes removed that nobody needs, once, when the index of every folder is complete and all is quiet."""
        if self._cleaned or not folders or not all(folder.settled for folder in folders):
            return
        if self._bulk.idle and self.merging.idle and self._workers_idle.is_due():
            self._cleaned = True
            in_use = self.threads.directories
            self._thread.submit(self._clean, data_directory, settings.max_data_mib, settings.index_age_days, in_use)

    def _clean(self, data_directory: Path, most_mib: int, age_days: int, in_use: frozenset[Path]) -> None:
        try:
            cleaned = clean(
                data_directory,
                most_bytes=most_mib << 20,
                age_days=age_days,
                in_use=in_use,
                stop=self._closing.is_set,
            )
        except OSError as error:
            log.warning("old indexes cannot be removed: %s", error.strerror)
        except Exception:
            log.exception("old indexes could not be removed")
        else:
            if cleaned.removed:
                log.info("%d indexes that nobody needs were removed", len(cleaned.removed))

    def drop_caches(self) -> None:
        """Gives memory back that is not needed now."""
        # These caches help while many files are read; for one file they are filled again within milliseconds.
        word_terms.cache_clear()
        word_hash.cache_clear()
        trim()

    def _let_requests_go_first(self) -> None:
        """Decides whether work that can wait should wait now, because a request is in flight."""
        if not self._requests.is_answering:
            self._yield_end.clear()
        elif not self._yield_end.is_set:
            self._yield_end.set_in(_LONGEST_YIELD_SECONDS)
        self._yields = self._yield_end.is_set and not self._yield_end.is_due()

    def _renew_workers(self) -> None:
        if self._renewing and self.merging.idle:
            # What workers cache of the files that they read is of no use for merging, and takes as much memory.
            self._renewing = False
            self._bulk.close()

    def _rearranged(self, folder: str) -> None:
        self._publisher.mark_dirty(folder, content_changed=False)
        self._trim.set_in(_TRIM_SECONDS)

    def _merge(self, folder: WorkspaceFolder, *, quiet: bool) -> None:
        asked = time.monotonic() - self._requests.asked_at <= _PAUSE_SECONDS and not self._merges_held.is_due()
        if not self._renewing and (self.storing or not (asked and folder.complete)):
            # A process that merges takes as much memory as the one that writes: merges that can wait run later.
            self.merging.consider(folder, quiet=quiet and not folder.write_behind.writes)

    def _write(self, folder: WorkspaceFolder, now: float, *, quiet: bool) -> None:
        write_behind = folder.write_behind
        # The store process takes as much memory as the workers, so writing waits until the workers have ended. The
        # first write of many files takes processor time, so it also waits for requests, but only for a while.
        hold = not folder.settled or self._bulk.pool.running
        hold = hold or (not (self.storing or quiet) and write_behind.should_wait(now, self._requests.asked_at))
        was_busy = write_behind.busy
        folder.store_if_due(hold=hold, idle=quiet or (folder.settled and self.storing))
        if write_behind.busy and not was_busy and now - self._requests.asked_at >= _REST_SECONDS:
            # The pages that the last requests read are released, to make room for the memory that writing takes.
            folder.index.release()
        if folder.settled:
            write_behind.maintain_if_due(quiet=quiet)
        if write_behind.busy:
            self._trim.set_in(_TRIM_SECONDS)
        if folder.loaded:
            write_behind.take_over_if_due()

    def _find_candidates(self, folder: str, source: CandidateSource | None) -> None:
        """Sets the source that finds a folder's candidates from now on; with None every row is scored."""
        self._publisher.set_candidate_source(folder, source)
