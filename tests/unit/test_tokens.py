"""Token numbers are the tokenizer's own, however fast they came."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from conexus.embedding import tokenizer as tokens
from conexus.embedding.tokenizer import MAX_TOKENS, MODULE, SHIPPED, TOKENIZER, WordTokens, tokenizer_in_steps
from conexus.embedding.unit_vectors import valid_unicode

SHIPPED_TOKENIZER = Tokenizer.from_file(str(SHIPPED / MODULE / TOKENIZER))
WORDS = WordTokens(tokenizer_in_steps((SHIPPED / MODULE / TOKENIZER).read_bytes()))

PIECES = st.one_of(
    st.sampled_from(
        ["parseHTTPRequest", "MAX_SIZE", "__init__", "_", "i32", "sha256", "x", "größe", "解析", "e\u0301"]
    ),
    st.sampled_from([" ", "\n", "\t\r\n", "->", "(", "\0", "\x1c", "\x7f", "'", "\u200b", "\udc80", "[UNK]", "##ing"]),
    st.text(max_size=8),
    st.text("abcXYZ019_", min_size=55, max_size=75),
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=12).map("".join))


def alone(text: str) -> list[int]:
    """What the tokenizer says without any memory."""
    numbers: list[int] = SHIPPED_TOKENIZER.encode(valid_unicode(text), add_special_tokens=False).ids
    return numbers[:MAX_TOKENS]


def test_a_tokenizer_that_is_read_in_steps_is_the_same() -> None:
    content = (SHIPPED / MODULE / TOKENIZER).read_bytes()
    expected = Tokenizer.from_buffer(content).to_str()
    assert json.loads(tokenizer_in_steps(content).to_str()) == json.loads(expected)


@given(st.lists(TEXTS, max_size=4))
def test_they_are_those_of_the_tokenizer_alone(texts: list[str]) -> None:
    assert WORDS.numbers(texts) == [alone(text) for text in texts]


@pytest.mark.parametrize(
    "text", ["", " \n", "read " * 2 * MAX_TOKENS, "größe " * 2 * MAX_TOKENS, "ab" * 5000, "a_" * 32]
)
def test_empty_and_long_texts(text: str) -> None:
    assert WORDS.numbers([text, "x", text]) == [alone(text), alone("x"), alone(text)]
    assert len(alone(text)) <= MAX_TOKENS


def test_known_words_are_not_encoded_again_and_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_MOST_WORDS", 3)
    remembering = WordTokens(SHIPPED_TOKENIZER)
    asked: list[str] = []
    encoded = remembering._encoded
    monkeypatch.setattr(remembering, "_encoded", lambda texts: asked.extend(texts) or encoded(texts))
    for text in ("read file", "file read", "read the file", "größe"):
        assert remembering.numbers([text]) == [alone(text)]
    assert sorted(asked) == ["file", "größe", "read", "the"]
    for number in range(50):
        text = f"read v{number} w{number}"
        assert remembering.numbers([text]) == [alone(text)]
        assert len(remembering._known) <= 3 + 3


def test_several_threads_have_one_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_MOST_WORDS", 5)
    shared = WordTokens(SHIPPED_TOKENIZER)
    texts = [f"read v{number % 7} file w{number % 11}" for number in range(400)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda text: shared.numbers([text])[0], texts))
    assert found == [alone(text) for text in texts]


def test_a_tokenizer_that_does_not_part_words_is_asked_itself() -> None:
    vocabulary = {word: number for number, word in enumerate(["?", "read", "file", "read(file)"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))  # noqa: S106  a token, not a password
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    whole = WordTokens(tokenizer)
    assert whole.vocabulary == 4
    assert whole.numbers(["read(file) file", "read (file)", ""]) == [[3, 2], [1, 0], []]


@given(st.lists(TEXTS, max_size=4))
def test_a_documents_set_has_each_token_of_its_text_once_in_order(texts: list[str]) -> None:
    found = WORDS.documents(texts).sets()
    assert found.values.dtype == np.uint16
    rows = [found.row(number).tolist() for number in range(len(found))]
    assert rows == [sorted(set(alone(text))) for text in texts]


@pytest.mark.parametrize(
    "text", ["read " * 2 * MAX_TOKENS + "write", "a\nb\nc\n" + "read " * (MAX_TOKENS - 2) + "write"]
)
def test_a_documents_set_ends_where_its_text_is_cut(text: str) -> None:
    found = WORDS.documents(["write", text]).sets()
    assert found.row(0).tolist() == alone("write")
    assert found.row(1).tolist() == sorted(set(alone(text)))


DOCUMENTS = st.lists(st.lists(TEXTS.filter(lambda text: "\n" not in text), min_size=4, max_size=4), max_size=4)


@given(DOCUMENTS, st.data())
def test_a_documents_tokens_count_by_their_parts(documents: list[list[str]], data: st.DataObject) -> None:
    chosen = [number for number in range(len(documents)) if data.draw(st.booleans())]
    weights = np.array([0.5, 2, 0, 1], np.float32)
    found = WORDS.documents(["\n".join(parts) for parts in documents]).of(chosen)
    tokens, shares, starts = found.weighed(weights)
    assert len(starts) == len(chosen) + 1
    for number, first, last in zip(chosen, starts, starts[1:], strict=False):
        expected: dict[int, float] = {}
        for weight, part in zip(weights.tolist(), documents[number], strict=True):
            for token, often in Counter(alone(part)).items():
                expected[token] = expected.get(token, 0.0) + weight * often**0.5
        assert tokens[first:last].tolist() == sorted(expected)
        assert shares[first:last] == pytest.approx([expected[token] for token in sorted(expected)])
