"""Static models: one vector for each token, and a text's vector is a sum of its tokens'.

The layout is that of sentence-transformers' ``StaticEmbedding``; here numpy and tokenizers suffice to run it. The
shipped model also says how much the parts of a document count; in its sums a token counts by the square root of how
often a part has it, so that no word drowns the others by being repeated.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from conexus.array_file import DamagedFile, load
from conexus.config import STATIC
from conexus.embedding.embedder import EmbeddingError, Vectors
from conexus.embedding.late import QueryTokens
from conexus.embedding.normal import to_unit_length
from conexus.embedding.recipe import PARTS, RECIPE_VERSION, parts_of
from conexus.embedding.token_vectors import TokenVectors
from conexus.embedding.tokens import MODULE, SHIPPED, TOKENIZER, WordTokens, shipped_tokens

_BATCH = 256


class StaticEmbedder:
    """Runs a model folder of sentence-transformers' ``StaticEmbedding`` layout (one module)."""

    def __init__(self, folder: Path = SHIPPED) -> None:
        """Raises EmbeddingError if the folder holds no such model."""
        module = folder / MODULE
        if not module.is_dir():
            # Where sentence-transformers 5 saves it.
            module = folder
        try:
            tensors, _, weights = load(module / "model.safetensors", verify=False)
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
            raise EmbeddingError(f"the model in `{folder.name}` is damaged: its tokenizer knows more tokens than it")
        #: How much each of ``recipe.PARTS`` counts; a model without this takes a text as a whole, by the plain mean.
        self._part_weights = tensors.get("part_weights")
        if self._part_weights is not None and self._part_weights.shape != (len(PARTS),):
            raise EmbeddingError(f"the model in `{folder.name}` is damaged: it does not weigh {len(PARTS)} parts")
        self._table = TokenVectors(table)
        hashed = hashlib.blake2b(weights, digest_size=12)
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
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for start in range(0, len(texts), _BATCH):
            batch = texts[start : start + _BATCH]
            rows = vectors[start : start + _BATCH]
            if self._part_weights is None:
                for row, tokens in zip(rows, self._tokens.numbers(batch), strict=True):
                    np.add.reduce(self._table.of(tokens), axis=0, out=row)
            else:
                self._weigh_parts(batch, self._part_weights, rows)
        to_unit_length(vectors)
        return vectors

    def embed_query(self, text: str) -> Vectors:
        # A query has no parts, whatever lines it has: it is all body.
        (tokens,) = self._tokens.numbers([" ".join(text.splitlines())])
        vector = np.zeros((1, self.dimensions), np.float32)
        if self._part_weights is None:
            np.add.reduce(self._table.of(tokens), axis=0, out=vector[0])
        else:
            body = float(self._part_weights[-1])
            self._sum({number: body * sqrt(often) for number, often in Counter(tokens).items()}, vector[0])
        to_unit_length(vector)
        row: Vectors = vector[0]
        return row

    def query_tokens(self, text: str) -> QueryTokens:
        """The query for late interaction with sets of this model's tokens."""
        return QueryTokens.of(self._tokens.numbers([text])[0], self._table)

    def _weigh_parts(self, texts: Sequence[str], weights: Vectors, rows: Vectors) -> None:
        """Fill ``rows``, of shape (len(texts), dimensions)."""
        tokens = self._tokens.numbers([part for text in texts for part in parts_of(text)])
        for place, row in enumerate(rows):
            counted: dict[int, float] = {}
            first = len(PARTS) * place
            for weight, part in zip(weights.tolist(), tokens[first : first + len(PARTS)], strict=True):
                for number, often in Counter(part).items():
                    counted[number] = counted.get(number, 0.0) + weight * sqrt(often)
            self._sum(counted, row)

    def _sum(self, counted: Mapping[int, float], row: Vectors) -> None:
        """Fill ``row``, which is zero, with the sum of the tokens' vectors, each as often as it counts."""
        if counted:
            shares = np.fromiter(counted.values(), np.float32, len(counted))
            np.matmul(shares, self._table.of(list(counted)), out=row)

    def close(self) -> None:
        """Nothing is held but memory."""
