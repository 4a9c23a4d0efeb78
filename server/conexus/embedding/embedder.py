"""Protocols of embedding models: what the index needs from a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from conexus.embedding.late_interaction import QueryTokens
    from conexus.embedding.tokenizer import DocumentTokens

Vectors = NDArray[np.float32]


class EmbeddingError(RuntimeError):
    """The model could not be loaded or could not embed; the message is for the user."""


class Embedder(Protocol):
    """Turns texts into unit vectors. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """The model's name as the user knows it."""
        ...

    @property
    def dimensions(self) -> int: ...

    @property
    def fingerprint(self) -> str:
        """Identifies weights and prompts: two embedders with one fingerprint give the same vectors."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Returns float32 vectors of shape (len(texts), dimensions), each of length 1 (0 for a text without tokens)."""
        ...

    def embed_query(self, text: str) -> Vectors:
        """Returns a float32 vector of shape (dimensions,), of length 1 (0 for a text without tokens)."""
        ...

    def close(self) -> None:
        """Releases what the model holds. A second call is harmless."""
        ...


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


class LoadingEmbedder(Embedder, Protocol):
    """An embedder whose model is loaded in the background, somewhere else."""

    @property
    def given_up(self) -> bool:
        """Whether the model failed so often that it will not be started again."""
        ...

    def wait_ready(self, timeout: float | None = None) -> bool:
        """Waits until the model is loaded. Returns False if that takes longer than ``timeout`` seconds.

        Raises EmbeddingError if the model failed or was closed.
        """
        ...
