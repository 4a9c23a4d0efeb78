"""Finds ``similar``: code that means the same, in any language."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.float16 import to_float32
from conexus.related.place import Anchor, Found
from conexus.search.bm25 import Scores, Sought, idf, norms, saturated
from conexus.search.query import Concept
from conexus.search.scope import Scope
from conexus.search.signals import QueryVectors, Signal, are_few
from conexus.search.weights import DEFAULT
from conexus.segments.terms import terms

Embed = Callable[[str], QueryVectors]

#: Maximum number of the place's terms that are searched: the most telling ones.
_MOST_TERMS = 40
_DENSE, _BODY = 1.0, 0.4
#: Scores, in standard deviations, that are mapped to 0 and 1.
_LEAST, _FULL = 1.0, 9.0
#: Deducted from the score of a row that is no definition, if the place is one.
_TEXT = 1.0


def similar(scope: Scope, anchor: Anchor, limit: int, embed: Embed | None) -> list[Found]:
    """Returns the nearest chunks by meaning and words, the best of each file first."""
    dense = _dense(scope, anchor, embed)
    scores = _DENSE * dense + _BODY * _words(scope, anchor)
    if anchor.symbol:
        definitions = [facts.defines for facts in scope.tables]
        scores[~np.concatenate(definitions)] -= _TEXT
    allowed = scope.allowed.copy()
    allowed[list(anchor.own)] = False
    rows = np.flatnonzero(allowed & (scores > _LEAST))
    rows = rows[np.argsort(-scores[rows], kind="stable")][: 10 * limit]
    _, firsts = np.unique(scope.file_of[rows], return_index=True)
    leading = np.sort(firsts)
    order = np.concatenate([leading, np.setdiff1d(np.arange(len(rows)), leading)])
    return [
        Found(int(row), float(np.clip((scores[row] - _LEAST) / (_FULL - _LEAST), 0, 1)), "similar code")
        for row in rows[order][:limit]
    ]


def _dense(scope: Scope, anchor: Anchor, embed: Embed | None) -> Scores:
    vectors = _vectors(scope, anchor, embed)
    values = np.zeros(scope.rows, np.float32)
    counted = np.zeros(scope.rows, np.bool_)
    for number, view in enumerate(scope.views):
        vector = vectors.get(view.segment.model)
        if vector is not None and vector.any():
            span = slice(scope.first_rows[number], scope.first_rows[number + 1])
            view.segment.dense.cosines(vector, values[span], exact=are_few(scope))
            counted[span] = True
    likeness = Signal.likeness(values, counted if scope.counted is None else counted & scope.counted)
    values[~counted] = likeness.scale.mean
    return likeness.values


def _vectors(scope: Scope, anchor: Anchor, embed: Embed | None) -> Mapping[str, NDArray[np.float32]]:
    """Returns the vector of the selected text, or of the chunks around the cursor, by model fingerprint.

    The chunks around the cursor are already embedded; their vectors are averaged.
    """
    if anchor.place.text and embed is not None:
        return embed(anchor.place.text)
    if not anchor.rows:
        return {}
    number = scope.view_of(anchor.rows[0])
    segment = scope.views[number].segment
    rows = [row - scope.first_rows[number] for row in anchor.rows]
    return {segment.model: to_float32(segment.vectors[rows]).mean(axis=0)}


def _words(scope: Scope, anchor: Anchor) -> Scores:
    """Returns the standardised BM25 of the place's most telling terms, shape (rows,)."""
    body = scope.field("body")
    lexicons = [view.segment.lexicon for view in scope.views]
    scores = np.zeros(scope.rows, np.float32)
    telling = []
    for term in _terms(scope, anchor):
        rows, counts = body.occurrences(Sought.of(Concept(((term, 1.0),), term), lexicons))
        if len(rows) > 1:
            telling.append((idf(len(rows), scope.population), term, rows, counts))
    telling.sort(key=lambda each: (-each[0], each[1]))
    for rare, _, rows, counts in telling[:_MOST_TERMS]:
        competing = norms(body.lengths[rows], body.mean_length, DEFAULT.body_k1, DEFAULT.body_b)
        scores[rows] += np.float32(rare) * saturated(counts, competing)
    return Signal.likeness(scores, scope.counted).values


def _terms(scope: Scope, anchor: Anchor) -> list[str]:
    if anchor.place.text or not anchor.rows:
        return list(dict.fromkeys(terms(anchor.place.text)))
    number = scope.view_of(anchor.rows[0])
    body, first = scope.views[number].segment.body, scope.first_rows[number]
    return list(dict.fromkeys(term for row in anchor.rows for term in body.words_of(row - first)))
