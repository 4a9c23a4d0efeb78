"""Defines the commands of the indexer thread: values that it handles one after the other, in the order of posting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from conexus.config import Settings
from conexus.indexing.folder_index import FolderIndex
from conexus.indexing.session_index import SessionClient, SessionIndex
from conexus.indexing.workspace_folder import WorkspaceFolder
from conexus.segments.analysis import IndexedFile
from conexus.storage.lance.schema import StoredFile
from conexus.storage.manifest import LoadedSegment
from conexus.workspace.documents import Documents

#: The source of a hint: the client, our own watcher, or an answer that found a file to differ from the index.
Cause = Literal["client", "watcher", "answer"]

# --- what clients want ---


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Begins a session. Its folders are not known yet."""

    client: SessionClient
    settings: Settings


@dataclass(frozen=True, slots=True)
class CloseSession:
    """Ends a session: its folders are closed unless another session has them."""

    client: SessionClient


@dataclass(frozen=True, slots=True)
class SetFolders:
    """Sets a session's folders: absolute paths, none below another."""

    client: SessionClient
    roots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Configure:
    """Sets a session's settings that apply from now on."""

    client: SessionClient
    settings: Settings


@dataclass(frozen=True, slots=True)
class SetDocuments:
    """Sets a session's open documents; ``changed`` has the identities of those that were opened, edited or closed."""

    client: SessionClient
    documents: Documents
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hint:
    """Reports that these absolute paths, or something below them, may have changed."""

    paths: tuple[str, ...]
    cause: Cause


@dataclass(frozen=True, slots=True)
class Reindex:
    """Rebuilds the rows of these folders and of these absolute paths."""

    roots: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clear:
    """Deletes the stored rows of these folders and rebuilds them."""

    roots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetPaused:
    """Pauses or resumes scans and the reading of files in bulk; open documents and hints are still handled."""

    paused: bool


@dataclass(frozen=True, slots=True)
class Verify:
    """Reports that segment files may have been overwritten.

    ``done`` is set when the rows of such files are not searchable any more.
    """

    done: threading.Event | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """Requests that the stored indexes are brought in step as soon as possible.

    ``begun`` is set when the indexer thread has accepted that.
    """

    begun: threading.Event


# --- what other threads and processes have done ---


@dataclass(frozen=True, slots=True)
class Rescan:
    """Requests that a folder is compared with the disk; ``reason`` says in words why its watcher wants that."""

    root: str
    reason: str


@dataclass(frozen=True, slots=True)
class SegmentsLoaded:
    """Reports the stored segments of a folder that was opened."""

    folder: WorkspaceFolder
    segments: tuple[LoadedSegment, ...]


@dataclass(frozen=True, slots=True)
class TablesOpened:
    """Reports what the tables of a folder hold, by path."""

    folder: WorkspaceFolder
    files: Mapping[str, StoredFile]


@dataclass(frozen=True, slots=True)
class MergeFinished:
    """Reports that a worker has ended a merge of a folder's segments. ``name``: of the file of the merged segment."""

    root: str
    name: str


@dataclass(frozen=True, slots=True)
class WriteFinished:
    """Reports that the store thread has ended a piece of work on a folder's index. The outcome waits there."""

    root: str


@dataclass(frozen=True, slots=True)
class IndicesMade:
    """Reports that LanceDB's indices of a folder's tables were made, or, without ``made``, that this failed."""

    root: str
    #: Number of the folder's state, see ``SearchModes``.
    state: int
    made: bool


@dataclass(frozen=True, slots=True)
class CandidatesReady:
    """Reports that a folder's indices answered their first query, or, without ``ready``, that they did not."""

    root: str
    #: Number of the folder's state, see ``SearchModes``.
    state: int
    ready: bool


@dataclass(frozen=True, slots=True)
class ModelReady:
    """Reports that the model that the user chose can embed. ``run`` numbers the models that were chosen."""

    run: int


@dataclass(frozen=True, slots=True)
class FolderBuilt:
    """Reports that a folder's index by the chosen model is complete; it is handed over."""

    run: int
    folder: WorkspaceFolder


@dataclass(frozen=True, slots=True, eq=False)
class WantedVectors:
    """A file that lacks vectors of its folder's model: a file of ``folder``, or an open document of ``session``."""

    index: FolderIndex
    file: IndexedFile
    folder: WorkspaceFolder
    session: SessionIndex | None = None

    @property
    def path(self) -> str:
        return self.file.facts.path

    @property
    def key(self) -> tuple[int, str]:
        """Tells the files of all indexes apart."""
        return id(self.index), self.path


@dataclass(frozen=True, slots=True)
class VectorsMade:
    """Reports files with all their vectors, each beside what wanted them."""

    run: int
    filled: Sequence[tuple[WantedVectors, IndexedFile]]


Command = (
    OpenSession
    | CloseSession
    | SetFolders
    | Configure
    | SetDocuments
    | Hint
    | Reindex
    | Clear
    | SetPaused
    | Verify
    | Store
    | Rescan
    | SegmentsLoaded
    | TablesOpened
    | MergeFinished
    | WriteFinished
    | IndicesMade
    | CandidatesReady
    | ModelReady
    | FolderBuilt
    | VectorsMade
)

Post = Callable[[Command], None]


def in_words(command: Command) -> str:
    """Returns a command in words, for the log: its name and its cause, and nothing of a file's or document's text."""
    match command:
        case Hint(paths=paths, cause=cause):
            return f"Hint of {len(paths)} paths from {cause}"
        case Rescan(root=root, reason=reason):
            return f"Rescan of {root}: {reason}"
        case MergeFinished(root=root) | WriteFinished(root=root) | IndicesMade(root=root) | CandidatesReady(root=root):
            return f"{type(command).__name__} of {root}"
        case SegmentsLoaded(folder=folder) | TablesOpened(folder=folder) | FolderBuilt(folder=folder):
            return f"{type(command).__name__} of {folder.root}"
        case _:
            return type(command).__name__
