"""Splits the text of a file into chunks, by its language. Pure, and light to import."""

from __future__ import annotations

from conexus.chunking.budget import TooManyChunks
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
CHUNKER_VERSION = 2

#: The largest number of chunks of a file, unless the caller gives another.
MOST_CHUNKS = 20_000

__all__ = [
    "BEGINNING_MS",
    "CHUNKER_VERSION",
    "KINDS",
    "LANGUAGES",
    "MOST_CHUNKS",
    "Chunk",
    "TooManyChunks",
    "canonical_language",
    "chunk_text",
    "did_you_mean",
    "is_known_language",
    "language_of",
    "language_of_document",
]


def chunk_text(text: str, language: str, most: int = MOST_CHUNKS) -> list[Chunk]:
    """Returns the chunks of a file, in order. Every non-blank line is in exactly one chunk.

    Accepts any text and any language. A text with more than ``most`` chunks is cut into runs of lines. Raises
    TooManyChunks if these are more than ``most``, too.
    """
    from conexus.chunking.layout import chunks

    return chunks(text, canonical_language(language), most)
