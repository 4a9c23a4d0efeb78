"""The values of the engine's API: plain and frozen, no LSP and no JSON types. Importing them loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Health = Literal["ok", "warning", "error"]
Tests = Literal["include", "exclude", "only"]
SearchMode = Literal["exact", "indexed"]


class Position(NamedTuple):
    """0-based line and column; the column counts units of the engine's encoding."""

    line: int
    column: int


class TextRange(NamedTuple):
    """From ``start`` up to, not including, ``end``."""

    start: Position
    end: Position


@dataclass(frozen=True, slots=True)
class Place:
    """A position or range in a document: an absolute path, or the URI of a buffer that has no file."""

    document: str
    range: TextRange


@dataclass(frozen=True, slots=True)
class Filters:
    """The conditions that a hit must satisfy. Empty means no restriction. They are applied before ranking."""

    languages: tuple[str, ...] = ()
    #: gitignore-style patterns of folder-relative paths.
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    #: Absolute paths of workspace folders.
    folders: tuple[str, ...] = ()
    tests: Tests = "include"


@dataclass(frozen=True, slots=True)
class Hit:
    document: str
    range: TextRange
    #: The latest version of the open buffer, for which all ranges are valid. None if the document is not open.
    version: int | None
    #: Absolute path of the workspace folder, empty for a buffer outside all of them.
    folder: str
    language: str
    kind: str
    symbol: str
    container: str
    #: 0..1, comparable only within one answer.
    score: float
    reasons: tuple[str, ...]
    preview: str
    #: Ranges of the query's words, inside ``range``.
    matches: tuple[TextRange, ...] = ()
    relation: str | None = None
    #: Range of the symbol's name, for clients that show one line.
    name_range: TextRange | None = None


@dataclass(frozen=True, slots=True)
class IndexState:
    complete: bool
    indexed_files: int
    total_files: int
    degraded: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    hits: tuple[Hit, ...]
    index: IndexState
    generation: int
    took_ms: float


@dataclass(frozen=True, slots=True)
class FolderStatus:
    path: str
    files: int
    chunks: int
    complete: bool
    #: Number of files left out, by reason in words ("binary", "larger than maxFileBytes", …).
    skipped: dict[str, int]
    #: Paths of files that made a process fail or needed too much memory, 20 at most. They are read when they change.
    quarantined: tuple[str, ...]
    role: Literal["writer", "reader"]
    #: Which rows a query scores: with ``exact`` all rows, with ``indexed`` the candidates from LanceDB's indices.
    search_mode: SearchMode


@dataclass(frozen=True, slots=True)
class ModelStatus:
    name: str
    dimensions: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Status:
    quiescent: bool
    health: Health
    message: str
    files: int
    chunks: int
    #: Number of files whose latest text is not searchable yet.
    pending: int
    dirty_buffers: int
    #: Number of chunks that the answering model embedded since the start; chunks with a known vector do not count.
    embedded_chunks: int
    generation: int
    model: ModelStatus
    folders: tuple[FolderStatus, ...]
    phase: str
    paused: bool
    memory_bytes: int
    index_bytes: int
    role: Literal["writer", "reader"]
    #: How often each limit acted since the process began, by ``limits.Limit``.
    limits: dict[str, int]


# --- events: the engine passes them to its listener, in the engine's own threads ---


@dataclass(frozen=True, slots=True)
class IndexChanged:
    generation: int
    folders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of work for which a user would want a progress bar. ``done == total`` ends it."""

    title: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """Health, quiescence or message changed; ``status()`` returns the new values."""


@dataclass(frozen=True, slots=True)
class SettingsFileChanged:
    """A folder's conexus.toml may have changed on disk."""

    folder: str


Event = IndexChanged | Progress | SettingsFileChanged | StatusChanged


class EngineError(Exception):
    """A request that cannot be answered; the message is one sentence for the user, without absolute paths."""


class BadQuery(EngineError):
    """The request itself is wrong; the message names the wrong part."""


class Cancelled(Exception):
    """The caller's CancelToken was set."""


@dataclass(slots=True)
class CancelToken:
    """A flag that the caller sets to cancel a request. The engine checks it between stages."""

    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled
