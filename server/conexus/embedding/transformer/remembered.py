"""An embedder that never asks a slow model twice for the vector of the same text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from conexus.embedding.embedder import Embedder, Vectors
from conexus.embedding.transformer.vector_cache import VectorCache, key_of

#: Most texts that are embedded before their vectors are cached, so that a failure or the end of the process loses few
#: vectors.
_TEXTS_AT_ONCE = 64


class RememberedEmbedder:
    """Takes vectors from the cache, asks the model for the others and caches these. Safe to call from any thread.

    Vectors of documents have the precision of float16, in which they are stored, whether or not they were cached.
    """

    def __init__(self, embedder: Embedder, cache: VectorCache) -> None:
        """``embedder`` must be ready. ``close`` closes ``embedder`` and ``cache``."""
        self._embedder, self._cache = embedder, cache
        self.name, self.dimensions, self.fingerprint = embedder.name, embedder.dimensions, embedder.fingerprint
        #: Number of texts that the model embedded.
        self.embedded = 0

    def known(self, texts: Sequence[str]) -> Vectors:
        """Returns vectors as ``embed_documents`` does, but zero if the cache has none. Asks no model: takes no time."""
        keys = [key_of(text) for text in texts]
        return self._rows(keys, self._cache.get_many(keys))

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        keys = [key_of(text) for text in texts]
        found = self._cache.get_many(keys)
        # The shortest first, because the model pads a batch to its longest text.
        missing = dict(sorted(zip(keys, texts, strict=True), key=lambda pair: len(pair[1])))
        new = [(key, text) for key, text in missing.items() if key not in found]
        for start in range(0, len(new), _TEXTS_AT_ONCE):
            some = new[start : start + _TEXTS_AT_ONCE]
            vectors = self._embedder.embed_documents([text for _, text in some])
            vectors = vectors.astype(np.float16).astype(np.float32)
            self.embedded += len(some)
            self._cache.put_many([key for key, _ in some], vectors)
            found.update((key, vector) for (key, _), vector in zip(some, vectors, strict=True))
        return self._rows(keys, found)

    def embed_query(self, text: str) -> Vectors:
        return self._embedder.embed_query(text)

    def close(self) -> None:
        self._embedder.close()
        self._cache.close()

    def _rows(self, keys: Sequence[bytes], found: dict[bytes, Vectors]) -> Vectors:
        rows = np.zeros((len(keys), self.dimensions), np.float32)
        for row, key in enumerate(keys):
            if key in found:
                rows[row] = found[key]
        return rows
