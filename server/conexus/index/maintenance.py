"""What keeps the index small and stored: merging, writing, LanceDB's indices, and giving back what is not used."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

from conexus.heap import trim
from conexus.index.bulk import Bulk
from conexus.index.candidate_source import CandidateSource
from conexus.index.commands import Post
from conexus.index.lexicon import word_hash
from conexus.index.merging import Merging
from conexus.index.owned import owned
from conexus.index.persistence import StoreThreads
from conexus.index.publisher import Publisher
from conexus.index.request_gate import RequestGate
from conexus.index.store_process import Tables
from conexus.index.terms import word_terms
from conexus.index.tiers import Tier, Tiers
from conexus.index.tracked import TrackedFolder

_MAINTENANCE_IDLE_SECONDS = 20.0
#: What changed is put together when no file has changed for as long, and no question came for so long: what is done of
#: that here takes some 30 ms, and makes every question after it faster.
_REST_SECONDS = 1.0
_WORKERS_IDLE_SECONDS = 2.0
#: Merging leaves the processor to questions until none came for so long, but not for longer than that.
_PAUSE_SECONDS, _LONGEST_HOLD_SECONDS = 2.0, 30.0
#: After what changed was put together and written, memory is given back so much later.
_TRIM_SECONDS = 2.0
#: How often an index lets go of what questions looked at: one within the memory budget where none came for as long.
_RELEASE_SECONDS = 2.0


@owned(shared={"owned", "tier"})
class Maintenance:
    """Owned by the indexer's thread. All of it waits while there is something better to do."""

    def __init__(
        self,
        bulk: Bulk,
        publisher: Publisher,
        requests: RequestGate,
        post: Post,
        kept: Callable[[TrackedFolder], Collection[str]],
    ) -> None:
        """``kept`` gives the paths of a folder that are likely to change again, because they are open."""
        #: Where the tables of all folders are written, one call after the other, and who calls.
        self.tables, self.threads = Tables(), StoreThreads()
        #: For what concerns the process of the tables and no folder.
        self._thread = ThreadPoolExecutor(1, "conexus-tables")
        #: When files were read last, on the monotonic clock.
        self.active_at = time.monotonic()
        #: Whether someone waits for all to be stored.
        self.storing = False
        self._bulk, self._publisher, self._requests, self._kept = bulk, publisher, requests, kept
        self._merging = Merging(lambda: bulk.pool, post, self._rearranged, requests.yield_to_requests)
        self._tiers = Tiers(self.tables, self.threads, post, self._find_candidates)
        #: Whether workers are to be replaced before the last merges.
        self._renewing = False
        #: When no question had come for a while last.
        self._calm_at = 0.0
        self._release_at = 0.0
        #: When nothing looks any more at what was put together or written.
        self._trim_at = float("inf")

    def tier(self, folder: str) -> Tier:
        """Where a folder's candidates come from."""
        return self._tiers.tier(folder)

    @property
    def owned(self) -> tuple[object, ...]:
        """What else belongs to the thread that owns this."""
        return self._merging, self._tiers

    @property
    def rest_due(self) -> float:
        """When it will have been quiet for long enough, on the monotonic clock, if nothing comes until then."""
        return max(self.active_at + _MAINTENANCE_IDLE_SECONDS, self._requests.asked_at + _REST_SECONDS)

    def all_read(self) -> None:
        """The last merges begin."""
        self._renewing = True
        # Before what is complete is made ready for questions, which takes memory for a moment.
        self._renew_workers()

    def forget(self, folder: str) -> None:
        """Nothing of a folder is wanted any more."""
        self._merging.forget(folder)
        self._tiers.forget(folder)

    def close(self) -> None:
        """Stop the helpers, after what they do now."""
        self._merging.close()
        self.threads.close()
        self._thread.shutdown()
        self.tables.close()
        self._tiers.close()

    def run_due(self, folders: Collection[TrackedFolder], budget: int) -> None:
        """Begin what is due; called after every step. ``budget``: bytes that queries may walk through."""
        now = time.monotonic()
        if now - self._requests.asked_at > _PAUSE_SECONDS:
            self._calm_at = now
        self._renew_workers()
        walked = sum(each.index.bytes_walked for each in folders)
        idle = now - max(self.active_at, self._requests.asked_at) > _MAINTENANCE_IDLE_SECONDS
        for tracked in folders:
            quiet = tracked.settled and now >= self.rest_due
            if quiet and tracked.index.rest(self._kept(tracked), self._requests.yield_to_requests):
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
            # Remembered while many files are read; of one file they are there again within milliseconds.
            word_terms.cache_clear()
            word_hash.cache_clear()
            trim()
        if now >= self._release_at:
            self._release_at = now + _RELEASE_SECONDS
            for tracked in folders:
                if now - self._requests.asked_at > _RELEASE_SECONDS or self.tier(tracked.root) == "lancedb":
                    tracked.index.release()

    def _renew_workers(self) -> None:
        if self._renewing and self._merging.idle:
            # What workers remember of the files they read is of no use for merging, and takes as much memory.
            self._renewing = False
            self._bulk.close()

    def _rearranged(self, folder: str) -> None:
        self._publisher.rearranged(folder)
        self._trim_at = time.monotonic() + _TRIM_SECONDS

    def _merge(self, tracked: TrackedFolder, now: float, *, quiet: bool) -> None:
        asked = self._calm_at < now < self._calm_at + _LONGEST_HOLD_SECONDS
        if not self._renewing and (self.storing or not (asked and tracked.complete)):
            # A process that merges takes as much memory as the one that writes: what can wait is merged after that.
            self._merging.consider(tracked, quiet=quiet and not tracked.persistence.writes)

    def _write(self, tracked: TrackedFolder, now: float, *, quiet: bool) -> None:
        persistence = tracked.persistence
        # The process of the tables takes as much memory as the workers: it waits until those have ended. What many
        # files' first write takes of the processor it leaves to questions, for a while.
        hold = not tracked.settled or self._bulk.pool.running
        hold = hold or (not (self.storing or quiet) and persistence.should_wait(now, self._requests.asked_at))
        was_busy = persistence.busy
        tracked.store_if_due(hold=hold, idle=quiet or (tracked.settled and self.storing))
        if persistence.busy and not was_busy and now - self._requests.asked_at >= _REST_SECONDS:
            # What the last questions looked at makes room for what writing takes.
            tracked.index.release()
        if tracked.settled:
            persistence.maintain_if_due(quiet=quiet)
        if tracked.loaded:
            persistence.take_over_if_due()
        if persistence.busy:
            self._trim_at = now + _TRIM_SECONDS

    def _find_candidates(self, folder: str, candidate_sources: CandidateSource | None) -> None:
        """Have a source find a folder's candidates from now on; None: every row is scored."""
        self._publisher.candidate_sources.pop(folder, None)
        if candidate_sources is not None:
            self._publisher.candidate_sources[folder] = candidate_sources
        self._publisher.rearranged(folder)
