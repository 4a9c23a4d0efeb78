"""Highlights of a query's words."""

from __future__ import annotations

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from conexus.search.highlights import MAX_MATCHES, _is_edge, find_matches, marked_terms
from conexus.search.query import understand
from conexus.values import BadQuery


def marked(text: str, query: str) -> list[str]:
    return [text[start:end] for start, end in find_matches(text, marked_terms(understand(query)))]


def test_whole_names_and_parts_are_marked() -> None:
    assert marked("def retry_policy(maxRetries): retry()", "retry") == ["retry", "Retries", "retry"]
    assert marked("class RetryPolicy: pass", "retry policy") == ["RetryPolicy"]
    assert marked("getUserName()", "getUserName") == ["getUserName"]


def test_other_forms_are_marked() -> None:
    assert marked("loading plugins; load()", "loads plugin") == ["loading", "plugins", "load"]
    # `sockets` begins there, too, and is no part of the name.
    assert marked("WebSocketState", "sockets") == ["Socket"]


def test_ideographs_are_marked() -> None:
    assert marked("x = 设置语言文件", "语言") == ["语言"]


def test_accents_and_other_forms_of_letters_are_marked() -> None:
    assert marked("the café, CAFE\u0301 and le cafe", "cafe") == ["café", "CAFE\u0301", "cafe"]
    assert marked("die Straße, weißeStrasse", "STRASSE") == ["Straße", "Strasse"]
    assert marked("ｇｅｔＵｓｅｒ(한국어)", "user 한국") == ["Ｕｓｅｒ", "한국"]


def test_highlights_are_capped() -> None:
    assert len(marked("word " * 500, "word")) == MAX_MATCHES


@given(st.text(max_size=200), st.text(max_size=60))
def test_highlights_are_ordered_apart_and_inside(preview: str, text: str) -> None:
    try:
        query = understand(text)
    except BadQuery:
        return
    end = 0
    for start, stop in find_matches(preview, marked_terms(query)):
        assert end <= start < stop <= len(preview)
        end = stop


@given(st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=12), st.text("abcA_.", max_size=60))
def test_the_longest_word_is_marked_wherever_one_begins(words: list[str], text: str) -> None:
    expected: list[tuple[int, int]] = []
    at = 0
    while at < len(text) and len(expected) < MAX_MATCHES:
        ends = [at + len(word) for word in words if text.lower().startswith(word, at) and _is_edge(text, at)]
        end = max(filter(partial(_is_edge, text), ends), default=at)
        if end > at:
            expected.append((at, end))
        at = max(end, at + 1)
    assert find_matches(text, words) == expected
