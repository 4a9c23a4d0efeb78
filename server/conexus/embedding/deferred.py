"""A slow model, used where no one may wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

import numpy as np

from conexus.embedding.embedder import Embedder, EmbeddingError, Vectors

#: So long a query waits for its vector; then it is answered by words alone.
QUERY_SECONDS = 1.0


class DeferredEmbedder:
    """Gives zero vectors for documents, to be filled in later with ``embedder``, and a query's vector only in time."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self._queries = ThreadPoolExecutor(1, "conexus-query-vector")

    @property
    def name(self) -> str:
        return self.embedder.name

    @property
    def dimensions(self) -> int:
        return self.embedder.dimensions

    @property
    def fingerprint(self) -> str:
        return self.embedder.fingerprint

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return np.zeros((len(texts), self.dimensions), np.float32)

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
