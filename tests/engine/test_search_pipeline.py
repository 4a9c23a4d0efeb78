"""What a search does once, whatever it is asked: embedding, its failures, and what it hands on."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from conexus.embedding.embedder import EmbeddingError
from conexus.embedding.static import StaticEmbedder
from conexus.related.place import RelatedPlace
from conexus.related.relations import RelatedRequest, find_related
from conexus.search import pipeline
from conexus.search.pipeline import SearchRequest, run
from conexus.search.query_vectors import embed_query
from conexus.search.symbols import find_symbols
from conexus.segments.snapshot import Searchable
from tests.fixtures import FOLDER, model, searchable, snapshot, where

SNAPSHOT = snapshot(
    {
        "mail.py": "def parse_mail(text):\n    return text.split()\n",
        "queue.py": "def enqueue(text):\n    return parse_mail(text)\n",
    }
)


class Failing(StaticEmbedder):
    """A model that cannot embed queries."""

    def embed_query(self, text: str) -> NDArray[np.float32]:
        raise EmbeddingError("the model is ill")


def test_without_vectors_words_answer_and_the_answer_says_why() -> None:
    ill = searchable(SNAPSHOT, Failing())
    ranking = run(ill, SearchRequest("parse mail"))
    assert where(ranking.rows[0].ref) == "mail.py:parse_mail"
    assert ranking.degraded == "the model is ill"
    assert not any("meaning" in each.reasons for each in ranking.rows)
    symbols = find_symbols(ill, "parse_mail")
    assert (where(symbols.rows[0].ref), symbols.degraded) == ("mail.py:parse_mail", "the model is ill")
    selected = RelatedPlace(FOLDER, "queue.py", 1, 2, "parse_mail(text)")
    found = find_related(ill, RelatedRequest(selected))
    assert [where(each.ref) for each in found.rows] == ["mail.py:parse_mail"]
    assert found.degraded == "the model is ill"


def test_what_needs_no_vector_asks_no_model() -> None:
    ill = searchable(SNAPSHOT, Failing())
    assert run(ill, SearchRequest("lang:python")).degraded is None
    assert find_symbols(ill, "kind:function").degraded is None
    assert find_related(ill, RelatedRequest(RelatedPlace(FOLDER, "mail.py", 0, 1))).degraded is None
    selected = RelatedPlace(FOLDER, "mail.py", 0, 1, "text")
    assert find_related(ill, RelatedRequest(selected, ("caller",))).degraded is None


def test_one_model_that_fails_does_not_stop_the_others() -> None:
    embedded = embed_query((Failing(), model()), "mail")
    assert set(embedded.vectors) == {model().fingerprint}
    assert embedded.degraded == "the model is ill"


def test_the_ranking_has_the_query_as_it_was_understood() -> None:
    ranking = run(searchable(SNAPSHOT), SearchRequest("enqueu lang:python"))
    assert ranking.query is not None
    assert (ranking.query.text, ranking.query.corrected) == ("enqueu", {"enqueue"})
    assert where(ranking.rows[0].ref) == "queue.py:enqueue"


def test_a_query_is_expanded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    expanded: list[str] = []
    expand = pipeline.expand_query
    monkeypatch.setattr(
        pipeline, "expand_query", lambda query, views: expanded.append(query.text) or expand(query, views)
    )
    assert run(Searchable(SNAPSHOT), SearchRequest("parse mial")).rows
    assert expanded == ["parse mial"]
