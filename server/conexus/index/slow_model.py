"""Brings in a model that takes long to load and to embed with, while another one answers.

In a thread of its own it builds each folder's index beside the one that is searched. When that has taken over, it
fills in the vectors of what changes: such chunks are found by words at once, and by meaning a little later.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from conexus.embedding.deferred import DeferredEmbedder
from conexus.embedding.embedder import EmbeddingError, LoadingEmbedder, Vectors
from conexus.embedding.recipe import document_text
from conexus.index.analysis import IndexedFile
from conexus.index.bulk import Key
from conexus.index.folder import Fresh
from conexus.index.loop import Command
from conexus.index.tracked import TrackedFolder
from conexus.workspace.scan import scan

log = logging.getLogger(__name__)

#: After a failure the model starts again by itself, sooner than this.
_RETRY_SECONDS = 5.0


class SlowModel:
    """Its methods return at once. Callbacks are handed to ``post``, so that they run in the indexer's thread."""

    def __init__(self, load: Callable[[], LoadingEmbedder], post: Callable[[Command], None]) -> None:
        """``load`` starts loading the model and raises EmbeddingError if it cannot be had."""
        self._load, self._post = load, post
        self._loading: LoadingEmbedder | None = None
        self._closing = threading.Event()
        self._thread = ThreadPoolExecutor(1, "conexus-embed")
        self._filling: dict[Key, IndexedFile] = {}
        self.embedder: DeferredEmbedder | None = None
        #: Why the model cannot be used, in words for the user.
        self.problem: str | None = None

    @property
    def pending(self) -> int:
        """Files whose vectors are to come."""
        return len(self._filling)

    def start(self, ready: Command) -> None:
        """Load the model."""

        def work() -> None:
            # Held before it is ready, so that closing can end a load that takes minutes.
            self._loading = self._loading or self._load()
            self._loading.wait_ready()
            self.embedder = DeferredEmbedder(self._loading)
            self._post(ready)

        self._submit(work)

    def build(self, tracked: TrackedFolder, done: Command) -> None:
        """Make a folder's index equal to the disk. Until ``done`` is called no one else may touch ``tracked``."""

        def work() -> None:
            loaded = tracked.persistence.open().result()
            tracked.index.adopt(loaded.segments)
            tracked.stale = tracked.outdated(loaded.files)
            found = scan(tracked.root, tracked.rules, tracked.settings, stop=lambda: self.closed)
            changed, gone = tracked.differences(found, frozenset())
            tracked.remove(gone)
            for path in changed:
                if self.closed:
                    return
                tracked.read(path)
                tracked.stale.discard(path)
                tracked.index.seal()
                tracked.persistence.flush_if_due(first_index=False, asked_at=0.0)
            self._post(done)

        self._submit(work)

    def fill(self, tracked: TrackedFolder, path: str, done: Command) -> None:
        """Have the vectors made that a file in the overlay lacks. ``done`` is called when they are there."""
        fresh = tracked.index.overlay.get(path)
        missing = np.flatnonzero(~fresh.file.vectors.any(axis=1)) if fresh is not None else ()
        if fresh is None or not len(missing):
            return
        file, key = fresh.file, (tracked.root, path)
        self._filling[key] = file

        def take(vectors: Vectors) -> None:
            now = tracked.index.overlay.get(path)
            if now is not None and now.file is file:
                tracked.index.replace(path, Fresh(file.with_vectors(vectors), now.text))
                done()
            self._forget(key, file)

        def work() -> None:
            if self.closed or self._filling.get(key) is not file or self.embedder is None:
                return  # a newer state of the file came meanwhile
            vectors = file.vectors.copy()
            try:
                texts = [document_text(path, file.chunks[row]) for row in missing]
                vectors[missing] = self.embedder.embedder.embed_documents(texts)
            except EmbeddingError:
                raise
            except Exception:
                self._forget(key, file)
                raise
            self._post(lambda: take(vectors))

        self._submit(work)

    def _forget(self, key: Key, file: IndexedFile) -> None:
        if self._filling.get(key) is file:
            del self._filling[key]

    @property
    def closed(self) -> bool:
        return self._closing.is_set()

    def close(self) -> None:
        """Stop after the batch under way."""
        self._closing.set()
        if self.embedder is not None:
            self.embedder.close()
        elif self._loading is not None:
            self._loading.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _submit(self, work: Command) -> None:
        def guarded() -> None:
            while not self.closed:
                try:
                    work()
                except EmbeddingError as error:
                    log.warning("%s", error)
                    self.problem = str(error)
                    if self._loading is None or self._loading.given_up:
                        self._filling.clear()
                        return
                    self._closing.wait(_RETRY_SECONDS)
                except Exception:
                    log.exception("the model failed")
                    self.problem = "the model failed, see the log"
                    return
                else:
                    self.problem = None
                    return

        if not self.closed:
            self._thread.submit(guarded)
