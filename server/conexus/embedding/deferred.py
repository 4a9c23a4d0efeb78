"""A slow model, used where no one may wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

import numpy as np

from conexus.embedding.embedder import Embedder, EmbeddingError, Vectors

#: So long a query waits for its vector; then it is answered by words alone.
QUERY_SECONDS = 1.0
#: How often one that waits looks whether its question was cancelled.
_CHECK_SECONDS = 0.02


class DeferredEmbedder:
    """Gives the vectors of documents that are ``known``, zeros for others, and a query's vector only in time.

    The zeros are to be filled in later with ``embedder``.
    """

    def __init__(self, embedder: Embedder, known: Callable[[Sequence[str]], Vectors] | None = None) -> None:
        """``embedder`` must be ready. ``known`` takes no time: vectors of texts, zero where there is none."""
        self.embedder = embedder
        self._known = known
        # Asked again and again, also while the model starts anew or after it was closed.
        self.name, self.dimensions, self.fingerprint = embedder.name, embedder.dimensions, embedder.fingerprint
        self._queries = ThreadPoolExecutor(1, "conexus-query-vector")
        #: A query that was not embedded in time: while the model is still at it, no other one waits.
        self._late: Future[Vectors] | None = None

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return np.zeros((len(texts), self.dimensions), np.float32) if self._known is None else self._known(texts)

    def embed_query(self, text: str, check: Callable[[], None] = lambda: None) -> Vectors:
        """Raises EmbeddingError if the model is busy for too long, or at once while it is too busy for another query.

        It raises the same if the model is closed meanwhile. ``check`` is called now and then, and raises if the vector
        is not wanted any more.
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
        self._queries.shutdown(wait=False, cancel_futures=True)
        self.embedder.close()
