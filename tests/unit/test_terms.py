from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conexus.index.terms import terms, word_terms


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("name", ["name"]),
        ("getUserName_v2", ["getusername_v2", "get", "user", "name", "v", "2"]),
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("MAX_SIZE", ["max_size", "max", "size"]),
        ("__init__", ["init"]),
        ("sha256", ["sha256", "sha", "256"]),
        ("___", []),
        ("größeBerechnen", ["größeberechnen", "größe", "berechnen"]),
        ("имяФайла", ["имяфайла", "имя", "файла"]),
        ("数据库连接", ["数据库连接", "数据", "据库", "库连", "连接"]),
    ],
)
def test_words(word: str, expected: list[str]) -> None:
    assert list(word_terms(word)) == expected


def test_terms_keep_order_and_repeats() -> None:
    assert terms("foo(bar, foo)") == ["foo", "bar", "foo"]


@given(st.text())
def test_terms_of_any_text_are_short_lower_case_and_without_white_space(text: str) -> None:
    for term in terms(text):
        assert term == term.lower()
        assert not any(character.isspace() for character in term)
        assert 0 < len(term) <= 200
