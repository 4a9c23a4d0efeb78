"""What the index asks of an embedding model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class EmbeddingError(RuntimeError):
    """The model could not be loaded or could not embed; the message is for the user."""


class Embedder(Protocol):
    """Turns texts into unit vectors. Implementations are safe to call from one thread at a time."""

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
