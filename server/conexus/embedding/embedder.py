"""What the index asks of an embedding model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from conexus.embedding.late import QueryTokens
    from conexus.embedding.tokens import DocumentTokens

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
        """Vectors of shape (len(texts), dimensions), float32, each of length 1 (or 0 for a text without tokens)."""
        ...

    def embed_query(self, text: str) -> Vectors:
        """A vector of shape (dimensions,), float32, of length 1 (or 0)."""
        ...

    def close(self) -> None:
        """Release what the model holds; calling it twice is harmless."""
        ...


class TokenEmbedder(ABC):
    """A model whose single tokens have vectors, which can be compared with those that the index keeps."""

    # No protocol: each question asks which models are of this kind, and to compare all methods takes a while.

    @abstractmethod
    def embed_tokens(self, documents: DocumentTokens) -> Vectors:
        """As ``embed_documents``, of texts whose tokens are known."""

    @abstractmethod
    def query_tokens(self, text: str) -> QueryTokens:
        """The query for late interaction with sets of this model's tokens."""


class LoadingEmbedder(Embedder, Protocol):
    """An embedder whose model is loaded in the background, somewhere else."""

    @property
    def given_up(self) -> bool:
        """Whether it failed so often that it will not be tried again."""
        ...

    def wait_ready(self, timeout: float | None = None) -> bool:
        """Block until the model is loaded; False on time-out. EmbeddingError if it failed or was closed."""
        ...
