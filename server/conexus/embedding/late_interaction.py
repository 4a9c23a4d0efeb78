"""Late interaction on static token vectors: compares each token of a query with the nearest token of a chunk.

This is MaxSim of Khattab & Zaharia, "ColBERT: Efficient and Effective Passage Search via Contextualized Late
Interaction over BERT", 2020. The shipped model's token vectors have no context, so one product serves all tokens.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from conexus.embedding.token_table import Places, TokenVectors
from conexus.embedding.unit_vectors import Vectors

if TYPE_CHECKING:
    from conexus.embedding.tokenizer import DocumentTokens

#: Maximum number of tokens of a query. Further tokens hardly change the results; a selection used as a query has many.
MOST_TOKENS = 32
#: Number of token vectors that are multiplied at once.
_BLOCK = 256


@dataclass(frozen=True, slots=True, eq=False)
class QueryTokens:
    """The tokens of a query, ready to be compared with the tokens of chunks."""

    #: Unit vectors, shape (tokens, dimensions).
    vectors: Vectors
    #: Weight of each token of the query, shape (tokens,), sum 1: in proportion to the length of the token's vector.
    weights: NDArray[np.float32]
    #: The vectors of all tokens of the model.
    table: TokenVectors

    @staticmethod
    def of(numbers: list[int], table: TokenVectors) -> QueryTokens:
        own = table.places(list(dict.fromkeys(numbers))[:MOST_TOKENS])
        own = own[table.lengths[own] > 0]
        weights = table.lengths[own]
        return QueryTokens(table.vectors[own] / weights[:, None], weights / max(float(weights.sum()), 1e-9), table)

    def best(self, values: NDArray[np.uint16], starts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns, for each row, the cosine of each query token to the nearest token of the row.

        The result has shape (rows, tokens). Row ``r`` has the tokens ``values[starts[r]:starts[r + 1]]``; a row without
        tokens gets 0.
        """
        found = np.zeros((len(self.weights), len(starts) - 1), np.float32)
        if not len(values) or not len(self.weights):
            return found.T
        numbers = values.astype(np.intp)
        mask = np.zeros(self.table.tokens, np.bool_)
        mask[numbers] = True
        own = mask.nonzero()[0]
        places = np.empty(len(mask), np.int32)
        places[own] = np.arange(len(own), dtype=np.int32)
        filled = np.diff(starts).nonzero()[0]
        cosines = self._cosines(self.table.places(own)).take(places[numbers], axis=1)
        found[:, filled] = np.maximum.reduceat(cosines, starts[filled], axis=1)
        return found.T

    def _cosines(self, own: Places) -> NDArray[np.float32]:
        """Returns the cosine of each query token and each token at the places ``own``; shape (tokens, len(own))."""
        found = np.empty((len(self.weights), len(own)), np.float32)
        # In blocks that stay in the processor's cache, because gathering the vectors costs more than multiplying them.
        gathered = np.empty((min(_BLOCK, len(own)), self.table.dimensions), np.float32)
        for start in range(0, len(own), _BLOCK):
            block = own[start : start + _BLOCK]
            # mode="clip", because with "raise", the default, numpy would gather into a copy of `out` first
            self.table.vectors.take(block, axis=0, out=gathered[: len(block)], mode="clip")
            np.matmul(self.vectors, gathered[: len(block)].T, out=found[:, start : start + _BLOCK])
        found /= np.maximum(self.table.lengths[own], 1e-9)
        return found


class TokenEmbedder(ABC):
    """A model that has a vector for each token, so that a query's tokens can be compared with those in the index."""

    # An abstract class, because every search checks which models are of this kind: for a protocol, isinstance compares
    # all methods, which takes a while.

    @abstractmethod
    def embed_tokens(self, documents: DocumentTokens) -> Vectors:
        """Returns vectors as ``embed_documents`` does, for texts whose tokens are known."""

    @abstractmethod
    def query_tokens(self, text: str) -> QueryTokens:
        """Returns the query's tokens, ready for late interaction with sets of this model's tokens."""
