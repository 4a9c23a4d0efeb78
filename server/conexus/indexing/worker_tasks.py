"""What worker processes do: read, chunk and embed many files, and merge segments, while the server stays responsive.

Workers hand over their results in files that the server maps, so that the server neither waits for a result nor holds
it in its own memory.
"""

from __future__ import annotations

import contextlib
import logging
import signal
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from conexus import limits
from conexus.arrays.file import DamagedFile
from conexus.chunking import TooManyChunks, language_of
from conexus.embedding.embedder import EmbeddingError
from conexus.processes.memory import OwnLimit, trim
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


@dataclass(frozen=True, slots=True)
class FileBounds:
    """How large a file may be, in bytes and in chunks, and whether it may hold secrets."""

    bytes: int
    chunks: int
    secrets: bool = False


#: Why a file is left out after it was read, in words for the user.
FAILED = "could not be analysed, see the log"
FATAL = "made the indexing process fail, see the log"
TOO_HEAVY = "needs more memory than workerMemoryMib"
TOO_MANY_CHUNKS = "more than maxFileChunks chunks"
NO_WORKER = "not read, because worker processes cannot run"
#: The reasons for which a file is quarantined: it is tried again when it changes, in a worker alone.
QUARANTINE = frozenset({FATAL, TOO_HEAVY})

Outcome = IndexedFile | Skipped


def read_and_analyse(
    job: Job, bounds: FileBounds, embedder: Embedder, reuse: Mapping[int, Vectors] | None = None
) -> Outcome:
    """Reads one file from disk and analyses it, unless it holds secrets that are not to be indexed.

    ``reuse``: known vectors by the digest of their text.

    Raises EmbeddingError if the model fails, and MemoryError if the process may not use as much memory as this needs.
    """
    text = read_text(job.folder, job.path, bounds.bytes)
    if isinstance(text, Skipped):
        return text
    first_line = text.text[:200].split("\n", 1)[0]
    language = language_of(job.path, first_line) or "text"
    if not bounds.secrets and holds_secrets(job.path, language, text.text):
        return Skipped(MAY_HOLD_SECRETS, (text.size, text.mtime_ns))
    facts = FileFacts(job.path, language, text.size, text.mtime_ns, text.digest)
    try:
        return analyse(facts, text.text, embedder, reuse, most_chunks=bounds.chunks)
    except (EmbeddingError, MemoryError):
        raise
    except TooManyChunks:
        return Skipped(TOO_MANY_CHUNKS, (text.size, text.mtime_ns))
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
    bounds: FileBounds
    #: The file to write the segment to, and the version of everything that makes its rows.
    into: Path
    version: str
    #: Bytes that the worker may use beyond what it uses without any work.
    memory: int
    #: Maps each path to (segment file, file number) where the vectors of the file's former state are stored.
    known: Mapping[str, tuple[Path, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Read:
    """The result of a task."""

    #: The segment of the files that could be read, or the path of its file; None if no file could be read.
    segment: MemorySegment | Path | None
    #: Why the other files are left out, by path.
    skipped: Mapping[str, Skipped]
    #: Number of chunks that the model was asked to embed.
    embedded: int = 0
    #: Paths of files that were not read, because the others have many chunks; and of those that need more memory.
    unread: tuple[str, ...] = ()
    heavy: tuple[str, ...] = ()
    #: How often each limit acted meanwhile.
    limits: Mapping[str, int] = field(default_factory=dict)


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


#: Chunks after which a worker reads no more files of a task, because it keeps all of them in memory.
_MOST_CHUNKS = 12_000
#: Seconds of processor time after which the system ends a worker that is reading a file, in any case and for each byte.
#: Chunking ends by itself long before; native code may not.
_SECONDS, _SECONDS_PER_BYTE = 20.0, 20e-6
#: Seconds after which the system ends it in any case: native code that is refused memory may hang.
_MOST_SECONDS = 120.0
#: Bytes that merging segments may use, in any case and for each row.
_MERGE_BYTES, _MERGE_BYTES_PER_ROW = 256 << 20, 8 << 10


@cache
def _memory() -> OwnLimit:
    return OwnLimit()


def _read(task: Task) -> Read:
    model = _model()
    _memory().set(task.memory)
    known = _known_vectors(task.known)
    before = limits.counts()
    files: list[IndexedFile] = []
    skipped: dict[str, Skipped] = {}
    heavy: list[str] = []
    chunks = 0
    unread = deque(task.paths)
    with Inside(task.folder) as folder:
        while unread and chunks <= _MOST_CHUNKS:
            path = unread.popleft()
            _limit_seconds(_SECONDS + task.bounds.bytes * _SECONDS_PER_BYTE)
            try:
                outcome = read_and_analyse(Job(folder, path), task.bounds, model, known.get(path))
            except MemoryError:
                heavy.append(path)
                continue
            if isinstance(outcome, Skipped):
                skipped[path] = outcome
            else:
                files.append(outcome)
                chunks += len(outcome.chunks)
    _limit_seconds(0.0)
    acted = {name: number - before.get(name, 0) for name, number in limits.counts().items()}
    rest = Read(None, skipped, 0, tuple(unread), tuple(heavy), acted)
    if not files:
        return rest
    segment = build_segment(files, model.fingerprint, model.dimensions)
    embedded = sum(file.embedded for file in files)
    return replace(rest, segment=_in_file(segment, task.into, task.version), embedded=embedded)


def _limit_seconds(seconds: float) -> None:
    """Has the system end this process after this number of seconds of processor time; 0: never. Not on Windows."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_REAL, max(seconds, _MOST_SECONDS) if seconds else 0.0)


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
    memory = _memory()
    parts = [
        (part if isinstance(part, MemorySegment) else load_segment(part, verify=False)[0], files)
        for part, files in task.parts
    ]
    memory.set(_MERGE_BYTES + _MERGE_BYTES_PER_ROW * sum(len(segment) for segment, _ in parts))
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
