"""What kind of sentence a query is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conexus.search.query import understand
from conexus.search.query_intent import FORM, form, topic_share
from conexus.search.weights import DEFAULT


def form_of(text: str) -> dict[str, float]:
    return dict(zip(FORM, form(understand(text)), strict=True))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("returns the first match", "predicate"),
        ("Parses a header", "predicate"),
        ("parsing of headers", "gerund"),
        ("How are headers parsed", "asks"),
        ("where is the cache", "asks"),
        ("battery level detection", ""),
        ("class members", ""),
        ("headers", ""),
    ],
)
def test_its_first_word_tells(text: str, kind: str) -> None:
    found = form_of(text)
    assert {name for name in ("predicate", "gerund", "asks") if found[name]} == ({kind} if kind else set())


def test_length_and_plain_words_are_counted() -> None:
    found = form_of("how is the user's cookie kept")
    assert found["length"] == pytest.approx(0.6)
    assert found["plain"] == pytest.approx(3 / 6)
    assert not any(form_of("lang:python").values())
    assert form_of("word " * 1000)["length"] == 4


def test_a_topic_is_what_the_weights_say() -> None:
    weights = {"bias": -1.0, **dict.fromkeys(FORM, 0.0), "asks": 2.0}
    assert topic_share(understand("plugin loading"), weights) < 0.5 < topic_share(understand("how x"), weights)
    assert topic_share(understand("x"), dict.fromkeys((*FORM, "bias"), 0.0)) == 0.5


@given(st.text(min_size=1).filter(str.strip).map(lambda text: text.replace(":", " ")).filter(str.strip))
def test_any_query_is_somewhere_between_topic_and_place(text: str) -> None:
    assert set(DEFAULT.topic) == {*FORM, "bias"}
    assert 0 <= topic_share(understand(text), DEFAULT.topic) <= 1
