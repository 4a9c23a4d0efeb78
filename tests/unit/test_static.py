"""The static model: one vector a token; a text's is their mean, or the weighted sum of its parts'."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from conexus.embedding.embedder import EmbeddingError
from conexus.embedding.static import StaticEmbedder
from conexus.embedding.tokenizer import MAX_TOKENS

SHIPPED_MODEL = StaticEmbedder()
WORDS = ("read", "file", "sort", "numbers", "größe")


def make_model(
    folder: Path,
    *,
    rows: int = len(WORDS),
    dtype: type = np.float32,
    module: str = "",
    part_weights: np.ndarray | None = None,
) -> Path:
    """A model whose word number n has the vector e_n."""
    vocabulary = {word: index for index, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))  # noqa: S106  a token, not a password
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    (folder / module).mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / module / "tokenizer.json"))
    tensors = {"embedding.weight": np.eye(rows, 6, dtype=dtype)}
    if part_weights is not None:
        tensors["part_weights"] = part_weights
    save_file(tensors, folder / module / "model.safetensors")
    return folder


def expected(*weights: float) -> np.ndarray:
    vector = np.zeros(6, np.float32)
    vector[: len(weights)] = weights
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


@pytest.mark.parametrize("module", ["", "0_StaticEmbedding"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_text_is_the_mean_of_its_tokens_scaled_to_length_one(tmp_path: Path, module: str, dtype: type) -> None:
    embedder = StaticEmbedder(make_model(tmp_path, module=module, dtype=dtype))
    assert (embedder.name, embedder.dimensions) == ("static", 6)
    vectors = embedder.embed_documents(["read file read", "sort", "größe numbers"])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [expected(2, 1), expected(0, 0, 1), expected(0, 0, 0, 1, 1)], rtol=1e-6)
    np.testing.assert_array_equal(embedder.embed_query("read file read"), vectors[0])
    embedder.close()
    embedder.close()


def test_a_text_without_tokens_is_zero_and_no_texts_are_no_rows(tmp_path: Path) -> None:
    embedder = StaticEmbedder(make_model(tmp_path))
    assert not embedder.embed_documents(["", " \n\t"]).any()
    assert embedder.embed_documents([]).shape == (0, 6)


def test_parts_are_weighed_and_repeats_count_by_the_square_root(tmp_path: Path) -> None:
    weights = np.array([2, 0, 0.5, 1], np.float32)
    embedder = StaticEmbedder(make_model(tmp_path, part_weights=weights))
    texts = {
        "read\n\nfile\nsort sort sort sort": expected(2, 0.5, 2),
        "read\n\nread read read read\nfile": expected(2 + 0.5 * 2, 1),
        "read\nsort sort\n\nfile\nnumbers file": expected(2, np.sqrt(2), 0, 1),
        "\nsort\n\n": expected(),
        "\n\n\n": expected(),
        "read file read read read": expected(2, 1),
        "read\nfile": expected(1, 1),
        "": expected(),
    }
    np.testing.assert_allclose(embedder.embed_documents(list(texts)), list(texts.values()), rtol=1e-6)


def test_a_query_has_no_parts(tmp_path: Path) -> None:
    embedder = StaticEmbedder(make_model(tmp_path, part_weights=np.array([2, 0, 0.5, 1], np.float32)))
    np.testing.assert_allclose(embedder.embed_query("read\nfile\nsort\n\nnumbers"), expected(1, 1, 1, 1), rtol=1e-6)


def test_without_part_weights_a_document_is_the_plain_mean(tmp_path: Path) -> None:
    embedder = StaticEmbedder(make_model(tmp_path))
    np.testing.assert_allclose(embedder.embed_documents(["read\n\nfile\nread read"]), [expected(3, 1)], rtol=1e-6)


@pytest.mark.parametrize("shape", [(3,), (5,), (4, 1), ()])
def test_weights_for_other_parts_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(EmbeddingError, match="lacks weights for 4 parts"):
        StaticEmbedder(make_model(tmp_path, part_weights=np.ones(shape, np.float32)))


def test_the_tokens_of_a_query_have_the_vectors_of_the_model(tmp_path: Path) -> None:
    tokens = StaticEmbedder(make_model(tmp_path)).query_tokens("file file read")
    np.testing.assert_array_equal(tokens.vectors, np.eye(6)[[1, 0]])
    np.testing.assert_array_equal(tokens.weights, [0.5, 0.5])
    assert not len(StaticEmbedder(tmp_path).query_tokens("").weights)


@pytest.mark.parametrize("part_weights", [None, np.ones(4, np.float32)])
def test_more_texts_than_a_batch_keep_their_order(tmp_path: Path, part_weights: np.ndarray | None) -> None:
    embedder = StaticEmbedder(make_model(tmp_path, part_weights=part_weights))
    texts = [WORDS[index % len(WORDS)] for index in range(1000)]
    rows = embedder.embed_documents(texts).argmax(axis=1)
    assert rows.tolist() == [index % len(WORDS) for index in range(1000)]


def test_only_the_first_tokens_count(tmp_path: Path) -> None:
    embedder = StaticEmbedder(make_model(tmp_path))
    np.testing.assert_array_equal(embedder.embed_query("read " * MAX_TOKENS + "file " * 999), expected(1))


def test_a_lone_surrogate_is_no_error(tmp_path: Path) -> None:
    path = make_model(tmp_path, rows=6) / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    tokenizer["model"]["vocab"]["?"] = 5
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    embedder = StaticEmbedder(tmp_path)
    np.testing.assert_allclose(embedder.embed_query("read \udc80"), expected(1, 0, 0, 0, 0, 1), rtol=1e-6)


def test_the_fingerprint_follows_weights_and_tokenizer(tmp_path: Path) -> None:
    one = StaticEmbedder(make_model(tmp_path / "one")).fingerprint
    assert StaticEmbedder(make_model(tmp_path / "same")).fingerprint == one
    assert StaticEmbedder(make_model(tmp_path / "half", dtype=np.float16)).fingerprint != one
    changed = make_model(tmp_path / "changed") / "tokenizer.json"
    changed.write_text(changed.read_text(encoding="utf-8").replace("sort", "sorted"), encoding="utf-8")
    assert StaticEmbedder(changed.parent).fingerprint != one


@pytest.mark.parametrize("damage", ["missing", "weights", "tensor", "tokenizer", "rows"])
def test_a_damaged_model_is_refused_in_words(tmp_path: Path, damage: str) -> None:
    folder = make_model(tmp_path / "broken", rows=3 if damage == "rows" else len(WORDS))
    if damage == "missing":
        (folder / "tokenizer.json").unlink()
    if damage == "weights":
        (folder / "model.safetensors").write_bytes(b"\0" * 40)
    if damage == "tensor":
        save_file({"another": np.zeros((2, 2), np.float32)}, folder / "model.safetensors")
    if damage == "tokenizer":
        (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(EmbeddingError, match="the model in `broken`") as raised:
        StaticEmbedder(folder)
    assert str(tmp_path) not in str(raised.value)


@given(st.text(max_size=60))
def test_the_shipped_model_embeds_a_query_as_a_document_of_one_line(text: str) -> None:
    (document,) = SHIPPED_MODEL.embed_documents([" ".join(text.splitlines())])
    np.testing.assert_array_equal(SHIPPED_MODEL.embed_query(text), document)
