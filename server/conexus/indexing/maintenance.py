"""Keeps the index small and stored: merges, writes, has LanceDB's indices made, and gives back unused memory."""

from __future__ import annotations

import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from conexus.indexing.bulk_reader import Bulk
from conexus.indexing.commands import Post
from conexus.indexing.merging import Merging
from conexus.indexing.publish import Publisher
from conexus.indexing.request_gate import RequestGate
from conexus.indexing.search_mode import Tier, Tiers
from conexus.indexing.workspace_folder import TrackedFolder
from conexus.indexing.write_behind import StoreThreads
from conexus.owned import owned
from conexus.processes.memory import trim
from conexus.segments.lexicon import word_hash
from conexus.segments.snapshot import CandidateSource
from conexus.segments.terms import word_terms
from conexus.storage.lance.process import LanceProcess

#: Merge the overlay after 20 s without file changes and 1 s without requests. It takes about 30 ms and speeds up later
#: queries.
_MAINTENANCE_IDLE_SECONDS = 20.0
_REST_SECONDS = 1.0
#: Seconds without file changes after which idle worker processes are stopped.
_WORKERS_IDLE_SECONDS = 2.0
#: Seconds without a request that merging waits for, so that requests have the processor; and its longest wait.
_PAUSE_SECONDS, _LONGEST_HOLD_SECONDS = 2.0, 30.0
#: Seconds from the end of merging and writing until unused memory is given back to the system.
_TRIM_SECONDS = 2.0
#: Seconds between two releases of the memory pages that requests read. An index within the memory budget releases them
#: only if no request came for that long.
_RELEASE_SECONDS = 2.0


@owned(shared={"owned", "tier"})
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
        self._merging = Merging(lambda: bulk.pool, post, self._rearranged, requests.yield_to_requests)
        self._tiers = Tiers(self.tables, self.threads, post, self._find_candidates)
        #: Whether worker processes are to be replaced before the last merges.
        self._renewing = False
        #: Latest time at which no request had come for ``_PAUSE_SECONDS``, on the monotonic clock.
        self._calm_at = 0.0
        #: Time of the next release of memory pages, on the monotonic clock.
        self._release_at = 0.0
        #: Time at which nothing uses any more what was merged or written, on the monotonic clock; infinite if there is
        #: nothing.
        self._trim_at = float("inf")

    def tier(self, folder: str) -> Tier:
        """Returns the tier of a folder, which says where its candidates are found."""
        return self._tiers.tier(folder)

    @property
    def owned(self) -> tuple[object, ...]:
        """Other objects that belong to the thread that owns this one."""
        return self._merging, self._tiers

    @property
    def rest_due(self) -> float:
        """Time at which it will be quiet for long enough, on the monotonic clock, if nothing happens until then."""
        return max(self.active_at + _MAINTENANCE_IDLE_SECONDS, self._requests.asked_at + _REST_SECONDS)

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
        self._merging.forget(folder)
        self._tiers.forget(folder)

    def close(self) -> None:
        """Stops the helpers after their present work."""
        self._merging.close()
        self.threads.close()
        self._thread.shutdown()
        self.tables.close()
        self._tiers.close()

    def run_due(self, folders: Collection[TrackedFolder], budget: int) -> None:
        """Begins what is due; called after every step. ``budget``: bytes that a query may have to read."""
        now = time.monotonic()
        if now - self._requests.asked_at > _PAUSE_SECONDS:
            self._calm_at = now
        self._renew_workers()
        walked = sum(each.index.bytes_per_query for each in folders)
        idle = now - max(self.active_at, self._requests.asked_at) > _MAINTENANCE_IDLE_SECONDS
        for tracked in folders:
            quiet = tracked.settled and now >= self.rest_due
            if quiet and tracked.index.compact_overlay(self._requests.yield_to_requests):
                self._rearranged(tracked.root)
            self._merge(tracked, now, quiet=quiet)
            self._tiers.consider(tracked, budget, walked, idle=idle)
            self._write(tracked, now, quiet=quiet)
        if self._bulk.idle and self._merging.idle and now - self.active_at > _WORKERS_IDLE_SECONDS:
            if self._bulk.pool.running:
                self._bulk.close()
                trim()
            self._thread.submit(self.tables.close_if_idle)
        if now >= max(self._trim_at, self.rest_due):
            self._trim_at = float("inf")
            # These caches help while many files are read; for one file they are filled again within milliseconds.
            word_terms.cache_clear()
            word_hash.cache_clear()
            trim()
        if now >= self._release_at:
            self._release_at = now + _RELEASE_SECONDS
            for tracked in folders:
                if now - self._requests.asked_at > _RELEASE_SECONDS or self.tier(tracked.root) == "indexed":
                    tracked.index.release()

    def _renew_workers(self) -> None:
        if self._renewing and self._merging.idle:
            # What workers cache of the files that they read is of no use for merging, and takes as much memory.
            self._renewing = False
            self._bulk.close()

    def _rearranged(self, folder: str) -> None:
        self._publisher.mark_dirty(folder, content_changed=False)
        self._trim_at = time.monotonic() + _TRIM_SECONDS

    def _merge(self, tracked: TrackedFolder, now: float, *, quiet: bool) -> None:
        asked = self._calm_at < now < self._calm_at + _LONGEST_HOLD_SECONDS
        if not self._renewing and (self.storing or not (asked and tracked.complete)):
            # A process that merges takes as much memory as the one that writes: merges that can wait run later.
            self._merging.consider(tracked, quiet=quiet and not tracked.persistence.writes)

    def _write(self, tracked: TrackedFolder, now: float, *, quiet: bool) -> None:
        persistence = tracked.persistence
        # The store process takes as much memory as the workers, so writing waits until the workers have ended. The
        # first write of many files takes processor time, so it also waits for requests, but only for a while.
        hold = not tracked.settled or self._bulk.pool.running
        hold = hold or (not (self.storing or quiet) and persistence.should_wait(now, self._requests.asked_at))
        was_busy = persistence.busy
        tracked.store_if_due(hold=hold, idle=quiet or (tracked.settled and self.storing))
        if persistence.busy and not was_busy and now - self._requests.asked_at >= _REST_SECONDS:
            # The pages that the last requests read are released, to make room for the memory that writing takes.
            tracked.index.release()
        if tracked.settled:
            persistence.maintain_if_due(quiet=quiet)
        if tracked.loaded:
            persistence.take_over_if_due()
        if persistence.busy:
            self._trim_at = now + _TRIM_SECONDS

    def _find_candidates(self, folder: str, candidate_sources: CandidateSource | None) -> None:
        """Sets the source that finds a folder's candidates from now on; with None every row is scored."""
        self._publisher.candidate_sources.pop(folder, None)
        if candidate_sources is not None:
            self._publisher.candidate_sources[folder] = candidate_sources
        self._publisher.mark_dirty(folder, content_changed=False)
