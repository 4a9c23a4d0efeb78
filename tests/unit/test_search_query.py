"""Understanding a query: operators, names, file names, words."""

from __future__ import annotations

import pytest

from conexus.search.operators import Operators
from conexus.search.query import MAX_CHARACTERS, understand
from conexus.values import BadQuery


def concept_terms(text: str) -> set[str]:
    return {concept.terms[0][0] for concept in understand(text).concepts}


def test_operators_are_taken_out_of_the_text() -> None:
    query = understand("retry lang:python,go with -path:vendor path:src/net backoff kind:function test:no")
    assert query.text == "retry with backoff"
    assert query.operators == Operators(
        languages=("python", "go"), paths=("src/net",), not_paths=("vendor",), kinds=("function",), tests="exclude"
    )


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("std::path::Path", "std::path::Path"),
        ("error kind: timeout", "error kind: timeout"),
        ("author:alice fix", "author:alice fix"),
        ("lang::python", "lang::python"),
        ("path:", "path:"),
    ],
)
def test_what_is_no_operator_is_words(text: str, left: str) -> None:
    query = understand(text)
    assert query.text == left
    assert not query.operators


def test_quoted_values_and_aliases() -> None:
    query = understand('path:"my dir/a b" language:PY tests:only')
    assert query.operators == Operators(languages=("python",), paths=("my dir/a b",), tests="only")
    assert query.text == ""


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("kind:widget x", "widget"),
        ("test:perhaps x", "perhaps"),
        ("", "empty"),
        (" \n\t", "empty"),
        ("kind:" + "x" * 500, "…"),
    ],
)
def test_a_bad_query_says_what_is_bad(text: str, named: str) -> None:
    with pytest.raises(BadQuery, match=named):
        understand(text)


@pytest.mark.parametrize(
    "name", ["AsyncClient", "read_file", "std::fs::read", "Foo.bar()", "timeout", "Ключ", "empty?", "a"]
)
def test_a_name_is_symbol_like(name: str) -> None:
    assert understand(name).symbol_like


@pytest.mark.parametrize("text", ["retry policy", "how does it work?", "a + b", "???", "read file.py"])
def test_prose_is_not_symbol_like(text: str) -> None:
    assert not understand(text).symbol_like


def test_names_inside_prose_are_seen() -> None:
    query = understand("how Router.add_route stores HTTPRoute in lib/routing.ts and utils.py")
    assert set(query.identifiers) >= {"Router", "add_route", "HTTPRoute"}
    assert "how" not in query.identifiers
    assert query.files == ("lib/routing.ts", "utils.py")


def test_words_are_found_in_other_forms_and_as_one_name() -> None:
    loads = next(concept for concept in understand("loads plugins").concepts if concept.word == "loads")
    assert {"loads", "load", "loading"} <= {term for term, _ in loads.terms}
    assert "retrypolicy" in concept_terms("retry policy")
    assert concept_terms("how is the state kept") == {"state", "kept", "statekept"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the user's cookie doesn't expire", {"user", "cookie", "expire", "usercookie"}),
        ("user\u2019s", {"user"}),
        ("we can't log in", {"log"}),
        ("l'utilisateur d'accès", {"utilisateur", "acces", "utilisateuracces"}),
        ("replace 'x' by 'y'", {"replace", "x", "y", "replacex"}),
    ],
)
def test_apostrophes_leave_no_single_letters(text: str, expected: set[str]) -> None:
    assert concept_terms(text) == expected


def test_names_of_any_script_inside_prose_are_seen() -> None:
    query = understand("где ИмяФайла и größeBerechnen, cafe\u0301Name")
    assert query.identifiers == ("ИмяФайла", "größeBerechnen", "caféName")
    assert understand("cafe\u0301").symbol_like


def test_stop_words_alone_are_words() -> None:
    assert concept_terms("what is this") == {"what", "is", "this"}


def test_what_a_query_is_about() -> None:
    assert understand("tests for the parser").about_tests
    assert understand("example of a server").about_examples
    assert not understand("contest attestation").about_tests


def test_a_long_text_is_cut() -> None:
    assert len(understand("word " * MAX_CHARACTERS).text) <= MAX_CHARACTERS


def test_tests_are_wanted_only_where_they_are_what_is_asked_for() -> None:
    for text in ("tests for the parser", "unit test that checks retries", "test cases for dates", "unit tests parser"):
        assert understand(text).wants_tests, text
    for text in ("how test files are discovered", "test the connection", "latest for all"):
        assert not understand(text).wants_tests, text
    assert understand("example of a retry policy").wants_examples
    assert not understand("sample rate").wants_examples
