"""What kind of sentence a query is: a topic (``battery level detection``), or what a function does (``returns …``)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

from conexus.search.query import Query, prose_words, says_nothing

#: Characters of a query that tell what kind it is.
_LONGEST = 400
_MOST_WORDS = 40
_ASKING = frozenset({"how", "what", "where", "which", "who", "why", "when"})

#: Tens of words, the share of words that say nothing about code, whether the first word ends like ``returns`` or like
#: ``returning``, whether it asks.
FORM = ("length", "plain", "predicate", "gerund", "asks")


def form(query: Query) -> tuple[float, ...]:
    """A number for each of ``FORM``."""
    return _form(query.text[:_LONGEST])


@lru_cache(maxsize=4)
def _form(text: str) -> tuple[float, ...]:
    # Each query is asked for it twice.
    words = [word.lower() for word in prose_words(text)]
    if not words:
        return (0.0,) * len(FORM)
    first = words[0]
    return (
        min(len(words), _MOST_WORDS) / 10,
        sum(map(says_nothing, words)) / len(words),
        float(len(words) > 1 and first.endswith("s") and not first.endswith("ss")),
        float(first.endswith("ing")),
        float(first in _ASKING),
    )


def topic_share(query: Query, weights: Mapping[str, float]) -> float:
    """0..1: how likely a query asks for a topic rather than for one place. ``weights`` of ``FORM`` and ``bias``."""
    sum_ = weights["bias"] + sum(weights[name] * value for name, value in zip(FORM, form(query), strict=True))
    return 1 / (1 + math.exp(-sum_))
