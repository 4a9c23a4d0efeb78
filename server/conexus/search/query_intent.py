"""Classifies a query's intent: a topic (``battery level detection``), or what one function does (``returns …``)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

from conexus.search.query import Query, is_stop_word, prose_words

#: Number of characters of a query, the first ones, that determine its intent.
_MAX_CHARACTERS = 400
_MAX_WORDS = 40
_QUESTION_WORDS = frozenset({"how", "what", "where", "which", "who", "why", "when"})

#: The number of words divided by 10, at most 4; the share (0..1) of stop words; and, as 0 or 1, whether the first word
#: ends like ``returns``, whether it ends like ``returning``, and whether it is a question word.
INTENT_FEATURES = (
    "word_count",
    "stop_word_share",
    "starts_with_verb",
    "starts_with_gerund",
    "starts_with_question_word",
)


def intent_features(query: Query) -> tuple[float, ...]:
    """Returns the number for each of ``INTENT_FEATURES``."""
    return _intent_features(query.text[:_MAX_CHARACTERS])


@lru_cache(maxsize=4)
def _intent_features(text: str) -> tuple[float, ...]:
    # The result is cached because each query needs it twice.
    words = [word.lower() for word in prose_words(text)]
    if not words:
        return (0.0,) * len(INTENT_FEATURES)
    first = words[0]
    return (
        min(len(words), _MAX_WORDS) / 10,
        sum(map(is_stop_word, words)) / len(words),
        float(len(words) > 1 and first.endswith("s") and not first.endswith("ss")),
        float(first.endswith("ing")),
        float(first in _QUESTION_WORDS),
    )


def topic_probability(query: Query, weights: Mapping[str, float]) -> float:
    """Returns the probability (0..1) that a query asks for a topic rather than for one place.

    ``weights`` has a number for each of ``INTENT_FEATURES``, and ``bias``.
    """
    values = zip(INTENT_FEATURES, intent_features(query), strict=True)
    logit = weights["bias"] + sum(weights[name] * value for name, value in values)
    return 1 / (1 + math.exp(-logit))
