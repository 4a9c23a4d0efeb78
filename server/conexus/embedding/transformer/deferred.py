"""Wraps a slow model for callers that must not wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

import numpy as np

from conexus.embedding.embedder import Embedder, EmbeddingError
from conexus.embedding.unit_vectors import Vectors

#: Seconds that a query waits for its vector. After that, the query is answered by words alone.
QUERY_SECONDS = 1.0
#: Seconds between two checks of whether a waiting query was cancelled.
_CHECK_SECONDS = 0.02


class DeferredEmbedder:
    """Embeds without a long wait: documents get their known vectors or zeros, a query gets its vector in time or fails.

    The zeros are to be replaced later with vectors from ``embedder``.
    """

    def __init__(self, embedder: Embedder, known: Callable[[Sequence[str]], Vectors] | None = None) -> None:
        """``embedder`` must be ready. ``known`` returns vectors at once, with a zero row for each unknown text."""
        self.embedder = embedder
        self._known = known
        # Copied, because callers read them often, also while the model restarts and after it was closed.
        self.name, self.dimensions, self.fingerprint = embedder.name, embedder.dimensions, embedder.fingerprint
        self._queries = ThreadPoolExecutor(1, "conexus-query-vector")
        #: The query that was not embedded in time. While the model still works on it, every other query fails at once.
        self._late: Future[Vectors] | None = None

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return np.zeros((len(texts), self.dimensions), np.float32) if self._known is None else self._known(texts)

    def embed_query(self, text: str, check: Callable[[], None] = lambda: None) -> Vectors:
        """Returns the query's vector, of shape (dimensions,).

        Raises EmbeddingError if the model needs longer than ``QUERY_SECONDS``, at once while the model still works on
        an earlier query that was late, and if the model is closed while the query waits. ``check`` is called several
        times during the wait, and raises an exception if the vector is not wanted any more.
        """
        late = self._late
        if late is not None and not late.done():
            raise self._busy()
        until = time.monotonic() + QUERY_SECONDS
        try:
            future = self._queries.submit(self.embedder.embed_query, text)
        except RuntimeError as error:  # the executor is shut down
            raise self._closed() from error
        try:
            while True:
                check()
                left = until - time.monotonic()
                try:
                    return future.result(max(0.0, min(left, _CHECK_SECONDS)))
                except FutureTimeoutError:
                    if left <= 0:
                        break
        except CancelledError as error:  # by `close`
            raise self._closed() from error
        except BaseException:
            future.cancel()
            raise
        if not future.cancel():
            self._late = future
        raise self._busy()

    def _busy(self) -> EmbeddingError:
        return EmbeddingError(f"the model {self.name} is busy; this answer is by words alone")

    def _closed(self) -> EmbeddingError:
        return EmbeddingError(f"the model {self.name} was replaced; this answer is by words alone")

    def close(self) -> None:
        """Fails the queries that wait, and closes the model."""
        self._queries.shutdown(wait=False, cancel_futures=True)
        self.embedder.close()
