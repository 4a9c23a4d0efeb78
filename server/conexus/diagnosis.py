"""The part of the engine's API that needs no engine: what is stored, what is known, whether parts work."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from conexus.config import STATIC, Settings, default_data_directory
from conexus.values import BadQuery, EngineError


def stored_index_of(folder: Path) -> Path | None:
    """Returns the directory of a folder's stored index by the shipped model; None if the folder was not indexed."""
    from conexus.storage.index_directory import has_stored_index, index_directory

    directory = index_directory(default_data_directory(), os.path.realpath(folder), STATIC)
    return directory if has_stored_index(directory) else None


def check_languages(names: list[str]) -> None:
    """Raises BadQuery if one of these is not the name of a language, or an alias of one."""
    from conexus.chunking import did_you_mean, is_known_language

    for name in names:
        if not is_known_language(name):
            raise BadQuery(f"there is no language `{name}`{did_you_mean(name)}")


def languages() -> list[str]:
    """Returns the names of the languages that are chunked by definitions."""
    from conexus.chunking import LANGUAGES

    return sorted(LANGUAGES)


def languages_without_definitions(samples: Mapping[str, str]) -> list[str]:
    """Returns the languages of the samples in which no definition is found, because their grammars do not work here."""
    from conexus.chunking import chunk_text

    broken = []
    for language, text in samples.items():
        try:
            understood = any(chunk.symbol for chunk in chunk_text(text, language))
        except Exception:  # whatever a wheel for another machine may raise  # noqa: BLE001
            understood = False
        if not understood:
            broken.append(language)
    return broken


def try_shipped_model() -> tuple[str, bool]:
    """Embeds a few texts with the shipped model. Returns the model in words, and whether its vectors carry meaning."""
    from conexus.embedding.static import StaticEmbedder

    embedder = StaticEmbedder()
    near, far = embedder.embed_documents(["def read_file(path): return open(path).read()", "class Colour(Enum): RED"])
    query = embedder.embed_query("load the content of a file")
    words = f"{embedder.name}, {embedder.dimensions} dimensions, {embedder.fingerprint}"
    return words, bool(query @ near > query @ far)


def try_model(name: str) -> str:
    """Loads a sentence-transformers model, as the setting ``model`` names it, and embeds a query.

    Returns the model in words. Raises EngineError if it cannot be used.
    """
    from conexus.embedding.embedder import EmbeddingError
    from conexus.embedding.transformer.embedder import TransformerEmbedder

    limits = Settings()
    try:
        embedder = TransformerEmbedder(
            name, memory_mib=limits.model_memory_mib, timeout_seconds=limits.model_timeout_seconds
        )
        try:
            embedder.embed_query("load the content of a file")
            return f"{embedder.name}, {embedder.dimensions} dimensions"
        finally:
            embedder.close()
    except EmbeddingError as error:
        raise EngineError(str(error)) from error
