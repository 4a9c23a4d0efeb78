"""Where the words of a query stand in a text, for highlighting."""

from __future__ import annotations

import re
from functools import lru_cache

from conexus.index.terms import is_ideograph
from conexus.search.query import Query

#: More highlights than this say nothing.
MOST_MATCHES = 20


def find_matches(preview: str, query: Query) -> list[tuple[int, int]]:
    """Offsets ``(start, end)`` of the query's words in ``preview``, in order, apart from each other.

    A word that is a term of the query is marked whole; of a longer name, those parts that are.
    """
    found: list[tuple[int, int]] = []
    asked = frozenset(term for concept in query.concepts for term, _ in concept.terms)
    if not asked:
        return found
    # One pass of a compiled pattern: a preview has hundreds of words, and an answer twenty previews. Ignoring case is
    # ten times as slow, and only outside ASCII can lower case be of another length.
    plain = preview.isascii()
    for match in _pattern(asked, 0 if plain else re.IGNORECASE).finditer(preview.lower() if plain else preview):
        start, end = match.span()
        if _is_edge(preview, start) and _is_edge(preview, end):
            found.append((start, end))
            if len(found) == MOST_MATCHES:
                break
    return found


@lru_cache(maxsize=32)
def _pattern(asked: frozenset[str], flags: int) -> re.Pattern[str]:
    longest_first = sorted(asked, key=lambda term: (-len(term), term))
    return re.compile("|".join(map(re.escape, longest_first)), flags)


def _is_edge(text: str, at: int) -> bool:
    """Whether a word or a part of a name begins or ends before the character at an offset."""
    if at in {0, len(text)}:
        return True
    before, after = text[at - 1], text[at]
    if not (before.isalnum() and after.isalnum()):
        return True
    if before.isdigit() != after.isdigit() or is_ideograph(before) or is_ideograph(after):
        return True
    if after.isupper():
        # `userName`, and the last capital of `HTTPServer`
        return not before.isupper() or (at + 1 < len(text) and text[at + 1].islower())
    return False
