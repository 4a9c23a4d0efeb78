"""Runs any sentence-transformers model in a process of its own, so that torch is never imported in ours."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np

from conexus import audit
from conexus.embedding.embedder import EmbeddingError
from conexus.embedding.transformer.model_files import ModelSource, check_packages, fingerprint, locate
from conexus.embedding.transformer.process import WorkerProcess
from conexus.embedding.unit_vectors import Vectors

#: Number of texts in a request. Larger requests are no faster on a CPU, and a query waits for the request before it.
_BATCH = 16
_LOAD_SECONDS = 600.0
_DOWNLOAD_SECONDS = 3600.0
#: Number of failures in a row after which the model is not started again.
_ATTEMPTS = 3
#: Seconds before the second start of the model. The pause before each further start is four times as long.
_PAUSE_SECONDS = 1.0


class TransformerEmbedder:
    """Embeds with a model that loads in the background from construction on. Safe to call from any thread.

    Embedding waits until the model is loaded. If the process ends, hangs or grows too large, the current request raises
    EmbeddingError, and the process is started again at the next use after a pause. Until then, and for good after three
    failures in a row, every use raises the same error.
    """

    def __init__(self, model: str, *, memory_mib: int, timeout_seconds: float) -> None:
        """``model`` is the absolute path of a folder or a name of the Hugging Face hub.

        Raises EmbeddingError if there is no such model, if it could run code, or if sentence-transformers or torch is
        missing or too old.
        """
        try:
            check_packages()
            self._source = locate(model)
        except EmbeddingError as error:
            audit.record("modelRefused", model=model, reason=str(error))
            raise
        self._memory_mib = memory_mib
        self._timeout_seconds = timeout_seconds
        self._fingerprint = ""
        self._dimensions = 0
        #: Guards the attributes below, and is notified when one of them changes.
        self._change = threading.Condition()
        self._worker: WorkerProcess | None = None
        self._loading = False
        self._closed = False
        self._failures = 0
        self._problem = ""
        self._retry_at = 0.0
        self._busy = False
        self._queries_waiting = 0
        with self._change:
            self._start()

    @property
    def name(self) -> str:
        return self._source.name

    @property
    def dimensions(self) -> int:
        """The number of dimensions. Waits until the model is loaded; raises EmbeddingError if it cannot be loaded."""
        self._ready_worker()
        return self._dimensions

    @property
    def fingerprint(self) -> str:
        """The fingerprint, which is known before the model is loaded.

        Raises EmbeddingError while a model that is not on this machine is being downloaded.
        """
        if not self._fingerprint:
            folder = self._source.folder
            if folder is None:
                raise EmbeddingError(self.problem or f"the model `{self.name}` is being downloaded")
            self._fingerprint = fingerprint(folder)
        return self._fingerprint

    @property
    def ready(self) -> bool:
        """Whether embedding would start at once."""
        with self._change:
            return self._worker is not None and not self._loading

    @property
    def problem(self) -> str:
        """The last failure, in words for the user; empty if there was none since the last success."""
        with self._change:
            return self._problem

    @property
    def given_up(self) -> bool:
        """Whether the model failed so often that it is not started again."""
        with self._change:
            return self._failures >= _ATTEMPTS

    @property
    def process_id(self) -> int | None:
        """The id of the model's process, None while there is no process."""
        with self._change:
            return None if self._worker is None else self._worker.process_id

    def wait_ready(self, timeout: float | None = None) -> bool:
        """Waits until the model is loaded. Returns False if that takes longer than ``timeout`` seconds.

        Raises EmbeddingError if the model cannot be loaded.
        """
        with self._change:
            self._start_again()
            if not self._change.wait_for(lambda: not self._loading, timeout):
                return False
            self._usable()
            return True

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Returns float32 unit vectors of shape (len(texts), dimensions). Raises EmbeddingError if the model fails."""
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        # Texts of similar length share a batch, because a batch is padded to its longest text.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            vectors[rows] = self._embed("document", [texts[row] for row in rows])
        return vectors

    def embed_query(self, text: str) -> Vectors:
        """Returns a float32 unit vector of shape (dimensions,). A query is embedded before documents that wait.

        Raises EmbeddingError if the model fails.
        """
        row: Vectors = self._embed("query", [text])[0].copy()
        return row

    def close(self) -> None:
        with self._change:
            self._closed = True
            worker, self._worker = self._worker, None
            self._loading = False
            self._change.notify_all()
        if worker is not None:
            worker.stop()

    def _embed(self, kind: Literal["query", "document"], texts: list[str]) -> Vectors:
        with self._turn(urgent=kind == "query"):
            worker = self._ready_worker()
            try:
                head, body = worker.ask({"kind": kind, "texts": texts}, self._timeout_seconds)
            except EmbeddingError as error:
                if not worker.alive:
                    self._failed(worker, error)
                raise
            with self._change:
                self._failures, self._problem = 0, ""
        return np.frombuffer(body, np.float32).reshape(head["shape"])

    @contextmanager
    def _turn(self, *, urgent: bool) -> Iterator[None]:
        with self._change:
            self._queries_waiting += urgent
            self._change.wait_for(lambda: not self._busy and (urgent or not self._queries_waiting))
            self._queries_waiting -= urgent
            self._busy = True
        try:
            yield
        finally:
            with self._change:
                self._busy = False
                self._change.notify_all()

    def _ready_worker(self) -> WorkerProcess:
        with self._change:
            self._start_again()
            self._change.wait_for(lambda: not self._loading)
            return self._usable()

    def _usable(self) -> WorkerProcess:
        if self._closed:
            raise EmbeddingError(f"the model `{self.name}` is closed")
        if self._worker is None:
            raise EmbeddingError(self._problem)
        return self._worker

    def _start_again(self) -> None:
        ended = self._worker is None and not self._loading and not self._closed
        if ended and self._failures < _ATTEMPTS and time.monotonic() >= self._retry_at:
            self._start()

    def _start(self) -> None:
        self._loading = True
        self._worker = worker = WorkerProcess(self._source, self._memory_mib)
        threading.Thread(target=self._load, args=(worker,), name="load model", daemon=True).start()

    def _load(self, worker: WorkerProcess) -> None:
        try:
            loaded = worker.load(_DOWNLOAD_SECONDS if self._source.folder is None else _LOAD_SECONDS)
        except EmbeddingError as error:
            self._failed(worker, error)
            return
        with self._change:
            self._source = ModelSource(self._source.name, Path(loaded["folder"]))
            self._dimensions = loaded["dimensions"]
            self._loading = False
            self._change.notify_all()
        audit.record("modelLoaded", model=self._source.name)

    def _failed(self, worker: WorkerProcess, error: EmbeddingError) -> None:
        worker.stop()
        audit.record("modelFailed", model=self._source.name, reason=str(error))
        with self._change:
            if self._closed:
                return
            self._worker = None
            self._loading = False
            self._problem = str(error)
            self._retry_at = time.monotonic() + _PAUSE_SECONDS * 4**self._failures
            self._failures += 1
            self._change.notify_all()
