"""Converts texts to token numbers, several times faster than the tokenizer alone, because code repeats its words."""

from __future__ import annotations

import hashlib
import json
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordPiece

from conexus.arrays.ragged import Ragged, run_starts
from conexus.embedding.recipe import PARTS, parts_of
from conexus.embedding.unit_vectors import valid_unicode

#: The folder of the shipped model.
SHIPPED = Path(__file__).with_name("model")
MODULE = "0_StaticEmbedding"
TOKENIZER = "tokenizer.json"

#: Maximum number of tokens of a text. Later tokens do not count, because the head of a definition says what it is.
MAX_TOKENS = 512

_WORD = re.compile(r"\w+")
#: Number of words whose tokens are kept (most folders have fewer), and the maximum length of such a word in characters.
#: Longer words are encoded data; a text that contains one is tokenized as a whole.
_MOST_WORDS = 40_000
_LONGEST = 64
#: Number of bits of the token in a number that combines an owner and a token. The shipped model's tokens have 16 bits.
_TOKEN_BITS = 32


@dataclass(frozen=True, slots=True, eq=False)
class DocumentTokens:
    """The tokens of the texts of several documents, by the parts of the recipe."""

    #: Token numbers: document after document, and in each document part after part.
    values: NDArray[np.int64]
    #: Number of tokens of each part, shape (documents, parts).
    lengths: NDArray[np.int64]

    def of(self, documents: Sequence[int]) -> DocumentTokens:
        """Returns the tokens of the given documents, in ascending order of the documents."""
        kept = np.zeros(len(self.lengths), np.bool_)
        kept[list(documents)] = True
        return DocumentTokens(self.values[kept.repeat(self.lengths.sum(axis=1))], self.lengths[kept])

    def sets(self) -> Ragged:
        """Returns the distinct tokens among the first ``MAX_TOKENS`` of each document, in ascending order."""
        lengths = self.lengths.sum(axis=1)
        ends = lengths.cumsum()
        counted = np.arange(len(self.values)) - (ends - lengths).repeat(lengths) < MAX_TOKENS
        pairs = ((np.arange(len(lengths)) << _TOKEN_BITS).repeat(lengths) | self.values)[counted]
        pairs.sort()
        pairs = pairs[run_starts(pairs)]
        values = (pairs & ((1 << _TOKEN_BITS) - 1)).astype(np.uint16)
        return Ragged.from_lengths(values, np.bincount(pairs >> _TOKEN_BITS, minlength=len(lengths)))

    def weighed(self, weights: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32], list[int]]:
        """Computes how much each token of a document counts.

        A token counts by the sum, over the parts, of the part's weight times the square root of the token's frequency
        in the part. ``weights`` are the weights of the parts. Returns the distinct tokens of each document, ascending;
        how much each token counts; and the index where each document's tokens begin, followed by the end of the last.
        """
        size = len(self.lengths)
        owners = np.arange(self.lengths.size).repeat(self.lengths.ravel())
        pairs = (owners << _TOKEN_BITS) | self.values
        pairs.sort()
        starts = run_starts(pairs)
        often = np.diff(starts, append=len(pairs))
        owners, tokens = np.divmod(pairs[starts], 1 << _TOKEN_BITS)
        documents, parts = np.divmod(owners, len(PARTS))
        shares = weights.astype(np.float64)[parts] * np.sqrt(often)
        pairs = (documents << _TOKEN_BITS) | tokens
        order = pairs.argsort(kind="stable")
        pairs = pairs[order]
        starts = run_starts(pairs)
        if len(starts):
            shares = np.add.reduceat(shares[order], starts)
        documents, tokens = np.divmod(pairs[starts], 1 << _TOKEN_BITS)
        return tokens, shares.astype(np.float32), documents.searchsorted(np.arange(size + 1)).tolist()


