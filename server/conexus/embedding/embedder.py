"""Protocols of embedding models: what the index needs from a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from conexus.embedding.unit_vectors import Vectors


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
