"""Defines the requests to the store process and the candidates process, and their answers: immutable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from conexus.embedding.unit_vectors import Vectors
from conexus.segments.segment import MemorySegment
from conexus.segments.snapshot import ChunkRefs
from conexus.storage.lance.schema import StoredFile

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Some files of a segment: the segment (or the path of its file), and the files' ascending numbers in it."""

    segment: Path | MemorySegment
    numbers: tuple[int, ...]


# --- answers ---


@dataclass(frozen=True, slots=True)
class OpenedTables:
    """What the tables hold when they are opened."""

    files: Mapping[str, StoredFile]
    #: Size of the index directory on disk.
    size_bytes: int


@dataclass(frozen=True, slots=True)
class TablesState:
    """The state of the tables on disk after a change."""

    #: Size of the index directory on disk.
    size_bytes: int
    #: ``LanceTables.versions``.
    versions: int
    #: ``LanceTables.dead_share``.
    dead: float


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """A segment file that rows of the tables were written to, and the version of everything that made these rows."""

    name: str
    version: str


# --- requests ---


@dataclass(frozen=True, slots=True)
class Request(Generic[Answer]):
    """A request that concerns the tables of one index directory. ``Answer`` is the type of its answer."""

    #: Most seconds from sending the request to receiving its answer. After them the process is considered hung.
    TIMEOUT_SECONDS: ClassVar[float] = 600.0

    directory: Path


@dataclass(frozen=True, slots=True)
class OpenTables(Request[OpenedTables]):
    """Opens the tables, or creates them, and deletes the rows that a killed writer left behind."""

    #: Length of each vector.
    dimensions: int


@dataclass(frozen=True, slots=True)
class WriteRows(Request[TablesState]):
    """Replaces the rows of some files, and deletes the rows of the files that are ``gone``. It may be repeated."""

    dimensions: int
    #: Absolute path of the folder that contains the files, whose texts are stored too.
    folder: str
    rows: tuple[StoredRows, ...]
    #: Paths of files.
    gone: tuple[str, ...]
    #: Version of everything that made the rows.
    version: str


@dataclass(frozen=True, slots=True)
class LoadRows(Request[tuple[LoadedFile, ...]]):
    """Writes everything that the tables hold to segment files in the index directory."""

    dimensions: int


@dataclass(frozen=True, slots=True)
class CompactTables(Request[TablesState]):
    """Compacts the tables and drops versions older than ``keep_seconds``."""

    dimensions: int
    keep_seconds: float


@dataclass(frozen=True, slots=True)
class MakeIndices(Request[TablesState]):
    """Creates the vector and full-text indices, or brings them up to date."""

    #: For a million rows it takes two minutes.
    TIMEOUT_SECONDS: ClassVar[float] = 3600.0

    dimensions: int


@dataclass(frozen=True, slots=True)
class PrepareSearch(Request[None]):
    """Reopens the tables for searching, because they may have been replaced, and reads the addresses of all rows."""

    TIMEOUT_SECONDS: ClassVar[float] = 120.0


@dataclass(frozen=True, slots=True)
class FindCandidates(Request[ChunkRefs]):
    """Finds candidates by the indices, see ``TableSearch.find_candidates``."""

    TIMEOUT_SECONDS: ClassVar[float] = 20.0

    vector: Vectors | None
    words: tuple[str, ...]
    #: Numbers of candidates to find: by vectors, by words of the code, by words of names.
    nearest: int
    by_words: int
    by_names: int


@dataclass(frozen=True, slots=True)
class CloseTables(Request[None]):
    """Closes the tables, so that they can be removed."""

    TIMEOUT_SECONDS: ClassVar[float] = 60.0


#: Every request that the process can handle.
AnyRequest: TypeAlias = (
    OpenTables | WriteRows | LoadRows | CompactTables | MakeIndices | PrepareSearch | FindCandidates | CloseTables
)


# --- what is sent back ---


@dataclass(frozen=True, slots=True)
class Answered:
    """A request succeeded. ``answer`` has the type that the request names."""

    answer: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """A request failed. ``message`` says why, in words for the user."""

    message: str
