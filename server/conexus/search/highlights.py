"""Finds the words of a query in a text, for highlighting."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from conexus.search.query import Query
from conexus.segments.terms import fold, is_unspaced

#: Maximum number of highlights; more of them say nothing.
MAX_MATCHES = 20

#: Matches a run of ASCII characters, or one other character, because folding may turn that into none, one or several.
_RUN = re.compile("[\x00-\x7f]+|[^\x00-\x7f]")


def marked_terms(query: Query) -> frozenset[str]:
    """Returns the terms of a query that ``find_matches`` marks."""
    return frozenset(term for concept in query.concepts for term, _ in concept.terms if term)


def find_matches(preview: str, terms: Iterable[str]) -> list[tuple[int, int]]:
    """Returns offsets ``(start, end)`` of a query's words in ``preview``, in order and without overlap.

    A word that is a term of the query is marked whole; in a longer name, only the parts that are terms are marked.
    Returns at most ``MAX_MATCHES``.
    """
    # One pattern of all terms would need one pass, but compiling it takes longer than finding each in twenty previews.
    text, places = (preview.lower(), None) if preview.isascii() else _folded(preview)
    matches: list[tuple[int, int]] = []
    for term in terms:
        at = text.find(term)
        while at >= 0:
            start, end = at, at + len(term)
            if places is not None:
                start, end = places[start], max(places[end], places[end - 1] + 1)
            if _is_edge(preview, start) and _is_edge(preview, end):
                matches.append((start, -end))
            at = text.find(term, at + 1)
    found: list[tuple[int, int]] = []
    # Of the words that begin at one place, the longest is first.
    for start, end in sorted(matches):
        if not found or start >= found[-1][1]:
            found.append((start, -end))
            if len(found) == MAX_MATCHES:
                break
    return found


@lru_cache(maxsize=1 << 12)
def _folded_character(character: str) -> str:
    return fold(character)


def _folded(text: str) -> tuple[str, list[int]]:
    """Returns the text as terms are spelled, and the offsets of its characters, and of its end, in the original."""
    pieces: list[str] = []
    places: list[int] = []
    for match in _RUN.finditer(text):
        start, end = match.span()
        piece = match[0].lower() if match[0].isascii() else _folded_character(match[0])
        pieces.append(piece)
        places += range(start, end) if end - start == len(piece) else [start] * len(piece)
    return "".join(pieces), [*places, len(text)]


def _is_edge(text: str, at: int) -> bool:
    """Decides whether a word or a part of a name begins or ends before the character at an offset."""
    if at in {0, len(text)}:
        return True
    before, after = text[at - 1], text[at]
    if not (before.isalnum() and after.isalnum()):
        return True
    if before.isdigit() != after.isdigit() or is_unspaced(before) or is_unspaced(after):
        return True
    if after.isupper():
        # `userName`, and the last capital of `HTTPServer`
        return not before.isupper() or (at + 1 < len(text) and text[at + 1].islower())
    return False
