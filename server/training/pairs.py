"""Turns definitions into what training draws from: token numbers of every part of a query and of a document."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from definitions import Definition, fingerprint
from numpy.typing import NDArray
from tokenizers import Tokenizer

from conexus.embedding.recipe import place_words

#: One package in this many is kept out of training, to measure on.
_HELD_OUT = 12
_PER_LANGUAGE = 75_000
_SAME_SENTENCE = 3
#: Definitions without documentation for each one with.
_UNDOCUMENTED = 0.45
_NOISE = re.compile(
    r"copyright|licen[sc]e|todo|fixme|see also|https?:|^\W*$|inherit-?doc|clang-format|pylint|eslint|noqa|region"
    r"|generated",
    re.IGNORECASE,
)
_CODE = 1500
#: The parts of a definition, each tokenized by itself, so that training can leave out any of them.
PARTS = ("sentence", "documentation", "symbol", "breadcrumb", "path", "code")


def first_sentence(documentation: str) -> str:
    """What a person would ask for: the first sentence without markup and tags."""
    text = documentation.strip().split("\n\n")[0]
    text = re.sub(r"\{@\w+\s+([^}]*)\}", r"\1", " ".join(text.split()))
    text = re.sub(r"<[^>]+>|[`*]{1,2}", "", text)
    text = re.split(r"\s@\w+|\s[:\\](?:param|returns?)\b", text, maxsplit=1)[0]
    return re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0].strip(" .")[:240]


def is_query(sentence: str) -> bool:
    return 3 <= len(sentence.split()) <= 40 and not _NOISE.search(sentence)


def is_held_out(package: str) -> bool:
    return int(hashlib.sha256(package.encode()).hexdigest(), 16) % _HELD_OUT == 0


def chosen(definitions: Iterable[Definition]) -> Iterator[tuple[Definition, str]]:
    """(definition, its sentence or nothing) without copies, documented ones first, none too many of a language."""
    seen: set[str] = set()
    sentences: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    undocumented = []
    for definition in definitions:
        key = fingerprint(definition.code)
        if key in seen:
            continue
        seen.add(key)
        sentence = first_sentence(definition.documentation)
        if is_query(sentence) and sentences[sentence] < _SAME_SENTENCE:
            sentences[sentence] += 1
            languages[definition.language] += 1
            yield definition, sentence
        elif int(key, 16) % 2 and len(definition.symbol) > 3:
            undocumented.append(definition)
    undocumented.sort(key=lambda definition: fingerprint(definition.code))
    for definition in undocumented[: int(_UNDOCUMENTED * languages.total())]:
        if languages[definition.language] < _PER_LANGUAGE:
            languages[definition.language] += 1
            yield definition, ""


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows of different lengths: row i is ``values[starts[i]:starts[i + 1]]``."""

    values: NDArray[np.uint16]
    starts: NDArray[np.int64]

    def __getitem__(self, row: int) -> NDArray[np.uint16]:
        return self.values[self.starts[row] : self.starts[row + 1]]

    def __len__(self) -> int:
        return len(self.starts) - 1


@dataclass(frozen=True, slots=True)
class Pairs:
    #: Token numbers by name of the part.
    parts: dict[str, Ragged]
    #: Number of the package of each definition.
    package: NDArray[np.int32]
    documented: NDArray[np.bool_]


def tokenized(tokenizer: Tokenizer, texts: list[str]) -> Ragged:
    values, lengths = [], [0]
    for start in range(0, len(texts), 4096):
        for encoding in tokenizer.encode_batch_fast(texts[start : start + 4096], add_special_tokens=False):
            ids = np.array(encoding.ids[:512], np.uint16)
            values.append(ids)
            lengths.append(len(ids))
    return Ragged(np.concatenate(values) if values else np.zeros(0, np.uint16), np.cumsum(lengths))


def masked(code: NDArray[np.uint16], name: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Token numbers of code without the run of numbers that is the definition's own name."""
    if not 0 < len(name) < len(code):
        return code
    found = np.lib.stride_tricks.sliding_window_view(code, len(name))
    at = np.flatnonzero((found == name).all(axis=1))
    return np.delete(code, (at[:, None] + np.arange(len(name))).ravel()) if len(at) else code


def _parts(definition: Definition, sentence: str) -> dict[str, str]:
    chunk = definition.chunk
    return {
        "sentence": sentence,
        "documentation": definition.documentation[:600] if sentence else "",
        "symbol": chunk.symbol,
        "breadcrumb": " ".join(chunk.breadcrumb),
        "path": place_words(definition.path),
        "code": chunk.code[:_CODE],
    }


def make_pairs(tokenizer: Tokenizer, rows: Iterable[tuple[Definition, str]]) -> Pairs:
    texts: dict[str, list[str]] = {name: [] for name in PARTS}
    packages: dict[str, int] = {}
    package, documented = [], []
    pieces: dict[str, list[Ragged]] = {name: [] for name in PARTS}

    def flush() -> None:
        for name, column in texts.items():
            pieces[name].append(tokenized(tokenizer, column))
            column.clear()

    for definition, sentence in rows:
        for name, text in _parts(definition, sentence).items():
            texts[name].append(text)
        package.append(packages.setdefault(definition.package, len(packages)))
        documented.append(bool(sentence))
        if len(package) % 50_000 == 0:
            flush()
    flush()
    parts = {name: _joined(column) for name, column in pieces.items()}
    return Pairs(parts, np.array(package, np.int32), np.array(documented, bool))


def _joined(pieces: list[Ragged]) -> Ragged:
    lengths = np.concatenate([np.diff(piece.starts) for piece in pieces])
    return Ragged(np.concatenate([piece.values for piece in pieces]), np.concatenate([[0], np.cumsum(lengths)]))
