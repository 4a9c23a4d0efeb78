"""Where the words of a query stand in a text, for highlighting."""

from __future__ import annotations

import re

from conexus.index.terms import word_terms
from conexus.search.query import Query

#: More highlights than this say nothing.
MOST_MATCHES = 50

_WORD = re.compile(r"\w+")


def find_matches(preview: str, query: Query) -> list[tuple[int, int]]:
    """Offsets ``(start, end)`` of the query's words in ``preview``, in order, apart from each other.

    A word that is a term of the query is marked whole; of a longer name, those parts that are.
    """
    asked = {term for concept in query.concepts for term, _ in concept.terms}
    found: list[tuple[int, int]] = []
    if not asked:
        return found
    for match in _WORD.finditer(preview):
        word, start = match.group(), match.start()
        whole, *parts = word_terms(word) or ("",)
        if whole in asked:
            found.append(match.span())
        else:
            found.extend((start + first, start + last) for first, last in _parts(word, parts, asked))
        if len(found) >= MOST_MATCHES:
            break
    return found[:MOST_MATCHES]


def _parts(word: str, parts: list[str], asked: set[str]) -> list[tuple[int, int]]:
    """Where the asked parts stand in a word; parts are in the order of the word."""
    lowered = word.lower()
    if len(lowered) != len(word):  # lower-casing may change the length ("İ"): such a word is not marked in part
        return []
    spans: list[tuple[int, int]] = []
    end = 0
    for part in parts:
        start = lowered.find(part, end)
        if start < 0:
            continue
        # overlapping pairs of ideographs begin inside each other
        end = start + (len(part) if part.isascii() else 1)
        if part in asked:
            if spans and start < spans[-1][1]:
                spans[-1] = (spans[-1][0], start + len(part))
            else:
                spans.append((start, start + len(part)))
    return spans
