"""Puts the folders' views together to what readers see."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from conexus.embedding.embedder import Embedder
from conexus.heap import mapped_bytes
from conexus.index.bulk import Key
from conexus.index.candidate_source import CandidateSource
from conexus.index.folder import FolderIndex, Fresh
from conexus.index.owned import owned
from conexus.index.snapshot import Snapshot, View

#: A first index publishes what it has this often.
PUBLISH_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Searchable:
    """What readers work on: a snapshot, the overlay's texts, and the models that embed queries for it."""

    snapshot: Snapshot
    #: The models whose vectors the snapshot holds; the one that the user chose comes last.
    embedders: tuple[Embedder, ...] = ()
    #: Who finds candidates of folders that are too large to look at every row.
    candidate_sources: Mapping[str, CandidateSource] = field(default_factory=dict)
    #: Files of the overlay by folder and path: their text is not (or no longer) what the base holds.
    overlay: Mapping[Key, Fresh] = field(default_factory=dict)

    def is_untouched(self) -> bool:
        """Whether nobody seems to have written into the index's files since they were mapped."""
        return all(view.segment.is_untouched() for view in self.snapshot.views)

    def keep_within(self, budget: int) -> bool:
        """Let go of what was looked at of the index's files, if that is more than ``budget`` bytes; whether it was.

        The system maps what lies around it, too. It is had again from the system's cache within a few milliseconds.
        """
        views = self.snapshot.views
        if sum(view.segment.mapped_size for view in views) <= budget or mapped_bytes() <= budget:
            return False
        for view in views:
            view.segment.release()
        return True

    def release(self, budget: int) -> None:
        """As ``keep_within``; and of folders that are too large to look at every row it is always let go.

        What one question looks at is a small part of them, and what many do is more than memory was given for.
        """
        if not self.keep_within(budget):
            for view in self.snapshot.views:
                if view.folder in self.candidate_sources:
                    view.segment.release()


@owned()
class Publisher:
    """``searchable`` may be read from any thread; the rest belongs to the indexer's thread."""

    def __init__(
        self,
        prepare: Callable[[Searchable], None],
        on_publish: Callable[[int, tuple[str, ...]], None],
    ) -> None:
        """``prepare`` gets what is about to be seen; ``on_publish`` the new generation and the folders that changed."""
        self.searchable = Searchable(Snapshot(0))
        self._prepare, self._on_publish = prepare, on_publish
        #: For the next publishing; see ``Searchable``.
        self.candidate_sources: dict[str, CandidateSource] = {}
        self._views: dict[str, tuple[View, ...]] = {}
        self._changed: set[str] = set()
        #: Whether readers do not see all that is indexed.
        self.behind = False
        self._published_at = 0.0

    @property
    def waiting(self) -> bool:
        """Whether there is anything to publish."""
        return bool(self._changed)

    @property
    def due(self) -> float:
        """When readers should see it at the latest, on the monotonic clock; far away if there is nothing."""
        return self._published_at + PUBLISH_SECONDS if self._changed else float("inf")

    def changed(self, folder: str) -> None:
        """A folder's index is not what was published."""
        self._changed.add(folder)
        self.behind = True

    def rearranged(self, folder: str) -> None:
        """A folder's index holds what was published, in other segments or with other helpers to find it."""
        self._changed.add(folder)

    def publish(self, indexes: Iterable[FolderIndex], embedders: Iterable[Embedder]) -> None:
        """Show the present state of all indexes; those that did not change keep their views."""
        by_folder = {index.folder: index for index in indexes}
        changed = tuple(sorted(self._changed))
        self._changed.clear()
        self.behind = False
        for folder in changed:
            if folder in by_folder:
                self._views[folder] = by_folder[folder].views()
            else:
                self._views.pop(folder, None)
        views = tuple(view for each in self._views.values() for view in each)
        overlay = {
            (folder, path): fresh for folder, index in by_folder.items() for path, fresh in index.overlay.items()
        }
        models = {index.model for index in by_folder.values()}
        used = tuple(embedder for embedder in embedders if embedder.fingerprint in models)
        generation = self.searchable.snapshot.generation + 1
        searchable = Searchable(Snapshot(generation, views), used, dict(self.candidate_sources), overlay)
        self._prepare(searchable)
        self.searchable = searchable
        self._published_at = time.monotonic()
        self._on_publish(generation, changed)
