"""Embeds a query with the models whose vectors an index holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conexus.embedding.embedder import Embedder, EmbeddingError
from conexus.embedding.late_interaction import QueryTokens, TokenEmbedder
from conexus.embedding.transformer.deferred import DeferredEmbedder

#: Query vectors by the fingerprint of the model that made them, each of shape (dimensions,).
QueryVectors = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedQuery:
    """The vectors of a query."""

    #: A model that failed is missing; views with its vectors are then searched by words alone.
    vectors: QueryVectors
    #: Why a vector is missing, in words for the user; None if no vector is.
    degraded: str | None = None


def embed_query(embedders: Sequence[Embedder], text: str, check: Callable[[], None] = lambda: None) -> EmbeddedQuery:
    """Embeds a text with each model; a blank text has no vectors.

    Blocks as long as the models need; a ``DeferredEmbedder`` limits that. ``check`` is called during the wait for such
    a model, and raises if the request was cancelled. An EmbeddingError becomes ``degraded``.
    """
    vectors: dict[str, NDArray[np.float32]] = {}
    degraded = None
    for embedder in embedders if text.strip() else ():
        try:
            if isinstance(embedder, DeferredEmbedder):
                vectors[embedder.fingerprint] = embedder.embed_query(text, check)
            else:
                vectors[embedder.fingerprint] = embedder.embed_query(text)
        except EmbeddingError as error:
            degraded = str(error)
    return EmbeddedQuery(vectors, degraded)


def tokens_of_query(embedders: Sequence[Embedder], text: str) -> QueryTokens | None:
    """Returns the text's tokens for late interaction; None if no model has tokens or the text is blank."""
    models = (embedder for embedder in embedders if isinstance(embedder, TokenEmbedder))
    return next((model.query_tokens(text) for model in models if text.strip()), None)
