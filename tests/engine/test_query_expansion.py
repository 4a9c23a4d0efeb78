"""Names that are mistyped, or written in lower case, without accents or as several words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conexus.search.pipeline import SearchRequest, run
from conexus.search.query import Query, understand
from conexus.search.query_expansion import corrections, defined_names, expand_query
from conexus.search.symbols import find_symbols
from conexus.segments.snapshot import Searchable, Snapshot
from tests.fixtures import fixture, searchable, snapshot, view, where

SNAPSHOT = snapshot(
    fixture('''
//- /wire/pack.py
class MessagePackSerializer:
    """Writes values as bytes."""

    def dump(self, value):
        return bytes(value)


def parse_http_request(data):
    return data.split()
//- /wire/errors.py
class HTTPException(Exception):
    def __init__(self, status):
        self.status = status


def retry(action):
    return action()
//- /config/merge.ts
export function mergeConfig(ours: Config, theirs: Config): Config {
  return {...ours, ...theirs};
}
//- /config/defaults.py
def merge_config(ours, theirs):
    return {**ours, **theirs}
//- /web/größe.ts
export function größeBerechnen(breite: number, höhe: number): number {
  // 读取配置文件并解析
  return breite * höhe;
}
''').files
)
VIEWS = SNAPSHOT.views


def ask(text: str, of: Snapshot = SNAPSHOT) -> list[str]:
    return [where(each.ref) for each in run(Searchable(of), SearchRequest(text, limit=5)).rows]


def ask_symbols(text: str) -> tuple[str, tuple[str, ...]]:
    best = find_symbols(searchable(SNAPSHOT), text, limit=1).rows[0]
    return where(best.ref), best.reasons


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("messagepackserializer", "wire/pack.py:MessagePackSerializer"),
        ("how does messagepackserializer work", "wire/pack.py:MessagePackSerializer"),
        ("MesagePackSerialiser", "wire/pack.py:MessagePackSerializer"),
        ("mesage pack serializer", "wire/pack.py:MessagePackSerializer"),
        ("parsehttprequest", "wire/pack.py:parse_http_request"),
        ("parse_htpt_request", "wire/pack.py:parse_http_request"),
        ("httpexception", "wire/errors.py:HTTPException"),
        ("http exception", "wire/errors.py:HTTPException"),
        ("retyr", "wire/errors.py:retry"),
        ("grosseberechnen", "web/größe.ts:größeBerechnen"),
        ("GRÖẞE berechnen", "web/größe.ts:größeBerechnen"),
        ("配置文件", "web/größe.ts:größeBerechnen"),
    ],
)
def test_the_name_that_is_meant_is_first(query: str, first: str) -> None:
    assert ask(query)[0] == first


def test_several_words_are_a_name_in_any_style() -> None:
    query = expand_query(understand("merge config"), VIEWS)
    assert set(query.identifiers) == {"mergeconfig", "merge_config"}
    assert set(ask("merge config")[:2]) == {"config/merge.ts:mergeConfig", "config/defaults.py:merge_config"}


def test_what_occurs_is_left_as_it_is() -> None:
    for text in ("retry the action", "MessagePackSerializer", "lang:python", "x y z"):
        query = understand(text)
        assert without_other_forms(expand_query(query, VIEWS)) == without_other_forms(query)
        assert not query.corrected


def test_other_forms_that_occur_nowhere_are_not_looked_for() -> None:
    query = understand("configs")
    (before,), (after,) = query.concepts, expand_query(query, VIEWS).concepts
    assert {term for term, _ in before.terms} > {"configs", "config", "configing"}
    assert [term for term, _ in after.terms] == ["configs", "config"]


def without_other_forms(query: Query) -> Query:
    return replace(query, concepts=tuple(replace(each, terms=each.terms[:1]) for each in query.concepts))


def test_words_of_prose_keep_their_first_letter() -> None:
    assert "retry" in corrections("xetry", VIEWS)
    assert expand_query(understand("xetry it"), VIEWS).corrected == frozenset()
    assert expand_query(understand("retyr it"), VIEWS).corrected == {"retry"}


def test_the_reasons_say_what_was_meant() -> None:
    assert ask_symbols("MesagePackSerializer") == (
        "wire/pack.py:MessagePackSerializer",
        ("spelled like MessagePackSerializer", *ask_symbols("MesagePackSerializer")[1][1:]),
    )
    assert "defines MessagePackSerializer" not in ask_symbols("MesagePackSerializer")[1]
    assert any(reason.startswith("spelled like retry") for reason in ask_symbols("retyr")[1])


def test_symbols_are_found_mistyped_and_without_accents() -> None:
    assert ask_symbols("mrege config")[0].startswith("config/")
    assert ask_symbols("grosseb")[0] == "web/größe.ts:größeBerechnen"
    assert ask_symbols("grosse berechnen")[0] == "web/größe.ts:größeBerechnen"
    assert ask_symbols("HTTPExcepton.__init__")[0] == "wire/errors.py:__init__"


def test_names_are_as_their_definitions_write_them() -> None:
    assert defined_names("init", VIEWS) == ("__init__",)
    assert defined_names("grosseberechnen", VIEWS) == ("größeBerechnen",)
    assert defined_names("wire", VIEWS) == ()


def test_rows_that_no_longer_count_are_no_occurrences() -> None:
    base = SNAPSHOT.views[0]
    gone = Snapshot(2, (replace(base, live=base.live & False),))
    assert corrections("retyr", gone.views) == ()
    overlay = view({"a.py": "def retrys(action):\n    return action()\n"})
    assert corrections("retry", (*gone.views, overlay)) == ("retrys",)
    anything = understand("anything")
    assert expand_query(anything, ()) == without_other_forms(anything)
