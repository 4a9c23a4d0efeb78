"""The shipped model: one vector for each token, the mean of a text's tokens is its vector.

The layout is that of sentence-transformers' ``StaticEmbedding``; here numpy and tokenizers suffice to run it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load
from tokenizers import Tokenizer

from conexus.embedding.embedder import STATIC, EmbeddingError, Vectors
from conexus.embedding.normal import to_unit_length, valid_unicode
from conexus.embedding.recipe import RECIPE_VERSION

SHIPPED = Path(__file__).with_name("model")
#: Tokens of a text beyond these do not count: the head of a definition says what it is.
MAX_TOKENS = 512
_BATCH = 256


class StaticEmbedder:
    """Reads a model folder of sentence-transformers' ``StaticEmbedding`` layout (one module)."""

    def __init__(self, folder: Path = SHIPPED) -> None:
        """Raises EmbeddingError if the folder holds no such model."""
        module = folder / "0_StaticEmbedding"
        if not module.is_dir():
            # Where sentence-transformers 5 saves it.
            module = folder
        try:
            weights = (module / "model.safetensors").read_bytes()
            tokenizer = (module / "tokenizer.json").read_bytes()
        except OSError as error:
            raise EmbeddingError(f"the model in `{folder.name}` cannot be read: {error.strerror}") from error
        try:
            self._table = np.ascontiguousarray(load(weights)["embedding.weight"], np.float32)
            self._tokenizer = Tokenizer.from_buffer(tokenizer)
        except Exception as error:  # tokenizers and safetensors raise bare Exceptions
            raise EmbeddingError(f"the model in `{folder.name}` is damaged: {error}") from error
        if self._table.ndim != 2 or self._tokenizer.get_vocab_size() > len(self._table):
            raise EmbeddingError(f"the model in `{folder.name}` is damaged: its tokenizer knows more tokens than it")
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()
        hashed = hashlib.blake2b(weights, digest_size=12)
        hashed.update(tokenizer)
        self._fingerprint = f"static-{RECIPE_VERSION}-{hashed.hexdigest()}"

    @property
    def name(self) -> str:
        return STATIC

    @property
    def dimensions(self) -> int:
        return int(self._table.shape[1])

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for start in range(0, len(texts), _BATCH):
            batch = [valid_unicode(text) for text in texts[start : start + _BATCH]]
            encodings = self._tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            for row, encoding in enumerate(encodings, start):
                tokens = encoding.ids
                if tokens:
                    np.add.reduce(self._table[tokens], axis=0, out=vectors[row])
        to_unit_length(vectors)
        return vectors

    def embed_query(self, text: str) -> Vectors:
        row: Vectors = self.embed_documents([text])[0]
        return row

    def close(self) -> None:
        """Nothing is held but memory."""
