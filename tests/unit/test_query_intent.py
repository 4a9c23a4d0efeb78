"""What kind of sentence a query is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conexus.search.query import understand
from conexus.search.query_intent import INTENT_FEATURES, intent_features, topic_probability
from conexus.search.weights import SHIPPED_WEIGHTS


def features_of(text: str) -> dict[str, float]:
    return dict(zip(INTENT_FEATURES, intent_features(understand(text)), strict=True))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("returns the first match", "starts_with_verb"),
        ("Parses a header", "starts_with_verb"),
        ("parsing of headers", "starts_with_gerund"),
        ("How are headers parsed", "starts_with_question_word"),
        ("where is the cache", "starts_with_question_word"),
        ("battery level detection", ""),
        ("class members", ""),
        ("headers", ""),
    ],
)
def test_its_first_word_tells(text: str, kind: str) -> None:
    found = features_of(text)
    assert {
        name for name in ("starts_with_verb", "starts_with_gerund", "starts_with_question_word") if found[name]
    } == ({kind} if kind else set())


def test_length_and_plain_words_are_counted() -> None:
    found = features_of("how is the user's cookie kept")
    assert found["word_count"] == pytest.approx(0.6)
    assert found["stop_word_share"] == pytest.approx(3 / 6)
    assert not any(features_of("lang:python").values())
    assert features_of("word " * 1000)["word_count"] == 4


def test_a_topic_is_what_the_weights_say() -> None:
    weights = {"bias": -1.0, **dict.fromkeys(INTENT_FEATURES, 0.0), "starts_with_question_word": 2.0}
    assert (
        topic_probability(understand("plugin loading"), weights) < 0.5 < topic_probability(understand("how x"), weights)
    )
    assert topic_probability(understand("x"), dict.fromkeys((*INTENT_FEATURES, "bias"), 0.0)) == 0.5


@given(st.text(min_size=1).filter(str.strip).map(lambda text: text.replace(":", " ")).filter(str.strip))
def test_any_query_is_somewhere_between_topic_and_place(text: str) -> None:
    assert set(SHIPPED_WEIGHTS.topic) == {*INTENT_FEATURES, "bias"}
    assert 0 <= topic_probability(understand(text), SHIPPED_WEIGHTS.topic) <= 1
