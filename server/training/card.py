"""Writes the model card, from what was really done."""

from __future__ import annotations

import re
from collections import Counter

from corpus import read_corpus
from pairs import Pairs
from train import Recipe

_CARD = """\
# The embedding model of Conexus

A static embedding model for code search: {vocabulary} token vectors of {dimensions} dimensions (float16). The
vector of a text is the sum of its tokens' vectors, each times the square root of how often it occurs; how much a
token counts is the length of its vector. A document has parts (path, breadcrumb, symbol, body) whose sums are
weighed by `part_weights`. Queries and documents share the table. The tokenizer splits `camelCase` and
`snake_case`, lower-cases, strips accents and punctuation.

Layout: sentence-transformers' `StaticEmbedding`. `SentenceTransformer("…/model")` loads it, but takes plain means;
Conexus itself needs only numpy and tokenizers. A document's text is made by `conexus/embedding/recipe.py`.

## Data

`server/training/corpus.toml` pins {packages} packages with their digests
({registries}).
This model learned from {used} of them: {definitions} definitions, {documented} of them documented, found by
Conexus's own chunker in the languages that it parses. Projects of the retrieval benchmarks
(`server/training/excluded.json`) are kept out by name, by path and by what files say of themselves, those of the
dev data also by fingerprints of their functions.

Trained on: the first sentence of a definition's documentation -> the definition without it, and the
definition's name -> its body with the name masked; neighbours of one package serve as hard negatives
(InfoNCE, batches of {batch}, {epochs} epochs). The vectors began with what all-MiniLM-L6-v2 makes of each token.

## Licences

The model: MIT, as Conexus. The packages of the corpus, by their metadata or Debian's copyright files; files in
them under other than permissive licences were left out:

{licences}

The model that the vectors began with, all-MiniLM-L6-v2, is under Apache-2.0.

## Metrics

{metrics}

## Make it again

    python server/training/make_model.py

See `server/training/README.md`.
"""

_NAMES = {"debian": "Debian", "npm": "npm", "pypi": "PyPI"}


def _family(licence: str) -> str:
    text = licence.lower()
    families = (
        ("mit", "MIT"), ("expat", "MIT"), ("apache", "Apache-2.0"), ("bsd", "BSD"), ("isc", "ISC"), ("zlib", "zlib"),
        ("psf", "PSF"), ("python", "PSF"), ("public", "public domain or CC0"), ("cc0", "public domain or CC0"),
        ("bsl", "BSL-1.0"), ("boost", "BSL-1.0"), ("ruby", "Ruby"), ("clause", "BSD"),
    )  # fmt: skip
    return next((name for part, name in families if re.search(rf"\b{part}", text)), "other permissive")


def card(pairs: Pairs, recipe: Recipe, vocabulary: int, metrics: dict[str, float]) -> str:
    """The text of the card. ``metrics``: NDCG@10 by what it was measured on."""
    packages = read_corpus()
    registries = Counter(_NAMES[package.registry] for package in packages)
    licences = Counter(_family(package.licence) for package in packages)
    return _CARD.format(
        vocabulary=vocabulary,
        dimensions=recipe.dimensions,
        batch=recipe.batch,
        epochs=recipe.epochs,
        packages=len(packages),
        registries=", ".join(f"{name} {count}" for name, count in registries.most_common()),
        used=len(set(pairs.package.tolist())),
        definitions=len(pairs.documented),
        documented=int(pairs.documented.sum()),
        licences="\n".join(f"- {name}: {count} packages" for name, count in licences.most_common()),
        metrics="\n".join(f"- NDCG@10, {name}: {value:.3f}" for name, value in metrics.items()),
    )
