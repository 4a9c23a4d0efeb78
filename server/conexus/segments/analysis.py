"""Analyses one file for the index: makes its chunks, their terms, their tokens and their vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.ragged import Ragged
from conexus.chunking import CHUNKER_VERSION, MOST_CHUNKS, chunk_text
from conexus.chunking.chunk import Chunk
from conexus.embedding.embedder import Embedder
from conexus.embedding.late_interaction import TokenEmbedder
from conexus.embedding.recipe import document_text
from conexus.embedding.unit_vectors import Vectors
from conexus.segments.postings import Occurrences, occurrences
from conexus.segments.terms import TERMS_VERSION, terms

if TYPE_CHECKING:
    from conexus.embedding.tokenizer import DocumentTokens

Digests = NDArray[np.int64]


def analysis_version(fingerprint: str) -> str:
    """Returns a name for everything that determines a file's rows; the model's fingerprint is last, after a ``|``."""
    return f"chunker {CHUNKER_VERSION}, terms {TERMS_VERSION}, {_tokens_version()}|{fingerprint}"


def model_of(version: str) -> str:
    """Returns the fingerprint of the model in an ``analysis_version``."""
    return version.rpartition("|")[2]


def has_current_tokens(version: str) -> bool:
    """Decides whether token numbers in rows of an ``analysis_version`` mean what they mean to this release's model."""
    return version.rpartition("|")[0].endswith(_tokens_version())


def _tokens_version() -> str:
    # The import loads the tokenizers' library, so this is called only where a model is loaded already.
    from conexus.embedding.tokenizer import shipped_tokens_fingerprint

    return f"tokens {shipped_tokens_fingerprint()}"


@dataclass(frozen=True, slots=True)
class FileFacts:
    """The facts that tell whether a file changed since it was indexed."""

    #: Path relative to the folder, with ``/``; for a buffer outside all folders its absolute path or URI.
    path: str
    language: str
    size: int
    mtime_ns: int
    #: Hex digest of the bytes on disk, empty for a text that is not on disk.
    digest: str


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """One file as the index keeps it. Arrays and tuples have one entry for each chunk."""

    facts: FileFacts
    chunks: tuple[Chunk, ...]
    #: 64-bit digests of the embedded texts, shape (chunks,), so that an unchanged chunk is not embedded twice.
    digests: Digests
    #: Vectors of the chunks, shape (chunks, dimensions), float32.
    vectors: Vectors
    #: Tokens of each embedded text, each once, ascending: the shipped model's, whichever model made ``vectors``.
    tokens: Ragged
    #: Occurrences of the terms of the code, of the terms of the name (see ``name_terms``) and of references.
    body: Occurrences
    names: Occurrences
    references: Occurrences
    #: Number of chunks for which the embedder was asked for a vector.
    embedded: int = 0

    def with_vectors(self, vectors: Vectors) -> IndexedFile:
        """Returns the same file with other vectors."""
        return replace(self, vectors=vectors)


def analyse(
    facts: FileFacts,
    text: str,
    embedder: Embedder,
    reuse: Mapping[int, Vectors] | None = None,
    *,
    most_chunks: int = MOST_CHUNKS,
    plain: bool = False,
) -> IndexedFile:
    """Chunks a text, takes its terms and tokens, and embeds its chunks.

    ``reuse`` maps digests to vectors: a chunk whose vector is in it is not embedded. ``plain``: whether the text is
    chunked without the grammar of its language. Raises TooManyChunks if there are more than ``most_chunks``.
    """
    from conexus.embedding.tokenizer import shipped_tokens

    chunks = tuple(chunk_text(text, "text" if plain else facts.language, most_chunks))
    texts = [document_text(facts.path, chunk) for chunk in chunks]
    digests = np.array([_digest(each) for each in texts], np.int64)
    tokens = shipped_tokens().documents(texts)
    vectors, embedded = _embed(texts, tokens, digests, embedder, reuse or {})
    return IndexedFile(
        facts,
        chunks,
        digests,
        vectors,
        tokens.sets(),
        occurrences([terms(chunk.code) for chunk in chunks]),
        occurrences([name_terms(facts.path, chunk) for chunk in chunks]),
        occurrences([chunk.references for chunk in chunks]),
        embedded,
    )


def name_terms(path: str, chunk: Chunk) -> list[str]:
    """Returns the terms of a chunk's name: its symbol, its breadcrumb, its file's stem and the last three folders."""
    return terms(" ".join((chunk.symbol, *chunk.breadcrumb, *_path_words(path))))


@lru_cache(maxsize=16)
def _path_words(path: str) -> tuple[str, ...]:
    place = PurePosixPath(path)
    return place.stem, *place.parent.parts[-3:]


def _embed(
    texts: list[str], tokens: DocumentTokens, digests: Digests, embedder: Embedder, reuse: Mapping[int, Vectors]
) -> tuple[Vectors, int]:
    """Returns the vectors, shape (len(texts), dimensions), and how many of them were made now."""
    vectors = np.zeros((len(texts), embedder.dimensions), np.float32)
    new: list[int] = []
    for row, digest in enumerate(digests.tolist()):
        known = reuse.get(digest)
        if known is None:
            new.append(row)
        else:
            vectors[row] = known
    if not new:
        return vectors, 0
    if isinstance(embedder, TokenEmbedder):
        # ``embedder`` is the shipped model, and ``tokens`` are its tokens.
        vectors[new] = embedder.embed_tokens(tokens if len(new) == len(texts) else tokens.of(new))
    else:
        vectors[new] = embedder.embed_documents([texts[row] for row in new])
    return vectors, len(new)


def _digest(text: str) -> int:
    hashed = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(hashed, "little", signed=True)
