"""A slow model, used where no one may wait for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

import numpy as np

from conexus.embedding.embedder import Embedder, EmbeddingError, Vectors

#: So long a query waits for its vector; then it is answered by words alone.
QUERY_SECONDS = 1.0


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

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return np.zeros((len(texts), self.dimensions), np.float32) if self._known is None else self._known(texts)

    def embed_query(self, text: str) -> Vectors:
        """Raises EmbeddingError if the model is busy for too long."""
        future = self._queries.submit(self.embedder.embed_query, text)
        try:
            return future.result(QUERY_SECONDS)
        except FutureTimeoutError:
            future.cancel()
            raise EmbeddingError(f"the model {self.name} is busy; this answer is by words alone") from None

    def close(self) -> None:
        self._queries.shutdown(wait=False, cancel_futures=True)
        self.embedder.close()