class WordTokens:
    """Tokenizes texts word by word, and keeps the tokens of every word.

    If the tokenizer may give a word different tokens at different places, every text is tokenized as a whole. Safe to
    use from several threads, because they share only a dictionary of finished values.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        # Tokens are kept as bytes, which are joined in one step and take a third of the memory of a list of numbers.
        self._kind = "H" if self.vocabulary <= 1 << 16 else "I"
        self._bytes_of_text = MAX_TOKENS * array(self._kind).itemsize
        self._known: dict[str, bytes] = {}
        self._by_word = self._has_plain_words()

    @property
    def vocabulary(self) -> int:
        """The number of tokens in the vocabulary."""
        return self._tokenizer.get_vocab_size()

    def numbers(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the token numbers of each text, at most ``MAX_TOKENS`` for each."""
        return [array(self._kind, packed).tolist() for packed in self._packed(texts)]

    def documents(self, texts: Sequence[str]) -> DocumentTokens:
        """Returns the tokens of the texts of documents, part by part."""
        parts = [part for text in texts for part in parts_of(text)]
        # Equal parts are tokenized once, because documents of one file share much except their bodies.
        different = list(dict.fromkeys(parts))
        known = dict(zip(different, self._packed(different), strict=True))
        packed = [known[part] for part in parts]
        lengths = np.fromiter(map(len, packed), np.int64, len(packed)) // array(self._kind).itemsize
        return DocumentTokens(
            np.frombuffer(b"".join(packed), self._kind).astype(np.int64),
            lengths.reshape(len(texts), len(PARTS)),
        )

    def _packed(self, texts: Sequence[str]) -> list[bytes]:
        words = [self._words(text) for text in texts]
        known, long = self._learned(set().union(*filter(None, words)))
        if long:
            words = [None if found is None or not long.isdisjoint(found) else found for found in words]
        others = [place for place, found in enumerate(words) if found is None]
        packed = [b"".join(map(known.__getitem__, found or ()))[: self._bytes_of_text] for found in words]
        for place, encoded in zip(others, self._encoded([texts[place] for place in others]), strict=True):
            packed[place] = encoded
        return packed

    def _words(self, text: str) -> list[str] | None:
        """Returns the words of a text, or None if the text must not be tokenized word by word."""
        # Python and the tokenizer agree only for ASCII on what a word is.
        return _WORD.findall(text) if self._by_word and text.isascii() else None

    def _learned(self, words: set[str]) -> tuple[dict[str, bytes], set[str]]:
        """Returns a dictionary with the tokens of the words, and the set of the words that are too long for it."""
        known = self._known
        new = words.difference(known)
        long = {word for word in new if len(word) > _LONGEST}
        new -= long
        if new:
            if len(known) > _MOST_WORDS:
                # A new dictionary, because another thread may still read the old one.
                self._known = known = {word: known[word] for word in words if word in known}
            listed = list(new)
            known.update(zip(listed, self._encoded(listed), strict=True))
        return known, long

    def _encoded(self, texts: Sequence[str]) -> list[bytes]:
        valid = [valid_unicode(text) for text in texts]
        encodings = self._tokenizer.encode_batch_fast(valid, add_special_tokens=False)
        return [array(self._kind, encoding.ids[:MAX_TOKENS]).tobytes() for encoding in encodings]

    def _has_plain_words(self) -> bool:
        """Tests with a sample whether the tokenizer splits texts at every character but letters, digits and `_`."""
        words = ("parseHTTPRequest", "user_id", "i32", "x", "gr")
        try:
            apart = self._encoded(words)
            together = self._encoded(["->(".join(words) + "\n\t.;\"'#", " ".join(words)])
        except Exception:  # noqa: BLE001  tokenizers raise bare Exceptions, here for a vocabulary without an unknown token
            return False
        joined = b"".join(apart)
        return together == [joined, joined]


@lru_cache(maxsize=1)
def shipped_tokens() -> WordTokens:
    """Returns the tokenizer of the shipped model, one object for the whole process."""
    return WordTokens(tokenizer_in_steps(_shipped_tokenizer()))


def tokenizer_in_steps(content: bytes) -> Tokenizer:
    """Returns what ``Tokenizer.from_buffer`` returns for the content of a WordPiece tokenizer's file.

    ``from_buffer`` keeps all other threads from running until it returns, twice as long as any of the steps here does.
    """
    described = json.loads(content)
    model = described["model"]
    vocabulary, unknown = model["vocab"], model["unk_token"]
    described["model"] = {**model, "vocab": {unknown: vocabulary[unknown]}}
    tokenizer = Tokenizer.from_str(json.dumps(described))
    options = {name: model[name] for name in ("unk_token", "max_input_chars_per_word", "continuing_subword_prefix")}
    tokenizer.model = WordPiece(vocabulary, **options)
    return tokenizer


@lru_cache(maxsize=1)
def shipped_tokens_fingerprint() -> str:
    """Returns an identifier of what a token's number means."""
    return hashlib.blake2b(_shipped_tokenizer(), digest_size=6).hexdigest()


def _shipped_tokenizer() -> bytes:
    return (SHIPPED / MODULE / TOKENIZER).read_bytes()
