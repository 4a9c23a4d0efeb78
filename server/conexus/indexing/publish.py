"""Combines the folders' views into the snapshot that readers see."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from conexus.embedding.embedder import Embedder
from conexus.indexing.folder_index import FolderIndex
from conexus.owned import owned
from conexus.segments.snapshot import CandidateSource, Searchable, Snapshot, View

#: Seconds between two snapshots while a first index is being built.
PUBLISH_SECONDS = 0.25


@owned()
class Publisher:
    """Publishes snapshots. Any thread may read ``searchable``; everything else belongs to the indexer thread."""

    def __init__(
        self,
        prepare: Callable[[Searchable], None],
        on_publish: Callable[[int, tuple[str, ...]], None],
    ) -> None:
        """``prepare`` gets each ``Searchable`` before it is published.

        ``on_publish`` gets the new generation and the folders that changed.
        """
        self.searchable = Searchable(Snapshot(0))
        self._prepare, self._on_publish = prepare, on_publish
        #: Candidate sources by folder for the next snapshot, see ``Searchable``.
        self.candidate_sources: dict[str, CandidateSource] = {}
        self._views: dict[str, tuple[View, ...]] = {}
        self._changed: set[str] = set()
        #: Whether the content of the index differs from the published snapshot.
        self.behind = False
        self._published_at = 0.0

    @property
    def waiting(self) -> bool:
        """Whether there is anything to publish."""
        return bool(self._changed)

    @property
    def due(self) -> float:
        """When changes should be published at the latest, in seconds on the monotonic clock; inf if there are none."""
        return self._published_at + PUBLISH_SECONDS if self._changed else float("inf")

    def changed(self, folder: str) -> None:
        """The folder's content differs from the published snapshot."""
        self._changed.add(folder)
        self.behind = True

    def rearranged(self, folder: str) -> None:
        """The folder's segments were reorganised; its content did not change.

        Also to be called when the folder gets or loses a candidate source.
        """
        self._changed.add(folder)

    def publish(self, indexes: Iterable[FolderIndex], embedders: Iterable[Embedder]) -> None:
        """Publishes a snapshot of the present state of all indexes. Folders that did not change keep their views."""
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
