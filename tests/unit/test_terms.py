from __future__ import annotations

from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conexus.segments.terms import terms, word_terms, words


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
        # accents, as one character and apart, and letters that stand for others
        ("café", ["cafe"]),
        ("cafe\u0301Naïve", ["cafenaive", "cafe", "naive"]),
        ("größeBerechnen", ["grosseberechnen", "grosse", "berechnen"]),
        ("GROẞE", ["grosse"]),
        ("SINIF", ["sinif"]),
        ("sınıf", ["sinif"]),
        ("İstanbul", ["istanbul"]),
        ("ŁódźTable", ["lodztable", "lodz", "table"]),
        # capitals of other scripts
        ("имяФайла", ["имяфаила", "имя", "фаила"]),
        ("НДСРасчёт", ["ндсрасчет", "ндс", "расчет"]),
        ("HTTPСервер", ["httpсервер", "http", "сервер"]),
        ("όνομαΑρχείου", ["ονομααρχειου", "ονομα", "αρχειου"]),
        ("ΛΌΓΟΣ", ["λογοσ"]),
        # scripts without spaces
        ("数据库连接", ["数据库连接", "数据", "据库", "库连", "连接"]),
        ("读取file", ["读取file", "读取", "file"]),
        ("時々", ["時々"]),
        ("ﾌｧｲﾙ", ["ファイル", "ファ", "ァイ", "イル"]),
        ("사용자이름", ["사용자이름", "사용", "용자", "자이", "이름"]),
        ("ภาษา", ["ภาษา", "ภา", "าษ", "ษา"]),
        # scripts without capitals, points and vowels left out or not
        ("ملف_الإعدادات", ["ملف_الاعدادات", "ملف", "الاعدادات"]),
        ("fileملف", ["fileملف", "file", "ملف"]),
        ("שָׁלוֹם", ["שלום"]),
        ("हिन्दी", ["हिन्दी"]),
        # other forms of letters
        ("ｇｅｔＵｓｅｒ", ["getuser", "get", "user"]),
        ("\ufdfa", ["صلىاللهعليهوسلم", "صلى", "الله", "عليه", "وسلم"]),
    ],
)
def test_words(word: str, expected: list[str]) -> None:
    assert list(word_terms(word)) == expected


def test_terms_keep_order_and_repeats() -> None:
    assert terms("foo(bar, foo)") == ["foo", "bar", "foo"]


@pytest.mark.parametrize("word", ["cafe\u0301", "हिन्दी", "שָׁלוֹם", "ภาษาไทย", "தமிழ்", "한국어"])
def test_marks_are_parts_of_words(word: str) -> None:
    assert words(f"a {word}, b") == ["a", word, "b"]


def test_two_and_three_characters_are_found_inside_a_longer_run() -> None:
    run = set(terms("读取配置文件并解析"))
    assert set(terms("配置")) <= run
    assert set(terms("配置文")[1:]) <= run
    assert "析完" in terms("解析" * 50 + "析完")


@given(st.text())
def test_words_written_apart_or_together_have_the_same_terms(text: str) -> None:
    for word in words(text):
        for form in ("NFC", "NFD"):
            assert word_terms(normalize(form, word)) == word_terms(word)


@given(st.text())
def test_terms_of_any_text_are_short_lower_case_and_without_white_space(text: str) -> None:
    for term in terms(text):
        assert term == term.lower()
        assert not any(character.isspace() for character in term)
        assert 0 < len(term) <= 200
