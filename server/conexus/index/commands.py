"""What the indexer's thread is told: values, handled one after the other in the order in which they were posted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from conexus.config import Settings
from conexus.workspace.documents import Document

#: Who says that files may have changed: the client, our own watcher, or an answer that found a file other than indexed.
Cause = Literal["client", "watcher", "answer"]


@dataclass(frozen=True, slots=True)
class SetFolders:
    """These are the workspace's folders from now on: absolute paths, none below another."""

    roots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Configure:
    """These settings hold from now on."""

    settings: Settings


@dataclass(frozen=True, slots=True)
class OpenDocument:
    """A buffer's text is the truth from now on."""

    document: Document


@dataclass(frozen=True, slots=True)
class ChangeDocument:
    """The whole new text of an open buffer; unknown buffers are ignored."""

    identity: str
    text: str
    version: int | None


@dataclass(frozen=True, slots=True)
class CloseDocument:
    """The disk is the truth of a buffer's file again."""

    identity: str


@dataclass(frozen=True, slots=True)
class Hint:
    """These absolute paths, or something below them, may have changed."""

    paths: tuple[str, ...]
    cause: Cause


@dataclass(frozen=True, slots=True)
class Rescan:
    """A folder is to be compared with the disk; ``reason`` says in words why its watcher wants that."""

    root: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reindex:
    """The rows of these folders (all, if none is named) or of these paths alone are to be made anew."""

    folders: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetPaused:
    """Files are left alone while paused; open buffers stay live."""

    paused: bool


@dataclass(frozen=True, slots=True)
class Clear:
    """The stored rows are to be forgotten and everything built anew."""


@dataclass(frozen=True, slots=True)
class Verify:
    """Files of the index may have been overwritten. ``done`` is set when what lies in such files is gone."""

    done: threading.Event | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """The stored index is to be brought in step as soon as may be. ``begun`` is set when that is known."""

    begun: threading.Event


@dataclass(frozen=True, slots=True)
class Finished:
    """Work that other threads or processes did has ended: ``take`` takes its result over."""

    #: In words, for the log.
    work: str
    take: Callable[[], None]


Command = (
    SetFolders
    | Configure
    | OpenDocument
    | ChangeDocument
    | CloseDocument
    | Hint
    | Rescan
    | Reindex
    | SetPaused
    | Clear
    | Verify
    | Store
    | Finished
)

Post = Callable[[Command], None]


def in_words(command: Command) -> str:
    """Says what a command is, for the log: its name and its cause, and nothing of files' or buffers' text."""
    match command:
        case Finished(work=work):
            return work
        case Hint(paths=paths, cause=cause):
            return f"Hint of {len(paths)} paths from {cause}"
        case Rescan(root=root, reason=reason):
            return f"Rescan of {root}: {reason}"
        case _:
            return type(command).__name__
