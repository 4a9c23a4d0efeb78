"""The immutable state of everything that is searchable, at one generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from conexus.embedding.embedder import Embedder
from conexus.embedding.unit_vectors import Vectors
from conexus.processes.memory import mapped_bytes
from conexus.segments.analysis import FileFacts, IndexedFile
from conexus.segments.memo import Memo
from conexus.segments.segment import LiveMask, MemorySegment

#: A file: the absolute path of its folder, and the path relative to that folder.
FileKey = tuple[str, str]
#: Maps the path of a file to the numbers of chunks in it.
ChunkRefs = dict[str, list[int]]
#: Maximum number of values in the memo of a snapshot.
_MAX_DERIVED = 8


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A segment of one folder with a mask of its live rows. The rows of a shadowed or deleted file are not live."""

    #: Absolute path of the workspace folder, empty for buffers outside all folders.
    folder: str
    segment: MemorySegment
    live: LiveMask
    #: Whether LanceDB's indices cover the segment's rows, so that not every row must be scored.
    indexed: bool = False

    def live_rows(self) -> int:
        return int(np.count_nonzero(self.live))


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The views of every folder: base segments, then the overlay."""

    generation: int
    views: tuple[View, ...] = ()
    #: Values that readers derive from the whole snapshot for the first request, and use for later requests.
    memo: Memo = field(default_factory=lambda: Memo(_MAX_DERIVED), init=False, repr=False)

    @property
    def chunks(self) -> int:
        return sum(view.live_rows() for view in self.views)


@dataclass(frozen=True, slots=True)
class RowRef:
    """One chunk of a snapshot."""

    view: View = field(repr=False)
    row: int

    @property
    def path(self) -> str:
        return self.facts.path

    @property
    def facts(self) -> FileFacts:
        segment = self.view.segment
        return segment.files[int(segment.file_of[self.row])]


@dataclass(frozen=True, slots=True)
class Fresh:
    """A file that changed, with the text of the buffer it was read from (None: from disk)."""

    file: IndexedFile
    text: str | None


class CandidateSource(Protocol):
    """Finds candidates of one folder."""

    def candidates(self, vector: Vectors | None, words: Sequence[str]) -> ChunkRefs | None:
        """Returns chunks that may answer a query; None if the source fails. Blocks for milliseconds."""
        ...


@dataclass(frozen=True, slots=True)
class Searchable:
    """What readers use: a snapshot, the overlay's texts, and the models that embed queries for it."""

    snapshot: Snapshot
    #: The models whose vectors the snapshot holds; a model that the user chose is last.
    embedders: tuple[Embedder, ...] = ()
    #: Candidate sources by folder, for folders that are too large to score every row.
    candidate_sources: Mapping[str, CandidateSource] = field(default_factory=dict)
    #: Files of the overlay by (folder, path). The base does not hold their present text.
    overlay: Mapping[FileKey, Fresh] = field(default_factory=dict)

    def is_untouched(self) -> bool:
        """Returns whether no segment file seems to have been written to since it was mapped."""
        return all(view.segment.is_untouched() for view in self.snapshot.views)

    def keep_within(self, budget: int) -> bool:
        """Releases the pages of the segment files if they take more than ``budget`` bytes. Returns whether it did.

        The system also maps pages around the pages that are read. It restores released pages from its cache within some
        milliseconds.
        """
        views = self.snapshot.views
        if sum(view.segment.mapped_size for view in views) <= budget or mapped_bytes() <= budget:
            return False
        for view in views:
            view.segment.release()
        return True

    def release(self, budget: int) -> None:
        """Releases pages as ``keep_within`` does, and always the pages of folders that have a candidate source.

        One request reads a small part of such a folder, but many requests together read more than the memory budget.
        """
        if not self.keep_within(budget):
            for view in self.snapshot.views:
                if view.folder in self.candidate_sources:
                    view.segment.release()
