"""Learns the code-aware tokenizer: camelCase and snake_case fall into lower-case words, rare words into pieces."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

UNKNOWN = "[UNK]"
#: Rows of the table: with 256 dimensions of two bytes they stay below 18 MB.
VOCABULARY = 33_500
#: ``parseHTTPRequest`` -> ``parse HTTP Request``; underscores part words as well.
_BOUNDARY = Regex(r"(?<=[\p{Ll}\p{Nd}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})|_")
_NO_WORD = Regex(r"[^\p{L}\p{M}\p{N}]+")
#: First and last code points of alphabets whose letters are tokens even if the corpus has none.
_ALPHABETS = ((0x61, 0x7A), (0x30, 0x39), (0xDF, 0xFF), (0x3B1, 0x3C9), (0x430, 0x45F), (0x5D0, 0x5EA), (0x621, 0x64A),
              (0x905, 0x939), (0xE01, 0xE3A), (0x1100, 0x1112), (0x1161, 0x1175), (0x11A8, 0x11C2), (0x3041, 0x3096),
              (0x30A1, 0x30FC))  # fmt: skip
_LONGEST_WORD = 60


def _letters() -> list[str]:
    return [chr(code) for first, last in _ALPHABETS for code in range(first, last + 1) if chr(code).isalnum()]


def _ideographs() -> Iterator[str]:
    """The 3755 characters of GB 2312's first level, which cover everyday Chinese and much of Japanese."""
    for row in range(0xB0, 0xD8):
        for cell in range(0xA1, 0xFF):
            try:
                yield bytes((row, cell)).decode("gb2312")
            except UnicodeDecodeError:
                continue


def _pipeline(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(_BOUNDARY, " "),
            normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=True, strip_accents=True, lowercase=True),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(_NO_WORD, behavior="removed")
    return tokenizer


def learn(texts: Iterable[str], vocabulary: int = VOCABULARY) -> Tokenizer:
    """A WordPiece tokenizer with exactly ``vocabulary`` tokens, of which number 0 is unknown."""
    letters, ideographs = _letters(), list(_ideographs())
    extra = [token for letter in letters for token in (letter, f"##{letter}")] + ideographs
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary - len(extra),
        min_frequency=5,
        special_tokens=[UNKNOWN],
        limit_alphabet=200,
        show_progress=False,
    )
    learner = _pipeline(Tokenizer(models.WordPiece(unk_token=UNKNOWN, max_input_chars_per_word=_LONGEST_WORD)))
    learner.train_from_iterator(texts, trainer)
    by_number = sorted(learner.get_vocab().items(), key=lambda item: item[1])
    tokens = list(dict.fromkeys([token for token, _ in by_number] + extra))[:vocabulary]
    model = models.WordPiece(
        {token: number for number, token in enumerate(tokens)},
        unk_token=UNKNOWN,
        max_input_chars_per_word=_LONGEST_WORD,
    )
    return _pipeline(Tokenizer(model))


def describe(tokenizer: Tokenizer) -> str:
    """How it splits an example, for the log."""
    return json.dumps(
        tokenizer.encode("parseHTTPRequest(user_id: i32) // été, größe 解析请求", add_special_tokens=False).tokens,
        ensure_ascii=False,
    )
