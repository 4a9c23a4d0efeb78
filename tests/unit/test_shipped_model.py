"""The model in the package: its layout, its size, and that it carries meaning. Read with tokenizers and numpy alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer

import conexus.embedding
from conexus.embedding.recipe import PARTS

MODEL = Path(conexus.embedding.__file__).with_name("model")
MODULE = MODEL / "0_StaticEmbedding"


@pytest.fixture(scope="module")
def table() -> NDArray[np.float16]:
    return load_file(MODULE / "model.safetensors")["embedding.weight"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(MODULE / "tokenizer.json"))


def embed(text: str, table: NDArray[np.float16], tokenizer: Tokenizer) -> NDArray[np.float32]:
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    mean = table[ids].astype(np.float32).mean(axis=0)
    return mean / np.linalg.norm(mean)


def test_layout_is_that_of_sentence_transformers() -> None:
    modules = json.loads((MODEL / "modules.json").read_text())
    assert [(m["idx"], m["path"]) for m in modules] == [(0, "0_StaticEmbedding")]
    assert modules[0]["type"].endswith(".StaticEmbedding")
    assert "prompts" in json.loads((MODEL / "config_sentence_transformers.json").read_text())


def test_it_fits_the_wheel() -> None:
    assert sum(file.stat().st_size for file in MODEL.rglob("*") if file.is_file()) <= 20 * 10**6


def test_every_token_has_a_finite_vector(table: NDArray[np.float16], tokenizer: Tokenizer) -> None:
    assert table.dtype == np.float16
    assert table.shape == (tokenizer.get_vocab_size(), 256)
    assert np.isfinite(table).all()
    assert not table[tokenizer.token_to_id("[UNK]")].any()


def test_every_part_of_a_document_counts() -> None:
    weights = load_file(MODULE / "model.safetensors")["part_weights"]
    assert weights.shape == (len(PARTS),)
    assert np.isfinite(weights).all()
    assert (weights > 0).all()


def test_the_model_card_says_what_it_must() -> None:
    card = (MODEL / "README.md").read_text(encoding="utf-8").lower()
    for word in ("data", "licence", "ndcg", "make_model.py"):
        assert word in card


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("parseHTTPRequest", ["parse", "http", "request"]),
        ("MAX_FILE_SIZE", ["max", "file", "size"]),
        ("read(file);", ["read", "file"]),
        ("Größe", ["größe"]),
        ("解析", ["解", "析"]),
    ],
)
def test_identifiers_fall_into_words(text: str, tokens: list[str], tokenizer: Tokenizer) -> None:
    pieces = tokenizer.encode(text, add_special_tokens=False).tokens
    words = "".join(piece.removeprefix("##") if piece.startswith("##") else f" {piece}" for piece in pieces).split()
    assert words == [tokenizer.normalizer.normalize_str(token).strip() for token in tokens]


@pytest.mark.parametrize("text", ["", " ", "(){};", "\U0001f600", "\0\n\r\t", "a" * 10_000, "ﬁ ｆｕｌｌ ｗｉｄｔｈ"])
def test_odd_texts_are_tokenized(text: str, tokenizer: Tokenizer) -> None:
    assert all(number < tokenizer.get_vocab_size() for number in tokenizer.encode(text).ids)


#: Texts that share few words with the query they answer.
ANSWERS = {
    "parse command line arguments": (
        "def main():\n    p = ArgumentParser()\n    p.add_argument('--verbose')\n    return p.parse_args()"
    ),
    "sort a list in ascending order": (
        "fn quick(v: &mut [i32]) { let pivot = v[0]; partition(v, pivot); if v[i] < v[j] { v.swap(i, j); } }"
    ),
    "open a network connection to the server": "s = socket(AF_INET, SOCK_STREAM); s.connect((host, port))",
    "write a message to the log": "logger.info('started %s', name); logger.warning('slow')",
    "read a file from disk": "with open(path, 'rb') as f:\n    return f.read().decode()",
    "encrypt data with a password": (
        "key = pbkdf2(passphrase, salt, 100000); cipher = AES.new(key); return cipher.encrypt(pad(plain))"
    ),
    "run a query against the database": (
        "cur = conn.cursor(); cur.execute('SELECT id FROM users WHERE name = ?', [n]); return cur.fetchall()"
    ),
    "wait until the lock is free": "mu.Lock(); for busy { cond.Wait() }; busy = true; mu.Unlock()",
    "draw a rectangle on the screen": ("ctx.fillStyle = color; ctx.fillRect(x, y, width, height); ctx.stroke();"),
    "convert text to lower case": "for (i = 0; s[i]; i++) s[i] = tolower((unsigned char)s[i]);",
    "retry a failed request with a delay": (
        "for attempt in range(5):\n"
        "    try:\n"
        "        return session.get(url)\n"
        "    except Timeout:\n"
        "        time.sleep(backoff * 2 ** attempt)"
    ),
    "compute the hash of a file": (
        "h = sha256()\nfor block in iter(lambda: f.read(65536), b''):\n    h.update(block)\nreturn h.hexdigest()"
    ),
}


def test_it_carries_meaning(table: NDArray[np.float16], tokenizer: Tokenizer) -> None:
    queries = np.stack([embed(text, table, tokenizer) for text in ANSWERS])
    answers = np.stack([embed(text, table, tokenizer) for text in ANSWERS.values()])
    right = int((np.argmax(queries @ answers.T, axis=1) == np.arange(len(ANSWERS))).sum())
    assert right >= len(ANSWERS) - 2, f"{right} of {len(ANSWERS)} found first; chance finds one"
