"""A slow model that is never asked twice for the vector of one text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from conexus.embedding.embedder import Embedder, Vectors
from conexus.index.vector_cache import VectorCache, key_of

#: After so many texts at the latest their vectors are kept, so that a failure or the end of the process costs few.
_TEXTS_AT_ONCE = 64


class RememberedEmbedder:
    """Asks the cache first, then the model, whose answers the cache keeps. Safe to call from any thread.

    Vectors of documents have the precision of float16, in which they are stored, wherever they come from.
    """

    def __init__(self, embedder: Embedder, cache: VectorCache) -> None:
        """``embedder`` must be ready. Both are closed with this."""
        self._embedder, self._cache = embedder, cache
        self.name, self.dimensions, self.fingerprint = embedder.name, embedder.dimensions, embedder.fingerprint
        #: Texts that the model embedded.
        self.embedded = 0

    def known(self, texts: Sequence[str]) -> Vectors:
        """Vectors as ``embed_documents`` gives them, but zero where the cache has none; takes no time."""
        keys = [key_of(text) for text in texts]
        return self._rows(keys, self._cache.get_many(keys))

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        keys = [key_of(text) for text in texts]
        found = self._cache.get_many(keys)
        # The shortest first: a batch of the model is padded to its longest text.
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
