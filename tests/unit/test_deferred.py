"""A query's vector by a model that may be slow: in time, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from conexus.embedding.embedder import EmbeddingError
from conexus.embedding.transformer import deferred
from conexus.embedding.transformer.deferred import DeferredEmbedder
from conexus.embedding.unit_vectors import Vectors
from conexus.values import Cancelled, CancelToken
from tests.faults import until
from tests.fixtures import model
from tests.workspaces import PATIENCE


class Halting:
    """The shipped model, which goes on only while it may."""

    def __init__(self) -> None:
        self.name, self.dimensions, self.fingerprint = "halting", model().dimensions, "halting"
        self.going = threading.Event()
        self.begun = threading.Event()
        self.asked: list[str] = []

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return model().embed_documents(texts)

    def embed_query(self, text: str) -> Vectors:
        self.asked.append(text)
        self.begun.set()
        assert self.going.wait(PATIENCE)
        return model().embed_query(text)

    def close(self) -> None:
        self.going.set()


@pytest.fixture
def halting() -> Iterator[Halting]:
    made = Halting()
    yield made
    made.close()


def until_free(embedder: DeferredEmbedder) -> None:
    late = embedder._late
    assert late is not None
    late.result(PATIENCE)


def test_a_vector_in_time_is_the_models(halting: Halting) -> None:
    halting.going.set()
    embedder = DeferredEmbedder(halting)
    assert np.array_equal(embedder.embed_query("sort numbers"), model().embed_query("sort numbers"))
    assert not embedder.embed_documents(["a", "b"]).any()
    embedder.close()


def test_one_query_waits_for_a_model_that_hangs_and_no_other(halting: Halting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred, "QUERY_SECONDS", 0.1)
    embedder = DeferredEmbedder(halting)
    with pytest.raises(EmbeddingError, match="busy; this answer is by words alone"):
        embedder.embed_query("first")

    def waiting() -> None:
        raise AssertionError("it waits")

    for _ in range(100):
        with pytest.raises(EmbeddingError, match="busy"):
            embedder.embed_query("another", waiting)
    assert halting.asked == ["first"]
    halting.going.set()
    until_free(embedder)
    monkeypatch.setattr(deferred, "QUERY_SECONDS", PATIENCE)
    assert embedder.embed_query("another").any()
    embedder.close()


def test_a_cancelled_question_stops_waiting_and_its_text_is_not_embedded(
    halting: Halting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deferred, "QUERY_SECONDS", 2 * PATIENCE)
    embedder = DeferredEmbedder(halting)
    tokens = [CancelToken() for _ in range(3)]
    with ThreadPoolExecutor(4) as threads:
        running = threads.submit(embedder.embed_query, "wanted")
        assert halting.begun.wait(PATIENCE)
        waiting = [threads.submit(embedder.embed_query, "not wanted", token.check) for token in tokens]
        for token in tokens:
            token.cancel()
        for each in waiting:
            with pytest.raises(Cancelled):
                each.result(PATIENCE)
        halting.going.set()
        assert running.result(PATIENCE).any()
        assert embedder.embed_query("the next").any()
    assert halting.asked == ["wanted", "the next"]
    embedder.close()


def test_a_query_in_flight_while_the_model_is_closed_is_told_so(halting: Halting) -> None:
    """One that is being embedded, one that waits for it, and one that comes too late: words answer all of them."""
    embedder = DeferredEmbedder(halting)
    with ThreadPoolExecutor(2) as threads:
        embedding = threads.submit(embedder.embed_query, "sort numbers")
        assert halting.begun.wait(PATIENCE)
        waiting = threads.submit(embedder.embed_query, "read files")
        until(lambda: not embedder._queries._work_queue.empty())
        halting.close = lambda: None  # type: ignore[method-assign]
        embedder.close()
        with pytest.raises(EmbeddingError, match="was replaced; this answer is by words alone"):
            waiting.result(PATIENCE)
        halting.going.set()
        assert embedding.result(PATIENCE) is not None
    with pytest.raises(EmbeddingError, match="was replaced"):
        embedder.embed_query("open a socket")
