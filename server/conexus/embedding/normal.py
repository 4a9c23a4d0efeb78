"""What every model needs of its texts and vectors: texts that are valid Unicode, vectors of length 1."""

from __future__ import annotations

import numpy as np

from conexus.embedding.embedder import Vectors


def valid_unicode(text: str) -> str:
    """The text with lone surrogates (of a broken file name or an editor) replaced; tokenizers refuse them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def to_unit_length(vectors: Vectors) -> None:
    """Scale each row of (n, dimensions) to length 1, in place; a row that is zero or not finite becomes zero."""
    # A model in half precision can overflow; one such row would spoil every sum it enters.
    vectors[~np.isfinite(vectors).all(axis=1)] = 0
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 0)
