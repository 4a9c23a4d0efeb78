"""Classifies a query's intent: a topic (``battery level detection``), or what one function does (``returns …``)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

from conexus.search.query import Query, prose_words, says_nothing

#: Number of characters of a query, the first ones, that determine its intent.
_LONGEST = 400
_MOST_WORDS = 40
_ASKING = frozenset({"how", "what", "where", "which", "who", "why", "when"})

#: Features of a query's form: the number of words divided by 10 (at most 4); the share (0..1) of words that say nothing
#: about code; and, as 0 or 1, whether the first word ends like ``returns``, whether it ends like ``returning``, and
#: whether it is an interrogative.
FORM = ("length", "plain", "predicate", "gerund", "asks")


def form(query: Query) -> tuple[float, ...]:
    """Returns the number for each feature of ``FORM``."""
    return _form(query.text[:_LONGEST])


@lru_cache(maxsize=4)
def _form(text: str) -> tuple[float, ...]:
    # The result is cached because each query needs it twice.
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
    """Returns the probability (0..1) that a query asks for a topic rather than for one place.

    ``weights`` has a number for each feature of ``FORM``, and ``bias``.
    """
    sum_ = weights["bias"] + sum(weights[name] * value for name, value in zip(FORM, form(query), strict=True))
    return 1 / (1 + math.exp(-sum_))
