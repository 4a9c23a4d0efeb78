"""Normalises what every model takes and gives: texts to valid Unicode, vectors to length 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


def valid_unicode(text: str) -> str:
    """Returns the text with lone surrogates replaced, because tokenizers refuse them.

    A broken file name or an editor may contain or send lone surrogates.
    """
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def to_unit_length(vectors: Vectors) -> None:
    """Scales each row of (n, dimensions) to length 1, in place. A row that is zero or not finite becomes zero."""
    # A model in half precision can overflow; one such row would spoil every sum that includes it.
    vectors[~np.isfinite(vectors).all(axis=1)] = 0
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 0)
