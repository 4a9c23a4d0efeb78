"""Splits the text of a file into chunks, by its language. Pure, and light to import."""

from __future__ import annotations

from conexus.chunking.chunk import KINDS, Chunk
from conexus.chunking.languages import (
    BEGINNING_MS,
    LANGUAGES,
    canonical_language,
    did_you_mean,
    is_known_language,
    language_of,
    language_of_document,
)

#: Version of the chunks. Raise it when the same text may give other chunks: an index with another version is rebuilt.
CHUNKER_VERSION = 1

__all__ = [
    "BEGINNING_MS",
    "CHUNKER_VERSION",
    "KINDS",
    "LANGUAGES",
    "Chunk",
    "canonical_language",
    "chunk_text",
    "did_you_mean",
    "is_known_language",
    "language_of",
    "language_of_document",
]


def chunk_text(text: str, language: str) -> list[Chunk]:
    """Returns the chunks of a file, in order. Every non-blank line is in exactly one chunk.

    Accepts any text and any language.
    """
    from conexus.chunking.layout import chunks

    return chunks(text, canonical_language(language))
