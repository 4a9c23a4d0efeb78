"""The immutable state of everything that is searchable, at one generation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from conexus.index.analysis import FileFacts
from conexus.index.segment import LiveMask, MemorySegment


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
    #: Values that readers derive from the whole snapshot, by name: made for the first request, and there for later
    #: ones.
    derived: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

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
