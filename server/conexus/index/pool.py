"""Worker processes that read, chunk and embed many files while the server's own process stays responsive."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from conexus.chunking import language_of
from conexus.embedding.embedder import EmbeddingError
from conexus.index.analysis import FileFacts, IndexedFile, analyse
from conexus.workspace.read import Skipped, read_text

if TYPE_CHECKING:
    from conexus.embedding.embedder import Embedder, Vectors

log = logging.getLogger(__name__)

#: Enough that passing a batch costs little beside the work, and few enough that results come in steadily.
BATCH_FILES = 24


@dataclass(frozen=True, slots=True)
class Job:
    """A file to read: where it lies, and its path relative to the folder."""

    folder: str
    path: str


#: Why a file is left out through no fault of its own, in the words that users read.
FAILED = "could not be analysed, see the log"
FATAL = "made the indexing process fail, see the log"

Outcome = IndexedFile | Skipped

_embedder: Embedder | None = None


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
        return Skipped(FAILED)


class Pool:
    """Starts its processes at the first batch. They embed with the shipped model."""

    def __init__(self, workers: int) -> None:
        """``workers``: number of processes, 0 for as many as the machine can spare."""
        self.workers = workers or max(1, min(4, os.cpu_count() or 1))
        self._executor: ProcessPoolExecutor | None = None

    def submit(self, jobs: Sequence[Job], max_bytes: int) -> Future[list[Outcome]]:
        """Have a worker read these files. A worker's death breaks all that was submitted before it was noticed."""
        try:
            return self._started().submit(_work, tuple(jobs), max_bytes)
        except BrokenExecutor:
            self.close()
            return self._started().submit(_work, tuple(jobs), max_bytes)

    def _started(self) -> ProcessPoolExecutor:
        if self._executor is None:
            # Editors start the server in the workspace, and Python would look for modules there first: a `types.py`
            # of the user's would be run in place of Python's own, and end every worker.
            os.environ["PYTHONSAFEPATH"] = "1"
            # Not fork: the parent has threads, and LanceDB's do not survive a fork.
            context = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(self.workers, context, initializer=_start)
        return self._executor

    def close(self) -> None:
        """Stop the processes; what they were doing is lost. The next ``submit`` starts new ones."""
        if self._executor is not None:
            executor, self._executor = self._executor, None
            processes = list((executor._processes or {}).values())
            executor.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()


def _start() -> None:
    import signal

    from conexus.embedding.static import StaticEmbedder

    global _embedder  # noqa: PLW0603  one model for a process's life
    # An interrupt at the terminal reaches the whole group; the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(10)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _embedder = StaticEmbedder()


def _end_with_parent() -> None:
    # A killed parent closes no queue that its workers wait at: without this they would wait for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(jobs: Sequence[Job], max_bytes: int) -> list[Outcome]:
    assert _embedder is not None  # noqa: S101  set by _start
    return [read_and_analyse(job, max_bytes, _embedder) for job in jobs]
