"""Text -> token numbers, several times faster than the tokenizer alone: code repeats its words."""

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

from conexus.embedding.normal import valid_unicode
from conexus.embedding.recipe import PARTS, parts_of
from conexus.ragged import Ragged, run_starts

#: Where the shipped model lies.
SHIPPED = Path(__file__).with_name("model")
MODULE = "0_StaticEmbedding"
TOKENIZER = "tokenizer.json"

#: Tokens of a text beyond these do not count: the head of a definition says what it is.
MAX_TOKENS = 512

_WORD = re.compile(r"\w+")
#: Words remembered; most folders have fewer. Longer words are encoded data: texts with one are encoded whole.
_MOST_WORDS = 40_000
_LONGEST = 64
#: Of a number that says whose token it is and which; the shipped model's have 16.
_TOKEN_BITS = 32


@dataclass(frozen=True, slots=True, eq=False)
class DocumentTokens:
    """The tokens of several documents' texts, by the parts of the recipe."""

    #: Document after document, in each part after part.
    values: NDArray[np.int64]
    #: How many each part has, shape (documents, parts).
    lengths: NDArray[np.int64]

    def of(self, documents: Sequence[int]) -> DocumentTokens:
        """Those of some documents, in ascending order."""
        kept = np.zeros(len(self.lengths), np.bool_)
        kept[list(documents)] = True
        return DocumentTokens(self.values[kept.repeat(self.lengths.sum(axis=1))], self.lengths[kept])

    def sets(self) -> Ragged:
        """The tokens of each document, each once, ascending: of its first ``MAX_TOKENS``."""
        lengths = self.lengths.sum(axis=1)
        ends = lengths.cumsum()
        counted = np.arange(len(self.values)) - (ends - lengths).repeat(lengths) < MAX_TOKENS
        pairs = ((np.arange(len(lengths)) << _TOKEN_BITS).repeat(lengths) | self.values)[counted]
        pairs.sort()
        pairs = pairs[run_starts(pairs)]
        values = (pairs & ((1 << _TOKEN_BITS) - 1)).astype(np.uint16)
        return Ragged.cut(values, np.bincount(pairs >> _TOKEN_BITS, minlength=len(lengths)))

    def weighed(self, weights: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32], list[int]]:
        """How much each token of a document counts: the sum over parts of a part's weight times its frequency's root.

        ``weights``: of the parts. Returns the tokens of each document, ascending, how much each counts, and where each
        document's begin (and the end).
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
    """Remembers the tokens of every word. For tokenizers to which a word means the same wherever it stands.

    Safe in several threads: what they share is a dictionary of finished values.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        # Tokens are kept as bytes, which are joined at once and take a third of what a list of numbers does.
        self._kind = "H" if self.vocabulary <= 1 << 16 else "I"
        self._bytes_of_text = MAX_TOKENS * array(self._kind).itemsize
        self._known: dict[str, bytes] = {}
        self._by_word = self._has_plain_words()

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return self._tokenizer.get_vocab_size()

    def numbers(self, texts: Sequence[str]) -> list[list[int]]:
        """The token numbers of each text, at most ``MAX_TOKENS`` of them."""
        return [array(self._kind, packed).tolist() for packed in self._packed(texts)]

    def documents(self, texts: Sequence[str]) -> DocumentTokens:
        """The tokens of the texts of documents, part by part."""
        parts = [part for text in texts for part in parts_of(text)]
        # Those of one file have much in common but their bodies.
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
        """The words of a text whose tokens may be those of its words, nothing for any other text."""
        # Python and the tokenizer agree on what a word is for ASCII only.
        return _WORD.findall(text) if self._by_word and text.isascii() else None

    def _learned(self, words: set[str]) -> tuple[dict[str, bytes], set[str]]:
        """What has the tokens of all the words but the longest, and those."""
        known = self._known
        new = words.difference(known)
        long = {word for word in new if len(word) > _LONGEST}
        new -= long
        if new:
            if len(known) > _MOST_WORDS:
                # A new dictionary: another thread may still read the old one.
                self._known = known = {word: known[word] for word in words if word in known}
            listed = list(new)
            known.update(zip(listed, self._encoded(listed), strict=True))
        return known, long

    def _encoded(self, texts: Sequence[str]) -> list[bytes]:
        valid = [valid_unicode(text) for text in texts]
        encodings = self._tokenizer.encode_batch_fast(valid, add_special_tokens=False)
        return [array(self._kind, encoding.ids[:MAX_TOKENS]).tobytes() for encoding in encodings]

    def _has_plain_words(self) -> bool:
        """Whether this tokenizer takes texts apart at everything that is no letter, digit or underscore."""
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
    """The shipped model's, one for the whole process."""
    return WordTokens(tokenizer_in_steps(_shipped_tokenizer()))


def tokenizer_in_steps(content: bytes) -> Tokenizer:
    """What ``Tokenizer.from_buffer`` gives of a WordPiece tokenizer.

    That keeps all other threads from running for as long as it takes, twice as long as any of these steps does.
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
    """Identifies what a token's number means."""
    return hashlib.blake2b(_shipped_tokenizer(), digest_size=6).hexdigest()


def _shipped_tokenizer() -> bytes:
    return (SHIPPED / MODULE / TOKENIZER).read_bytes()
