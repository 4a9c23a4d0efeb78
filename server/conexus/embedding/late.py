"""Late interaction on static token vectors: how well the best token of a chunk stands for each token of a query.

MaxSim of Khattab & Zaharia, "ColBERT: Efficient and Effective Passage Search via Contextualized Late Interaction over
BERT", 2020, with the shipped model's token vectors, which have no context: one product for all tokens at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conexus.embedding.embedder import Vectors

#: A question's further tokens hardly change what is found; a selection used as a query has many.
MOST_TOKENS = 32


@dataclass(frozen=True, slots=True, eq=False)
class QueryTokens:
    """The tokens of a query, ready to be compared with those of chunks."""

    #: Unit vectors, shape (tokens, dimensions).
    vectors: Vectors
    #: How much each token of the query counts, shape (tokens,), together 1: the length of its vector.
    weights: NDArray[np.float32]
    #: Vectors of all tokens and their lengths, shapes (vocabulary, dimensions) and (vocabulary,).
    table: Vectors
    lengths: NDArray[np.float32]

    @staticmethod
    def of(numbers: list[int], table: Vectors, lengths: NDArray[np.float32]) -> QueryTokens:
        own = np.array(list(dict.fromkeys(numbers))[:MOST_TOKENS], np.int64)
        own = own[lengths[own] > 0]
        weights = lengths[own]
        return QueryTokens(table[own] / weights[:, None], weights / max(float(weights.sum()), 1e-9), table, lengths)

    def best(self, values: NDArray[np.uint16], starts: NDArray[np.int64]) -> NDArray[np.float32]:
        """For each row the cosine of each query token to its nearest token of the row; shape (rows, tokens).

        Row ``r`` has the tokens ``values[starts[r]:starts[r + 1]]``; 0 for a row without any.
        """
        rows = len(starts) - 1
        found = np.zeros((rows, len(self.weights)), np.float32)
        if not len(values) or not len(self.weights):
            return found
        places = np.zeros(len(self.lengths), np.int32)
        places[values] = 1
        own = np.flatnonzero(places)
        places[own] = np.arange(len(own))
        cosines = self.table[own] @ self.vectors.T
        cosines /= np.maximum(self.lengths[own], 1e-9)[:, None]
        filled = np.flatnonzero(np.diff(starts))
        found[filled] = np.maximum.reduceat(cosines[places[values]], starts[filled], axis=0)
        return found
