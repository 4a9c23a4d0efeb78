"""Keeps the searchable state of one workspace folder: segments, their live rows, and texts of changed files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from conexus.embedding.unit_vectors import Vectors
from conexus.indexing.path_tree import PathTree
from conexus.owned import owned
from conexus.segments.analysis import FileFacts, IndexedFile
from conexus.segments.build import build_segment
from conexus.segments.merge import merge_segments
from conexus.segments.segment import LiveMask, MemorySegment
from conexus.segments.snapshot import Fresh, View

#: Number of segments of one size class that are merged together: every row is copied about log4(rows) times.
_FAN_IN = 4
#: Merge earlier if the result reaches this many rows: during the first index it is then left alone, so fewer segments
#: remain at the end.
_FULL = 18_000
#: Most small segments of the overlay; if there are more, they are merged, because each view costs a query some time.
_MOST_RECENT = 4
#: Rows from which a segment of the overlay is left alone while others are merged: with more, a merge takes too long for
#: a keystroke.
_SETTLED_ROWS = 1500
#: Most chunks of the overlay; if it has more, it becomes a segment of the base.
_OVERLAY_CHUNKS = 3000
#: Most rows of a merged segment, because a merge takes some 4 KB of memory for each row. The last merges of a very
#: large index make larger segments, but leave at least ``_MOST_SEGMENTS``, because each costs a query some time.
MOST_ROWS, _MOST_SEGMENTS = 32_000, 8


@dataclass(slots=True, eq=False)
class LiveSegment:
    """A segment with a mask of its live rows."""

    segment: MemorySegment
    live: LiveMask
    #: Name of the segment file that it is stored in or about to be written to; None for a segment in memory alone.
    name: str | None = None
    #: Numbers of its live files.
    files: set[int] = field(default_factory=set)
    #: Version of what made the rows, if that is not the present one; such a segment is never merged.
    version: str | None = None
    #: Whether LanceDB's indices cover its rows.
    indexed: bool = False

    @property
    def rows(self) -> int:
        """Number of live rows."""
        return int(np.count_nonzero(self.live))


@dataclass(frozen=True, slots=True)
class Merge:
    """Segments (``parts``) to be merged into one, and the numbers of their live files when that is decided."""

    parts: tuple[LiveSegment, ...]
    files: tuple[tuple[int, ...], ...]

    @property
    def rows(self) -> int:
        """Number of rows of the merged segment."""
        return _rows_of(self.parts)

    def run(self) -> MemorySegment:
        """Returns the merged segment, with the files of ``files`` in their order.

        Raises DamagedFile if a segment file was overwritten.
        """
        parts = [(part.segment, each) for part, each in zip(self.parts, self.files, strict=True)]
        return merge_segments(parts)


@owned(shared={"chunks", "files"})
class FolderIndex:
    """Holds the base and the overlay of one folder.

    Not thread-safe: the indexer thread owns it and publishes the immutable ``views()``.
    """

    def __init__(self, folder: str, model: str, dimensions: int) -> None:
        """``folder``: absolute path, empty for buffers of no folder."""
        self.folder = folder
        self.model = model
        self._dimensions = dimensions
        #: Segments of the overlay: files that changed since they were last part of the base.
        self._recent: list[LiveSegment] = []
        self._base: list[LiveSegment] = []
        self._places: dict[str, tuple[LiveSegment, int]] = {}
        #: Paths of all files: builds and editors give hints of many directories, and most of these hold no file.
        self._tree = PathTree()
        self._overlay: dict[str, Fresh] = {}
        self._chunks = 0
        #: Counts the files that were added or removed; a move to another segment does not count.
        self.changes = 0

    # --- reading ---

    @property
    def files(self) -> int:
        """Number of files."""
        return len(self._places)

    @property
    def chunks(self) -> int:
        """Number of chunks of all files."""
        return self._chunks

    @property
    def base(self) -> Sequence[LiveSegment]:
        """The segments of the base."""
        return tuple(self._base)

    @property
    def overlay(self) -> Mapping[str, Fresh]:
        """The files of the overlay by path. A copy: it may be kept."""
        return dict(self._overlay)

    def fresh(self, path: str) -> Fresh | None:
        """Returns a file of the overlay; None for others."""
        return self._overlay.get(path)

    def paths(self) -> Iterator[str]:
        """Yields the paths of all files."""
        yield from self._places

    def below(self, path: str) -> list[str]:
        """Returns the paths of files at or below a path."""
        if path in self._places:
            return [path]
        return list(self._tree.below(path)) if path else list(self._places)

    def facts(self, path: str) -> FileFacts | None:
        """Returns the facts of a file; None if the index does not have it."""
        place = self._places.get(path)
        return place[0].segment.files[place[1]] if place else None

    @property
    def bytes_per_query(self) -> int:
        """Bytes of the base that a query may have to read."""
        return sum(part.segment.bytes_per_query for part in self._base)

    def release(self) -> None:
        """Releases the memory pages of the base's segment files that were read."""
        for part in self._base:
            part.segment.release()

    def is_whole(self) -> bool:
        """Decides whether the base's segment files are as they were written. Reads every byte of them."""
        whole = all(part.segment.is_whole() for part in self._base)
        self.release()
        return whole

    def is_untouched(self) -> bool:
        """Decides whether nobody seems to have written into the base's segment files."""
        return all(part.segment.is_untouched() for part in self._base)

    def not_indexed(self, path: str) -> None:
        """Records that LanceDB's indices do not cover the segment that holds an indexed file."""
        self._places[path][0].indexed = False

    def located(self, path: str) -> tuple[MemorySegment, int]:
        """Returns the segment that holds an indexed file, and the file's number in it. Raises KeyError for others."""
        part, number = self._places[path]
        return part.segment, number

    def vectors(self, path: str) -> dict[int, Vectors]:
        """Returns the vectors of a file's present chunks by digest, as far as this folder's model has made them."""
        if path not in self._places:
            return {}
        segment, number = self.located(path)
        if segment.model != self.model:
            return {}
        return segment.vectors_by_digest(number)

    def stored(self, paths: Iterable[str]) -> dict[str, tuple[Path, int]]:
        """Maps each path to (segment file, file number) where reusable vectors of the current model are stored."""
        places = ((path, self.located(path)) for path in paths if path in self._places)
        return {
            path: (segment.path, number)
            for path, (segment, number) in places
            if segment.path is not None and segment.model == self.model
        }

    def views(self, hidden: Iterable[str] = ()) -> tuple[View, ...]:
        """Returns what is searchable now, without the files at the ``hidden`` paths.

        The arrays are never changed afterwards.
        """
        without: dict[int, list[int]] = {}
        for path in hidden:
            if path in self._places:
                part, number = self._places[path]
                without.setdefault(id(part), []).append(number)
        return tuple(
            View(self.folder, part.segment, _live_without(part, without.get(id(part), ())), part.indexed)
            for part in (*self._base, *self._recent)
            if len(part.files) > len(without.get(id(part), ()))
        )

    def rows_of(self, path: str) -> int:
        """Returns the number of chunks of a file; 0 for a file that is not indexed."""
        place = self._places.get(path)
        return 0 if place is None else len(place[0].segment.file_rows(place[1]))

    # --- changing ---

    def adopt(
        self,
        segment: MemorySegment,
        name: str | None = None,
        files: Iterable[int] | None = None,
        version: str | None = None,
        *,
        indexed: bool = False,
    ) -> None:
        """Takes over files of a segment, all if none are given, in the place of their former rows.

        ``name``, ``version`` and ``indexed`` as in ``LiveSegment``.
        """
        numbers = range(len(segment.files)) if files is None else files
        part = self._part(segment, numbers, name)
        part.version, part.indexed = version, indexed
        if not part.files:
            return
        self._hide(segment.files[number].path for number in part.files)
        self._base.append(part)
        self._settle(part)

    def _part(self, segment: MemorySegment, numbers: Iterable[int], name: str | None) -> LiveSegment:
        kept = set(numbers)
        if len(kept) == len(segment.files):
            return LiveSegment(segment, np.ones(len(segment), np.bool_), name, kept)
        files = np.zeros(len(segment.files), np.bool_)
        files[list(kept)] = True
        return LiveSegment(segment, files[segment.file_of], name, kept)

    def _settle(self, part: LiveSegment) -> None:
        self.changes += 1
        places = {part.segment.files[number].path: (part, number) for number in part.files}
        self._places.update(places)
        for path in places:
            self._tree.add(path)
        self._chunks += part.rows

    def replace(self, path: str, fresh: Fresh | None) -> None:
        """Replaces the state of a file by a new one in the overlay; None removes the file."""
        self._hide([path])
        if fresh is None:
            return
        self._overlay[path] = fresh
        part = self._part(build_segment([fresh.file], self.model, self._dimensions), (0,), None)
        self._recent.append(part)
        self._settle(part)
        small = [part for part in self._recent if part.rows < _SETTLED_ROWS]
        if len(small) > _MOST_RECENT:
            merged = self._merged(small)
            self._recent = [part for part in self._recent if part.rows >= _SETTLED_ROWS] + [merged]

    def fill(self, former: IndexedFile, file: IndexedFile) -> bool:
        """Replaces a file of the overlay by the same one with more vectors. Returns whether it is still there."""
        fresh = self._overlay.get(file.facts.path)
        if fresh is None or fresh.file is not former:
            return False
        self.replace(file.facts.path, Fresh(file, fresh.text))
        return True

    def add_files(self, files: Collection[IndexedFile]) -> None:
        """Adds many files as one segment of the base."""
        if files:
            self.adopt(build_segment(list(files), self.model, self._dimensions))

    def flush_overlay(self, *, small: bool = False) -> bool:
        """Moves the overlay into the base, as one segment, if the overlay is large; with ``small`` in any case.

        Returns whether it moved any file.
        """
        if not self._overlay or (not small and sum(part.rows for part in self._recent) <= _OVERLAY_CHUNKS):
            return False
        moving, self._recent = self._recent, []
        self._base.append(self._merged(moving))
        self._overlay.clear()
        return True

    def compact_overlay(self) -> bool:
        """Moves the overlay into the base as one segment, and merges the smallest segments of the base.

        Those have up to ``_OVERLAY_CHUNKS`` rows together. Returns whether it moved any file.
        """
        if not self.flush_overlay(small=True):
            return False
        small: list[LiveSegment] = []
        for part in sorted(self._base, key=lambda part: part.rows):
            same = not small or part.segment.model == small[0].segment.model
            if part.version is None and same and sum(each.rows for each in (*small, part)) <= _OVERLAY_CHUNKS:
                small.append(part)
        if len(small) > 1:
            merge = self._merge(small)
            self.merged(merge, merge.run(), None)
        return True

    def _merged(self, parts: Sequence[LiveSegment]) -> LiveSegment:
        segment = self._merge(parts).run()
        merged = LiveSegment(segment, np.ones(len(segment), np.bool_), None, set(range(len(segment.files))))
        self._places.update({facts.path: (merged, number) for number, facts in enumerate(segment.files)})
        return merged

    def _hide(self, paths: Iterable[str]) -> None:
        copied: set[int] = set()
        emptied = False
        for path in paths:
            self._overlay.pop(path, None)
            place = self._places.pop(path, None)
            if place is None:
                continue
            self.changes += 1
            self._tree.discard(path)
            part, number = place
            if id(part) not in copied:  # published views keep the old mask
                copied.add(id(part))
                part.live = part.live.copy()
            rows = part.segment.file_rows(number)
            part.live[rows.start : rows.stop] = False
            part.files.discard(number)
            self._chunks -= len(rows)
            emptied = emptied or not part.files
        if emptied:
            self._recent = [part for part in self._recent if part.files]
            self._base = [part for part in self._base if part.files]

    # --- merging ---

    def next_merge(self, *, last: bool, quiet: bool = False) -> Merge | None:
        """Returns the merge that should be made now, to at most about ``MOST_ROWS``; None if none should.

        With ``last``, when no more files are expected, segments are merged until they are as few as possible. With
        ``quiet`` they are merged until each has at least twice the rows of all smaller ones together: then every row is
        copied about log2(rows) times.
        """
        if last:
            return self._fullest()
        classes: dict[tuple[str, int], list[LiveSegment]] = {}
        for part in self._base:
            if part.rows <= MOST_ROWS // 2 and part.version is None:
                classes.setdefault((part.segment.model, max(part.rows, 1).bit_length() // 2), []).append(part)
        for parts in classes.values():
            chosen = _up_to(MOST_ROWS, parts)
            if len(chosen) >= _FAN_IN or (len(chosen) > 1 and _rows_of(chosen) >= _FULL):
                return self._merge(chosen)
        return (self._unbalanced() if quiet else None) or self._mostly_dead()

    def _unbalanced(self) -> Merge | None:
        """Returns a merge of smaller segments with one that has less than twice the rows of them together."""
        for model in sorted({part.segment.model for part in self._base}):
            smaller: list[LiveSegment] = []
            rows = 0
            for part in sorted(self._base, key=lambda part: part.rows):
                if part.segment.model != model or part.version is not None or rows + part.rows > MOST_ROWS:
                    continue
                if smaller and part.rows < 2 * rows:
                    return self._merge([*smaller, part])
                smaller.append(part)
                rows += part.rows
        return None

    def _fullest(self) -> Merge | None:
        """Returns a merge of as many segments as one may hold, the smallest first; else of a mostly dead one."""
        most = max(MOST_ROWS, self._chunks // _MOST_SEGMENTS)
        for model in sorted({part.segment.model for part in self._base}):
            chosen = _up_to(most, (p for p in self._base if p.segment.model == model and p.version is None))
            if len(chosen) > 1:
                return self._merge(chosen)
        return self._mostly_dead()

    def _mostly_dead(self) -> Merge | None:
        for part in self._base:
            if part.version is None and part.rows * 2 < len(part.segment):
                return self._merge([part])
        return None

    def _merge(self, parts: Sequence[LiveSegment]) -> Merge:
        return Merge(tuple(parts), tuple(tuple(sorted(part.files)) for part in parts))

    def merged(self, merge: Merge, segment: MemorySegment, name: str | None) -> None:
        """Puts the segment of a finished merge in the place of its parts.

        Files that changed while it was made are not taken over. ``name`` as in ``LiveSegment``.
        """
        sources = ((part, number) for part, files in zip(merge.parts, merge.files, strict=True) for number in files)
        current = [place for place, source in enumerate(sources) if self._holds(*source)]
        self._base = [part for part in self._base if not any(part is each for each in merge.parts)]
        if current:
            part = self._part(segment, current, name)
            part.version, part.indexed = merge.parts[0].version, all(each.indexed for each in merge.parts)
            self._base.append(part)
            self._places.update({segment.files[number].path: (part, number) for number in current})

    def _holds(self, part: LiveSegment, number: int) -> bool:
        place = self._places.get(part.segment.files[number].path)
        return place is not None and place[0] is part and place[1] == number


def _live_without(part: LiveSegment, numbers: Collection[int]) -> LiveMask:
    """Returns the mask of a segment's live rows, without the rows of some of its files."""
    if not numbers:
        return part.live
    live = part.live.copy()
    for number in numbers:
        rows = part.segment.file_rows(number)
        live[rows.start : rows.stop] = False
    return live


def _rows_of(parts: Iterable[LiveSegment]) -> int:
    return sum(part.rows for part in parts)


def _up_to(most: int, parts: Iterable[LiveSegment]) -> list[LiveSegment]:
    """Returns the smallest segments that have at most ``most`` rows together."""
    chosen: list[LiveSegment] = []
    rows = 0
    for part in sorted(parts, key=lambda part: part.rows):
        rows += part.rows
        if rows > most:
            break
        chosen.append(part)
    return chosen
