"""Makes a model of the shape that the peer downloads, for machines that cannot download it.

Run with the peer's Python: ``PYTHON stand_in.py MODEL_DIR FOLDER…``. The peer's own model (potion-code-16M-v2) has
16.2 million float32 weights: some 63 300 tokens of 256 dimensions, with a lower-casing WordPiece tokenizer. The
stand-in has that shape, random weights, and a vocabulary learned from the very folders that are measured. Time and
memory do not depend on the weights; a vocabulary that fits the text gives fewer tokens, so it favours the peer if
anything. What the peer finds with it means nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from model2vec import StaticModel  # type: ignore[import-not-found]  # in the peer\'s environment
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

TOKENS = 63_300
DIMENSIONS = 256
_MOST_BYTES = 24_000_000
_LARGEST_FILE = 200_000


def main(model: Path, folders: list[Path]) -> None:
    trained = _tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106  a token, not a password
    trainer = trainers.WordPieceTrainer(
        vocab_size=TOKENS, special_tokens=["[PAD]", "[UNK]"], min_frequency=1, show_progress=False
    )
    trained.train_from_iterator((text for folder in folders for text in _texts(folder, len(folders))), trainer)
    vocabulary = trained.get_vocab()
    for number in range(len(vocabulary), TOKENS):
        vocabulary[f"[unused{number}]"] = number
    weights = np.random.default_rng(0).standard_normal((TOKENS, DIMENSIONS), np.float32)
    tokenizer = _tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106  a token, not a password
    StaticModel(weights, tokenizer, config={"normalize": True}, normalize=True).save_pretrained(model)


def _tokenizer(model: models.WordPiece) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _texts(folder: Path, shares: int) -> Iterator[str]:
    left = _MOST_BYTES // shares
    for directory, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            path = Path(directory, name)
            if path.is_symlink() or path.stat().st_size > min(_LARGEST_FILE, left):
                continue
            content = path.read_bytes()
            if b"\0" not in content:
                left -= len(content)
                yield content.decode("utf-8", "replace")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(folder) for folder in sys.argv[2:]])
