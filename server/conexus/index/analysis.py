"""What the index keeps of one file: its chunks, their terms, their tokens and their vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from conexus.chunking import CHUNKER_VERSION, chunk_text
from conexus.chunking.chunk import Chunk
from conexus.embedding.embedder import Embedder, TokenEmbedder, Vectors
from conexus.embedding.recipe import document_text
from conexus.index.postings import Occurrences, occurrences
from conexus.index.terms import TERMS_VERSION, terms
from conexus.ragged import Ragged

if TYPE_CHECKING:
    from conexus.embedding.tokens import DocumentTokens

Digests = NDArray[np.int64]


def analysis_version(fingerprint: str) -> str:
    """Names all that decides what a file's rows are; the model's fingerprint comes last, after a ``|``."""
    return f"chunker {CHUNKER_VERSION}, terms {TERMS_VERSION}, {_tokens_version()}|{fingerprint}"


def model_of(version: str) -> str:
    """The fingerprint of the model in an ``analysis_version``."""
    return version.rpartition("|")[2]


def has_present_tokens(version: str) -> bool:
    """Whether token numbers in rows of an ``analysis_version`` mean what they mean to this release's model."""
    return version.rpartition("|")[0].endswith(_tokens_version())


def _tokens_version() -> str:
    # Loads the tokenizers' library: only where a model is there already.
    from conexus.embedding.tokens import shipped_tokens_fingerprint

    return f"tokens {shipped_tokens_fingerprint()}"


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What tells whether a file changed since it was indexed."""

    #: Relative to the folder, with ``/``; the URI for a buffer without a file.
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
    #: Identify the text that was embedded, so that an unchanged chunk is not embedded twice.
    digests: Digests
    #: Shape (chunks, dimensions), float32.
    vectors: Vectors
    #: The shipped model's tokens of the text that was embedded, each once, ascending; whatever made ``vectors``.
    tokens: Ragged
    body: Occurrences
    names: Occurrences
    references: Occurrences
    #: Of how many chunks the embedder was asked for the vector.
    embedded: int = 0

    def with_vectors(self, vectors: Vectors) -> IndexedFile:
        """The same file with other vectors."""
        return replace(self, vectors=vectors)


def analyse(facts: FileFacts, text: str, embedder: Embedder, reuse: Mapping[int, Vectors] | None = None) -> IndexedFile:
    """Chunk a text, take its terms and tokens, embed the chunks whose vector is not in ``reuse`` (digest -> vector)."""
    from conexus.embedding.tokens import shipped_tokens

    chunks = tuple(chunk_text(text, facts.language))
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
    """The terms by which a chunk is called: its symbol, what encloses it, its file and the folders next to it."""
    return terms(" ".join((chunk.symbol, *chunk.breadcrumb, *_place(path))))


@lru_cache(maxsize=16)
def _place(path: str) -> tuple[str, ...]:
    place = PurePosixPath(path)
    return place.stem, *place.parent.parts[-3:]


def _embed(
    texts: list[str], tokens: DocumentTokens, digests: Digests, embedder: Embedder, reuse: Mapping[int, Vectors]
) -> tuple[Vectors, int]:
    """The vectors, and how many of them were made now."""
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
        # It is the shipped model, whose tokens these are.
        vectors[new] = embedder.embed_tokens(tokens if len(new) == len(texts) else tokens.of(new))
    else:
        vectors[new] = embedder.embed_documents([texts[row] for row in new])
    return vectors, len(new)


def _digest(text: str) -> int:
    hashed = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(hashed, "little", signed=True)
