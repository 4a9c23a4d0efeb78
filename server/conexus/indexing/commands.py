"""Defines the commands of the indexer thread: values that it handles one after the other, in the order of posting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from conexus.config import Settings
from conexus.workspace.documents import Document

#: The source of a hint: the client, our own watcher, or an answer that found a file to differ from the index.
Cause = Literal["client", "watcher", "answer"]


@dataclass(frozen=True, slots=True)
class SetFolders:
    """Sets the workspace's folders: absolute paths, none below another."""

    roots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Configure:
    """Sets the settings that apply from now on."""

    settings: Settings


@dataclass(frozen=True, slots=True)
class OpenDocument:
    """Makes the text of a buffer the truth of its file from now on."""

    document: Document


@dataclass(frozen=True, slots=True)
class ChangeDocument:
    """Replaces the whole text of an open buffer; an unknown buffer is ignored."""

    identity: str
    text: str
    version: int | None


@dataclass(frozen=True, slots=True)
class CloseDocument:
    """Makes the disk the truth of a buffer's file again."""

    identity: str


@dataclass(frozen=True, slots=True)
class Hint:
    """Reports that these absolute paths, or something below them, may have changed."""

    paths: tuple[str, ...]
    cause: Cause


@dataclass(frozen=True, slots=True)
class Rescan:
    """Requests that a folder is compared with the disk; ``reason`` says in words why its watcher wants that."""

    root: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reindex:
    """Rebuilds the rows of these folders (all, if none is named) or of these paths alone."""

    folders: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetPaused:
    """Pauses or resumes scans and the reading of files in bulk; open buffers and hints are still handled."""

    paused: bool


@dataclass(frozen=True, slots=True)
class Clear:
    """Deletes the stored rows and rebuilds everything."""


@dataclass(frozen=True, slots=True)
class Verify:
    """Reports that segment files may have been overwritten.

    ``done`` is set when the rows of such files are not searchable any more.
    """

    done: threading.Event | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """Requests that the stored index is brought in step as soon as possible.

    ``begun`` is set when the indexer thread has accepted that.
    """

    begun: threading.Event


@dataclass(frozen=True, slots=True)
class Finished:
    """Reports that work of another thread or process has ended; ``take`` takes over its result."""

    #: The work in words, for the log.
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
    """Returns a command in words, for the log: its name and its cause, and nothing of a file's or buffer's text."""
    match command:
        case Finished(work=work):
            return work
        case Hint(paths=paths, cause=cause):
            return f"Hint of {len(paths)} paths from {cause}"
        case Rescan(root=root, reason=reason):
            return f"Rescan of {root}: {reason}"
        case _:
            return type(command).__name__
