"""The searchable state of one workspace folder: base segments, and the overlay of what changed since."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from conexus.embedding.embedder import Vectors
from conexus.index.analysis import FileFacts, IndexedFile
from conexus.index.segment import Alive, MemorySegment, build_segment, merge_segments
from conexus.index.snapshot import View

#: Segments of one size class are merged when there are this many: every row is copied about log8(rows) times.
_FAN_IN = 8
#: An overlay is rebuilt at every change, so it is sealed into a base segment before that takes noticeable time.
_OVERLAY_CHUNKS = 3000


@dataclass(slots=True)
class _Part:
    segment: MemorySegment
    alive: Alive


@dataclass(frozen=True, slots=True)
class Fresh:
    """A file in the overlay, with the text of the buffer it was read from (None: from disk)."""

    file: IndexedFile
    text: str | None


class FolderIndex:
    """Not thread-safe: the indexer's thread owns it and publishes the immutable ``views()``."""

    def __init__(self, folder: str, model: str, dimensions: int) -> None:
        """``folder``: absolute path, empty for buffers outside all folders."""
        self.folder = folder
        self.model = model
        self._dimensions = dimensions
        self._parts: list[_Part] = []
        self._places: dict[str, tuple[_Part, int]] = {}
        self._overlay: dict[str, Fresh] = {}
        self._chunks = 0

    # --- reading ---

    @property
    def files(self) -> int:
        return len(self._places) + len(self._overlay)

    @property
    def chunks(self) -> int:
        return self._chunks

    @property
    def overlay(self) -> Mapping[str, Fresh]:
        """The files of the overlay by path. A copy: it may be kept."""
        return dict(self._overlay)

    def paths(self) -> Iterator[str]:
        yield from self._overlay
        yield from self._places

    def facts(self, path: str) -> FileFacts | None:
        fresh = self._overlay.get(path)
        if fresh is not None:
            return fresh.file.facts
        place = self._places.get(path)
        return place[0].segment.files[place[1]] if place else None

    def vectors(self, path: str) -> dict[int, Vectors]:
        """The vectors of a file's present chunks by their digest, as far as this folder's model has made them."""
        fresh = self._overlay.get(path)
        if fresh is not None:
            pairs = zip(fresh.file.digests.tolist(), fresh.file.vectors, strict=True)
        else:
            place = self._places.get(path)
            if place is None or place[0].segment.model != self.model:
                return {}
            segment, rows = place[0].segment, place[0].segment.rows_of(place[1])
            span = slice(rows.start, rows.stop)
            pairs = zip(segment.digests[span].tolist(), segment.vectors[span], strict=True)
        return {digest: vector for digest, vector in pairs if vector.any()}

    def views(self) -> tuple[View, ...]:
        """What is searchable now. The arrays are never changed afterwards."""
        views = [View(self.folder, part.segment, part.alive) for part in self._parts if len(part.segment)]
        if self._overlay:
            files = [fresh.file for fresh in self._overlay.values()]
            overlay = build_segment(files, self.model, self._dimensions)
            views.append(View(self.folder, overlay, np.ones(len(overlay), np.bool_)))
        return tuple(views)

    # --- changing ---

    def adopt(self, segments: Iterable[MemorySegment]) -> None:
        """Take over whole segments; what is known of their files otherwise is dropped."""
        for segment in segments:
            self._hide(facts.path for facts in segment.files)
            self._add_segment(segment)

    def _add_segment(self, segment: MemorySegment) -> None:
        part = _Part(segment, np.ones(len(segment), np.bool_))
        self._parts.append(part)
        self._places.update({facts.path: (part, number) for number, facts in enumerate(segment.files)})
        self._chunks += len(segment)

    def replace(self, path: str, fresh: Fresh | None) -> None:
        """Put a file's new state in the overlay, which hides the old one; None removes the file."""
        self._hide([path])
        if fresh is not None:
            self._overlay[path] = fresh
            self._chunks += len(fresh.file.chunks)

    def add_files(self, files: Collection[IndexedFile]) -> None:
        """Put many files straight into a base segment."""
        if files:
            self.adopt([build_segment(list(files), self.model, self._dimensions)])
            self._compact()

    def seal(self, keep: Collection[str] = ()) -> bool:
        """Move the overlay, except ``keep``, into the base if it has grown large. Returns whether it did."""
        if sum(len(fresh.file.chunks) for fresh in self._overlay.values()) <= _OVERLAY_CHUNKS:
            return False
        files = [fresh.file for path, fresh in self._overlay.items() if path not in keep]
        self.add_files(files)
        return bool(files)

    def finish(self) -> None:
        """Merge what a first index left in pieces."""
        if len(self._parts) > 2:
            self._merge(self._parts)

    def _hide(self, paths: Iterable[str]) -> None:
        masks: dict[int, Alive] = {}
        for path in paths:
            fresh = self._overlay.pop(path, None)
            if fresh is not None:
                self._chunks -= len(fresh.file.chunks)
            place = self._places.pop(path, None)
            if place is None:
                continue
            part, number = place
            if id(part) not in masks:  # published views keep the old mask
                masks[id(part)] = part.alive = part.alive.copy()
            rows = part.segment.rows_of(number)
            part.alive[rows.start : rows.stop] = False
            self._chunks -= len(rows)

    def _compact(self) -> None:
        classes: dict[int, list[_Part]] = {}
        for part in self._parts:
            live = int(np.count_nonzero(part.alive))
            classes.setdefault(max(live, 1).bit_length() // 3, []).append(part)
        for parts in classes.values():
            if len(parts) >= _FAN_IN:
                self._merge(parts)
                return
        for part in self._parts:
            if len(part.segment) and np.count_nonzero(part.alive) * 2 < len(part.segment):
                self._merge([part])
                return

    def _merge(self, parts: list[_Part]) -> None:
        live: dict[int, list[int]] = {id(part): [] for part in parts}
        for part, number in self._places.values():
            if id(part) in live:
                live[id(part)].append(number)
        self._parts = [part for part in self._parts if id(part) not in live]
        for model in {part.segment.model for part in parts}:
            same = [(part.segment, live[id(part)]) for part in parts if part.segment.model == model]
            merged = merge_segments(same)
            part = _Part(merged, np.ones(len(merged), np.bool_))
            self._parts.append(part)
            self._places.update({facts.path: (part, number) for number, facts in enumerate(merged.files)})
