"""Brings in a model that takes long to load and to embed with, while another one answers.

In a thread of its own it builds each folder's index beside the one that is searched. When that has taken over, it
fills in the vectors of what changes: such chunks are found by words at once, and by meaning a little later.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from conexus.embedding.deferred import DeferredEmbedder
from conexus.embedding.embedder import Embedder, EmbeddingError
from conexus.embedding.recipe import document_text
from conexus.index.analysis import IndexedFile
from conexus.index.bulk import Key
from conexus.index.tracked import TrackedFolder
from conexus.workspace.scan import scan

log = logging.getLogger(__name__)


class SlowModel:
    """Its methods return at once; what they are given to call is called from the model's own thread."""

    def __init__(self, load: Callable[[], Embedder]) -> None:
        """``load`` may take as long as it takes; EmbeddingError if the model cannot be had."""
        self._load = load
        self._thread = ThreadPoolExecutor(1, "conexus-embed")
        self._filling: dict[Key, IndexedFile] = {}
        self.embedder: DeferredEmbedder | None = None
        #: Why the model cannot be used, in words for the user.
        self.problem: str | None = None
        self.closed = False

    @property
    def pending(self) -> int:
        """Files whose vectors are to come."""
        return len(self._filling)

    def start(self, ready: Callable[[DeferredEmbedder], None]) -> None:
        """Load the model."""

        def work() -> None:
            self.embedder = DeferredEmbedder(self._load())
            ready(self.embedder)

        self._submit(work)

    def build(self, tracked: TrackedFolder, done: Callable[[], None]) -> None:
        """Make a folder's index equal to the disk. Until ``done`` is called no one else may touch ``tracked``."""

        def work() -> None:
            loaded = tracked.persistence.open().result()
            tracked.index.adopt(loaded.segments)
            tracked.stale = {path for path, each in loaded.files.items() if each.version != tracked.persistence.version}
            found = scan(tracked.root, tracked.rules, tracked.settings, stop=lambda: self.closed)
            changed, gone = tracked.differences(found, frozenset())
            tracked.remove(gone)
            for path in changed:
                if self.closed:
                    return
                tracked.read(path)
                tracked.stale.discard(path)
                tracked.index.seal()
                tracked.persistence.flush_if_due()
            done()

        self._submit(work)

    def fill(self, key: Key, file: IndexedFile, done: Callable[[IndexedFile, IndexedFile], None]) -> None:
        """Embed the chunks of a file that have no vector; ``done`` gets the file as it was given, and with vectors."""
        missing = np.flatnonzero(~file.vectors.any(axis=1))
        if not len(missing):
            return
        self._filling[key] = file

        def work() -> None:
            if self.closed or self._filling.get(key) is not file or self.embedder is None:
                return  # a newer state of the file came meanwhile
            try:
                texts = [document_text(file.facts.path, file.chunks[row]) for row in missing.tolist()]
                vectors = file.vectors.copy()
                vectors[missing] = self.embedder.embedder.embed_documents(texts)
                done(file, file.with_vectors(vectors))
            finally:
                if self._filling.get(key) is file:
                    del self._filling[key]

        self._submit(work)

    def close(self) -> None:
        """Stop after the batch under way."""
        self.closed = True
        if self.embedder is not None:
            self.embedder.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _submit(self, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except EmbeddingError as error:
                self.problem = str(error)
                log.warning("%s", error)
            except Exception:
                self.problem = "the model failed, see the log"
                log.exception("the model failed")

        self._thread.submit(guarded)
