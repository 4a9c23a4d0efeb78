"""Every mistyped name finds the name."""

from __future__ import annotations

import string

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conexus.search.query import understand
from conexus.search.query_expansion import corrections, expand_query
from conexus.segments.terms import word_terms
from tests.fixtures import fixture, snapshot

VIEWS = snapshot(
    fixture("""
//- /app/messages.py
class MessagePackSerializer:
    def serialize_message(self, message):
        return pack(message)

    def __exit__(self):
        self.closed = True


def parse_http_request(data):
    return data.split()
//- /web/größe.ts
export function größeBerechnen(breite: number, höhe: number): number {
  return breite * höhe;
}

export function imageResizer(image: Image): Image {
  return image.scaled();
}
//- /store/Кэш.kt
class КэшДанных {
    fun очистить() {
        записи.clear()
    }
}
//- /store/cache.go
package store

func EvictOldest(c *Cache) {
	c.order.Remove(c.order.Back())
}
""").files
).views
NAMES = sorted(
    name
    for view in VIEWS
    for name in view.segment.definitions.vocabulary()
    if len(word_terms(name)[0].replace("_", "")) >= 5
)
LETTERS = string.ascii_letters + string.digits + "_éüжд"


@st.composite
def mistyped(draw: st.DrawFn) -> tuple[str, str]:
    """A name and the same with one edit."""
    name = draw(st.sampled_from(NAMES))
    kind = draw(st.sampled_from(["missing", "added", "other", "swapped"]))
    at = draw(st.integers(0, len(name) - 1))
    letter = draw(st.sampled_from(LETTERS))
    if kind == "missing":
        return name, name[:at] + name[at + 1 :]
    if kind == "added":
        return name, name[:at] + letter + name[at:]
    if kind == "other":
        return name, name[:at] + letter + name[at + 1 :]
    return name, name[:at] + name[at : at + 2][::-1] + name[at + 2 :]


@settings(max_examples=500)
@given(mistyped())
def test_every_single_edit_of_a_name_finds_it(case: tuple[str, str]) -> None:
    name, typed = case
    term = word_terms(typed)[0]
    occurs = any(
        len(postings.rows_with(term)[0]) for view in VIEWS for postings in (view.segment.body, view.segment.names)
    )
    assert (word_terms(name)[0] in corrections(typed, VIEWS)) != occurs


@settings(max_examples=300)
@given(st.one_of(mistyped().map(lambda case: case[1]), st.text(max_size=60)))
def test_an_expanded_query_keeps_its_words_and_names(text: str) -> None:
    assume(text.strip() and ":" not in text)
    query = understand(text)
    expanded = expand_query(query, VIEWS)
    assert expanded.identifiers[: len(query.identifiers)] == query.identifiers
    assert [each.terms[0] for each in expanded.concepts[: len(query.concepts)]] == [
        each.terms[0] for each in query.concepts
    ]
    assert bool(expanded.corrected) == any(
        before.word != after.word for before, after in zip(query.concepts, expanded.concepts, strict=False)
    )


def test_a_word_that_occurs_is_never_corrected() -> None:
    for view in VIEWS:
        for postings in (view.segment.body, view.segment.names):
            for term in postings.vocabulary():
                assert corrections(term, VIEWS) == ()
