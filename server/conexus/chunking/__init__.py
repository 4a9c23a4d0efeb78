"""Chunking: from a file's text and language to its chunks. Pure, and light to import."""

from __future__ import annotations

from conexus.chunking.chunk import KINDS, Chunk
from conexus.chunking.languages import (
    BEGINNING_MS,
    LANGUAGES,
    canonical_language,
    language_of,
    language_of_document,
)

#: Raised whenever the same text may give other chunks than before: an index with another version is built anew.
CHUNKER_VERSION = 1

__all__ = [
    "BEGINNING_MS",
    "CHUNKER_VERSION",
    "KINDS",
    "LANGUAGES",
    "Chunk",
    "canonical_language",
    "chunk_text",
    "language_of",
    "language_of_document",
]


def chunk_text(text: str, language: str) -> list[Chunk]:
    """The chunks of a file, in order; every non-blank line is in exactly one. Takes any text and any language."""
    from conexus.chunking.layout import chunks

    return chunks(text, canonical_language(language))
