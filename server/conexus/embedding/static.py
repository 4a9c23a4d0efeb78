"""Static models: each token has one vector, and the vector of a text is the sum of its tokens' vectors.

The layout is that of sentence-transformers' ``StaticEmbedding``; here numpy and tokenizers suffice to run it. The
shipped model also has a weight for each part of a document. In its sums, a token counts by the square root of its
frequency in a part, so that a repeated word does not drown the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from conexus.arrays.file import DamagedFile, load
from conexus.config import STATIC
from conexus.embedding.embedder import EmbeddingError
from conexus.embedding.late_interaction import QueryTokens, TokenEmbedder
from conexus.embedding.recipe import PARTS, RECIPE_VERSION
from conexus.embedding.token_table import TokenVectors
from conexus.embedding.tokenizer import MODULE, SHIPPED, TOKENIZER, DocumentTokens, WordTokens, shipped_tokens
from conexus.embedding.unit_vectors import Vectors, to_unit_length

_BATCH = 256


class StaticEmbedder(TokenEmbedder):
    """Runs a model folder of sentence-transformers' ``StaticEmbedding`` layout (one module)."""

    def __init__(self, folder: Path = SHIPPED) -> None:
        """Raises EmbeddingError if the folder holds no such model."""
        module = folder / MODULE
        if not module.is_dir():
            # sentence-transformers 5 saves the module's files in the model's folder itself.
            module = folder
        try:
            tensors, _, weights = load(module / "model.safetensors", verify=False, follow=True)
            tokenizer = (module / TOKENIZER).read_bytes()
        except OSError as error:
            raise EmbeddingError(f"the model in `{folder.name}` cannot be read: {error.strerror}") from error
        except DamagedFile as error:
            raise EmbeddingError(f"the model in `{folder.name}` is damaged: {error}") from error
        try:
            table = tensors["embedding.weight"]
            self._tokens = shipped_tokens() if folder == SHIPPED else WordTokens(Tokenizer.from_buffer(tokenizer))
        except Exception as error:  # tokenizers raise bare Exceptions
            raise EmbeddingError(f"the model in `{folder.name}` is damaged: {error}") from error
        if table.ndim != 2 or self._tokens.vocabulary > len(table):
            raise EmbeddingError(f"the model in `{folder.name}` is damaged: its tokenizer has more tokens than it")
        #: Weight of each of ``recipe.PARTS``. A model without weights embeds a text as a whole, by the plain mean.
        self._part_weights = tensors.get("part_weights")
        if self._part_weights is not None and self._part_weights.shape != (len(PARTS),):
            raise EmbeddingError(f"the model in `{folder.name}` is damaged: it lacks weights for {len(PARTS)} parts")
        self._table = TokenVectors(table)
        #: The latest query and its tokens.
        self._latest: tuple[str, list[int]] = ("", [])
        hashed = hashlib.blake2b(weights.memory, digest_size=12)
        hashed.update(tokenizer)
        self._fingerprint = f"static-{RECIPE_VERSION}-{hashed.hexdigest()}"

    @property
    def name(self) -> str:
        return STATIC

    @property
    def dimensions(self) -> int:
        return self._table.dimensions

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        if self._part_weights is not None:
            return self.embed_tokens(self._tokens.documents(texts))
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for start in range(0, len(texts), _BATCH):
            rows = vectors[start : start + _BATCH]
            for row, tokens in zip(rows, self._tokens.numbers(texts[start : start + _BATCH]), strict=True):
                np.add.reduce(self._table.of(tokens), axis=0, out=row)
        to_unit_length(vectors)
        return vectors

    def embed_tokens(self, documents: DocumentTokens) -> Vectors:
        """Returns the vectors of documents whose tokens are given.

        Raises ValueError if the model has no weights for the parts of a document.
        """
        if self._part_weights is None:
            raise ValueError("this model takes a text as a whole")
        tokens, shares, starts = documents.weighed(self._part_weights)
        places = self._table.places(tokens)
        vectors = np.zeros((len(documents.lengths), self.dimensions), np.float32)
        for row, (first, last) in zip(vectors, pairwise(starts), strict=True):
            np.matmul(shares[first:last], self._table.vectors.take(places[first:last], axis=0), out=row)
        to_unit_length(vectors)
        return vectors

    def embed_query(self, text: str) -> Vectors:
        tokens = self._numbers(text)
        vector = np.zeros((1, self.dimensions), np.float32)
        if self._part_weights is None:
            np.add.reduce(self._table.of(tokens), axis=0, out=vector[0])
        else:
            # Summed in the order of a document's tokens, so that the same text has the same vector to the last bit.
            numbers, often = np.unique(np.array(tokens, np.int64), return_counts=True)
            shares = float(self._part_weights[-1]) * np.sqrt(often)
            np.matmul(shares.astype(np.float32), self._table.of(numbers), out=vector[0])
        to_unit_length(vector)
        row: Vectors = vector[0]
        return row

    def query_tokens(self, text: str) -> QueryTokens:
        return QueryTokens.of(self._numbers(text), self._table)

    def _numbers(self, query: str) -> list[int]:
        """Returns a query's tokens. The latest are kept, because a search needs the query's vector and its tokens."""
        asked, numbers = self._latest
        if asked != query:
            # A query has no parts. Its lines are joined, so that all of it is the body.
            (numbers,) = self._tokens.numbers([" ".join(query.splitlines())])
            self._latest = query, numbers
        return numbers

    def close(self) -> None:
        """Does nothing, because the model holds only memory."""
