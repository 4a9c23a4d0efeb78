"""Text -> token numbers, several times faster than the tokenizer alone: code repeats its words."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from conexus.embedding.normal import valid_unicode

#: Where the shipped model lies.
SHIPPED = Path(__file__).with_name("model")
MODULE = "0_StaticEmbedding"
TOKENIZER = "tokenizer.json"

TokenSet = NDArray[np.uint16]

#: Tokens of a text beyond these do not count: the head of a definition says what it is.
MAX_TOKENS = 512

_WORD = re.compile(r"\w+")
#: Words remembered; most folders have fewer. Longer words are encoded data: texts with one are encoded whole.
_MOST_WORDS = 40_000
_LONGEST = 64


class WordTokens:
    """Remembers the tokens of every word. For tokenizers to which a word means the same wherever it stands.

    Safe in several threads: what they share is a dictionary of finished values.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._known: dict[str, list[int]] = {}
        self._by_word = self._has_plain_words()

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return self._tokenizer.get_vocab_size()

    def numbers(self, texts: Sequence[str]) -> list[list[int]]:
        """The token numbers of each text, at most ``MAX_TOKENS`` of them."""
        words = [self._words(text) for text in texts]
        known = self._learned({word for found in words if found for word in found})
        others = [place for place, found in enumerate(words) if found is None]
        numbers = [[number for word in found or () for number in known[word]][:MAX_TOKENS] for found in words]
        for place, encoded in zip(others, self._encoded([texts[place] for place in others]), strict=True):
            numbers[place] = encoded
        return numbers

    def _words(self, text: str) -> list[str] | None:
        """The words of a text whose tokens are those of its words, nothing for any other text."""
        # Python and the tokenizer agree on what a word is for ASCII only.
        if not self._by_word or not text.isascii():
            return None
        words = _WORD.findall(text)
        return None if words and max(map(len, words)) > _LONGEST else words

    def _learned(self, words: set[str]) -> dict[str, list[int]]:
        """What has the tokens of all the words."""
        known = self._known
        new = [word for word in words if word not in known]
        if new:
            if len(known) > _MOST_WORDS:
                # A new dictionary: another thread may still read the old one.
                self._known = known = {word: known[word] for word in words if word in known}
            known.update(zip(new, self._encoded(new), strict=True))
        return known

    def _encoded(self, texts: Sequence[str]) -> list[list[int]]:
        valid = [valid_unicode(text) for text in texts]
        encodings = self._tokenizer.encode_batch_fast(valid, add_special_tokens=False)
        return [encoding.ids[:MAX_TOKENS] for encoding in encodings]

    def _has_plain_words(self) -> bool:
        """Whether this tokenizer takes texts apart at everything that is no letter, digit or underscore."""
        words = ("parseHTTPRequest", "user_id", "i32", "x", "gr")
        try:
            apart = self._encoded(words)
            together = self._encoded(["->(".join(words) + "\n\t.;\"'#", " ".join(words)])
        except Exception:  # noqa: BLE001  tokenizers raise bare Exceptions, here for a vocabulary without an unknown token
            return False
        joined = [number for numbers in apart for number in numbers]
        return together == [joined, joined]


@lru_cache(maxsize=1)
def shipped_tokens() -> WordTokens:
    """The shipped model's, one for the whole process."""
    return WordTokens(Tokenizer.from_buffer(_shipped_tokenizer()))


@lru_cache(maxsize=1)
def shipped_tokens_fingerprint() -> str:
    """Identifies what a token's number means."""
    return hashlib.blake2b(_shipped_tokenizer(), digest_size=6).hexdigest()


def shipped_token_sets(texts: Sequence[str]) -> list[TokenSet]:
    """The shipped model's tokens of each text, each once, ascending."""
    return [np.unique(np.array(numbers, np.uint16)) for numbers in shipped_tokens().numbers(texts)]


def _shipped_tokenizer() -> bytes:
    return (SHIPPED / MODULE / TOKENIZER).read_bytes()
