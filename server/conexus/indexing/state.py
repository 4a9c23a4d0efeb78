"""Defines what other threads see of the indexer: immutable values, each of one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from conexus.segments.snapshot import Searchable, Snapshot


@dataclass(frozen=True, slots=True)
class FolderState:
    """The state of one workspace folder, as one session sees it."""

    root: str
    #: Number of files that can be found, and of their chunks.
    files: int = 0
    chunks: int = 0
    #: Whether every file was compared with the disk once.
    complete: bool = False
    #: Number of files left out, by reason.
    skipped: Mapping[str, int] = field(default_factory=dict)
    #: Paths of files that made a worker fail or needed too much memory, 20 at most.
    quarantined: tuple[str, ...] = ()
    role: Literal["writer", "reader"] = "reader"
    search_mode: Literal["exact", "indexed"] = "exact"
    #: Size of the stored index in bytes.
    size_bytes: int = 0
    #: Why the folder is not indexed, stored or watched as it should be, in words for the user.
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class IndexerState:
    """The state of the indexer, which is the same for all sessions."""

    phase: str = "starting"
    #: Number of files whose latest text is not searchable yet.
    pending: int = 0
    #: Whether every hint and edit is searchable and each folder was compared with the disk once, if no command waits.
    quiescent: bool = False
    #: Whether everything that was to be stored is stored or cannot be stored.
    stored: bool = True
    #: Why a stored index cannot be kept up to date, in words for the user.
    storing_problem: str | None = None
    #: Number of chunks that the answering model embedded since the start.
    embedded_chunks: int = 0
    #: Why some files are not indexed at present, in words for the user.
    indexing_problem: str | None = None
    #: Why nothing can be indexed, and why the model that the user chose does not answer; in words for the user.
    problem: str | None = None
    model_problem: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SessionState:
    """All that a session's reader sees: what is searchable, and how far the index is."""

    searchable: Searchable = field(default_factory=lambda: Searchable(Snapshot(0)))
    indexer: IndexerState = field(default_factory=IndexerState)
    folders: tuple[FolderState, ...] = ()
    #: Number of files that can be found, and of files that there are.
    indexed_files: int = 0
    total_files: int = 0
    #: Whether the session's folders are known and each was compared with the disk once.
    complete: bool = False
    #: Number of open documents in the folders whose text differs from the disk.
    dirty_buffers: int = 0


class Published:
    """Holds the latest state of one session. The indexer thread replaces it; any thread may read it."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state = SessionState()
