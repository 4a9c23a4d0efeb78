"""Worker processes that read, chunk and embed many files, and merge segments, while the server stays responsive.

What they make is handed over in files that the server maps: it neither waits for it nor holds it in its own memory.
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

from conexus.array_file import DamagedFile
from conexus.chunking import language_of
from conexus.embedding.embedder import EmbeddingError
from conexus.heap import trim
from conexus.index.analysis import FileFacts, IndexedFile, analyse, analysis_version
from conexus.index.segment import MemorySegment
from conexus.index.segment_build import build_segment
from conexus.index.segment_file import load_segment, save_segment
from conexus.index.segment_merge import merge_segments
from conexus.index.worker_processes import WorkerProcesses
from conexus.workspace.read import Skipped, read_text

if TYPE_CHECKING:
    from conexus.embedding.embedder import Embedder, Vectors

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """A file to read: where it lies, and its path relative to the folder."""

    folder: str
    path: str


#: Why a file is left out through no fault of its own, in the words that users read.
FAILED = "could not be analysed, see the log"
FATAL = "made the indexing process fail, see the log"

Outcome = IndexedFile | Skipped


def read_and_analyse(
    job: Job, max_bytes: int, embedder: Embedder, reuse: Mapping[int, Vectors] | None = None
) -> Outcome:
    """Index one file from disk; ``reuse`` has vectors of texts by their digest. Never raises for a file's content."""
    text = read_text(Path(job.folder, job.path), max_bytes)
    if isinstance(text, Skipped):
        return text
    first_line = text.text[:200].split("\n", 1)[0]
    language = language_of(job.path, first_line) or "text"
    facts = FileFacts(job.path, language, text.size, text.mtime_ns, text.digest)
    try:
        return analyse(facts, text.text, embedder, reuse)
    except EmbeddingError:
        raise
    except Exception:
        # A defect of ours that one file brings out must not keep the others from being indexed.
        log.exception("%s cannot be indexed", job.path)
        return Skipped(FAILED, (text.size, text.mtime_ns))


@dataclass(frozen=True, slots=True)
class Task:
    """Files of one folder to read."""

    folder: str
    #: Relative to the folder.
    paths: tuple[str, ...]
    max_bytes: int
    #: Where the segment made of them is to be written.
    into: Path
    #: Where the vectors of their former states lie: a segment file, and the file's number there.
    known: Mapping[str, tuple[Path, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Read:
    """What became of a task's files."""

    #: What was made of those that could be read, or the file that it lies in; None if there are none.
    segment: MemorySegment | Path | None
    #: Why the others are left out, by path.
    skipped: Mapping[str, Skipped]
    #: How many chunks were embedded.
    embedded: int = 0


@dataclass(frozen=True, slots=True)
class MergeTask:
    """Segments, or the files they lie in, and the numbers of their files that are to make one segment."""

    parts: tuple[tuple[MemorySegment | Path, tuple[int, ...]], ...]
    version: str
    into: Path


class Pool:
    """What worker processes do. They embed with the shipped model."""

    def __init__(self, processes: WorkerProcesses) -> None:
        self._processes = processes

    @property
    def workers(self) -> int:
        """How many processes there are at most."""
        return self._processes.count

    @property
    def running(self) -> bool:
        """Whether there are processes."""
        return self._processes.running

    def read(self, task: Task) -> Future[Read]:
        """Have a worker read files. A worker's death breaks all that was submitted before it was noticed."""
        return self._processes.submit(_read, task)

    def merge(self, task: MergeTask) -> Future[MemorySegment | Path]:
        """Have a worker merge segments; its result lies in a file where one can be written."""
        return self._processes.submit(_merge, task)

    def close(self) -> None:
        """Stop the processes; what they were doing is lost. The next task starts new ones."""
        self._processes.close()


def get_ready() -> None:
    """In a worker, ahead of its first file: load what that takes."""
    with contextlib.suppress(EmbeddingError):  # who reads a file is told
        _model()


@cache
def _model() -> Embedder:
    """Loaded at the first file: a process that only merges needs none."""
    from conexus.embedding.static import StaticEmbedder

    return StaticEmbedder()


def _read(task: Task) -> Read:
    model = _model()
    known = _known_vectors(task.known)
    outcomes = [
        (path, read_and_analyse(Job(task.folder, path), task.max_bytes, model, known.get(path))) for path in task.paths
    ]
    skipped = {path: outcome for path, outcome in outcomes if isinstance(outcome, Skipped)}
    files = [outcome for _, outcome in outcomes if isinstance(outcome, IndexedFile)]
    if not files:
        return Read(None, skipped)
    segment = build_segment(files, model.fingerprint, model.dimensions)
    embedded = sum(file.embedded for file in files)
    return Read(_in_file(segment, task.into, analysis_version(model.fingerprint)), skipped, embedded)


def _known_vectors(known: Mapping[str, tuple[Path, int]]) -> Mapping[str, Mapping[int, Vectors]]:
    """The vectors of files' former chunks by their digest; none of a file whose segment is not there any more."""
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
            found[path] = segment.vectors_of(number)
    return found


def _merge(task: MergeTask) -> MemorySegment | Path:
    parts = [
        (part if isinstance(part, MemorySegment) else load_segment(part, verify=False)[0], files)
        for part, files in task.parts
    ]
    return _in_file(merge_segments(parts), task.into, task.version)


def _in_file(segment: MemorySegment, path: Path, version: str) -> MemorySegment | Path:
    """The file that the segment was written to, or itself where that cannot be done."""
    try:
        save_segment(path, segment, version)
    except OSError:
        return segment
    finally:
        trim()
    return path
