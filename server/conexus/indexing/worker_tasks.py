"""What worker processes do: read, chunk and embed many files, and merge segments, while the server stays responsive.

Workers hand over their results in files that the server maps, so that the server neither waits for a result nor holds
it in its own memory.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from conexus.arrays.file import DamagedFile
from conexus.chunking import language_of
from conexus.embedding.embedder import EmbeddingError
from conexus.processes.memory import trim
from conexus.processes.workers import WorkerProcesses
from conexus.segments.analysis import FileFacts, IndexedFile, analyse
from conexus.segments.build import build_segment
from conexus.segments.file import load_segment, save_segment
from conexus.segments.merge import merge_segments
from conexus.segments.segment import MemorySegment
from conexus.workspace.inside import Inside
from conexus.workspace.read import Skipped, read_text
from conexus.workspace.secret_files import MAY_HOLD_SECRETS, holds_secrets

if TYPE_CHECKING:
    from conexus.embedding.embedder import Embedder
    from conexus.embedding.unit_vectors import Vectors

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """A file to read: its folder, and its path relative to the folder."""

    folder: Inside
    path: str


#: Why a file is left out although the file is not at fault, in words for the user.
FAILED = "could not be analysed, see the log"
FATAL = "made the indexing process fail, see the log"

Outcome = IndexedFile | Skipped


def read_and_analyse(
    job: Job,
    max_bytes: int,
    embedder: Embedder,
    reuse: Mapping[int, Vectors] | None = None,
    *,
    index_secrets: bool = False,
) -> Outcome:
    """Reads one file from disk and analyses it, unless it holds secrets that are not to be indexed.

    ``reuse``: known vectors by the digest of their text.

    Raises EmbeddingError if the model fails. Never raises for a file's content.
    """
    text = read_text(job.folder, job.path, max_bytes)
    if isinstance(text, Skipped):
        return text
    first_line = text.text[:200].split("\n", 1)[0]
    language = language_of(job.path, first_line) or "text"
    if not index_secrets and holds_secrets(job.path, language, text.text):
        return Skipped(MAY_HOLD_SECRETS, (text.size, text.mtime_ns))
    facts = FileFacts(job.path, language, text.size, text.mtime_ns, text.digest)
    try:
        return analyse(facts, text.text, embedder, reuse)
    except EmbeddingError:
        raise
    except Exception:
        # A defect in our code that one file triggers must not keep other files from being indexed.
        log.exception("%s cannot be indexed", job.path)
        return Skipped(FAILED, (text.size, text.mtime_ns))


@dataclass(frozen=True, slots=True)
class Task:
    """Files of one folder to read."""

    folder: str
    #: Relative to the folder.
    paths: tuple[str, ...]
    max_bytes: int
    #: The file to write the segment to, and the version of everything that makes its rows.
    into: Path
    version: str
    #: Maps each path to (segment file, file number) where the vectors of the file's former state are stored.
    known: Mapping[str, tuple[Path, int]] = field(default_factory=dict)
    index_secrets: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """The result of a task."""

    #: The segment of the files that could be read, or the path of its file; None if no file could be read.
    segment: MemorySegment | Path | None
    #: Why the other files are left out, by path.
    skipped: Mapping[str, Skipped]
    #: Number of chunks that the model was asked to embed.
    embedded: int = 0


@dataclass(frozen=True, slots=True)
class MergeTask:
    """Segments (or the paths of their files), and the numbers of the files in each that are to make one segment."""

    parts: tuple[tuple[MemorySegment | Path, tuple[int, ...]], ...]
    version: str
    into: Path


class Pool:
    """Hands tasks to worker processes, which embed with the shipped model."""

    def __init__(self, processes: WorkerProcesses) -> None:
        self._processes = processes

    @property
    def workers(self) -> int:
        """Largest number of worker processes."""
        return self._processes.count

    @property
    def running(self) -> bool:
        """Whether the worker processes were started and not stopped since."""
        return self._processes.running

    def read(self, task: Task) -> Future[Read]:
        """Has a worker read files. If a worker dies, every future submitted before its death was noticed fails."""
        return self._processes.submit(_read, task)

    def merge(self, task: MergeTask) -> Future[MemorySegment | Path]:
        """Has a worker merge segments. Returns the path of the result's file; the segment if no file can be written."""
        return self._processes.submit(_merge, task)

    def close(self) -> None:
        """Stops the processes; their work is lost. The next task starts new processes."""
        self._processes.close()


def get_ready() -> None:
    """Loads the model in a worker, before the worker gets its first file."""
    with contextlib.suppress(EmbeddingError):  # reading a file raises the error again
        _model()


@cache
def _model() -> Embedder:
    """Returns the shipped model. It is loaded at the first file, because a process that only merges needs no model."""
    from conexus.embedding.static import StaticEmbedder

    return StaticEmbedder()


def _read(task: Task) -> Read:
    model = _model()
    known = _known_vectors(task.known)
    with Inside(task.folder) as folder:
        outcomes = [
            (
                path,
                read_and_analyse(
                    Job(folder, path), task.max_bytes, model, known.get(path), index_secrets=task.index_secrets
                ),
            )
            for path in task.paths
        ]
    skipped = {path: outcome for path, outcome in outcomes if isinstance(outcome, Skipped)}
    files = [outcome for _, outcome in outcomes if isinstance(outcome, IndexedFile)]
    if not files:
        return Read(None, skipped)
    segment = build_segment(files, model.fingerprint, model.dimensions)
    embedded = sum(file.embedded for file in files)
    return Read(_in_file(segment, task.into, task.version), skipped, embedded)


def _known_vectors(known: Mapping[str, tuple[Path, int]]) -> Mapping[str, Mapping[int, Vectors]]:
    """Returns the vectors of each file's former chunks by digest; none if the segment file cannot be read any more."""
    segments: dict[Path, MemorySegment | None] = {}
    found: dict[str, Mapping[int, Vectors]] = {}
    for path, (place, number) in known.items():
        if place not in segments:
            try:
                segments[place] = load_segment(place, verify=False)[0]
            except (OSError, DamagedFile):
                segments[place] = None
        segment = segments[place]
        if segment is not None:
            found[path] = segment.vectors_by_digest(number)
    return found


def _merge(task: MergeTask) -> MemorySegment | Path:
    parts = [
        (part if isinstance(part, MemorySegment) else load_segment(part, verify=False)[0], files)
        for part, files in task.parts
    ]
    return _in_file(merge_segments(parts), task.into, task.version)


def _in_file(segment: MemorySegment, path: Path, version: str) -> MemorySegment | Path:
    """Writes a segment to a file and returns the path; returns the segment itself if the file cannot be written."""
    try:
        save_segment(path, segment, version)
    except OSError:
        return segment
    finally:
        trim()
    return path
