"""Finds ``similar``: code that means the same, in any language."""

from __future__ import annotations

import numpy as np

from conexus.arrays.float16 import to_float32
from conexus.related.place import Anchor, RelatedRow, surest
from conexus.search.bm25 import NumberedConcept, Scores, idf, norms, saturated
from conexus.search.query import Concept
from conexus.search.query_vectors import QueryVectors
from conexus.search.scope import Scope
from conexus.search.signals import has_few_rows
from conexus.search.standardize import Signal
from conexus.search.weights import SHIPPED_WEIGHTS
from conexus.segments.terms import terms

#: Maximum number of the place's terms that are searched: the rarest ones.
_MAX_TERMS = 40
#: Weights of the similarities by vectors and by words, both standardised.
_DENSE_WEIGHT, _BODY_WEIGHT = 1.0, 0.4
#: Scores, in standard deviations, that are mapped to 0 and 1.
_ZERO_SCORE, _FULL_SCORE = 1.0, 9.0
#: Deducted from the score of a row that is no definition, if the place is one.
_TEXT_PENALTY = 1.0


def similar(scope: Scope, anchor: Anchor, limit: int, vectors: QueryVectors) -> list[RelatedRow]:
    """Returns the nearest chunks by meaning and words, the best of each file first.

    ``vectors`` are the vectors of the selected text; without a selection they are not used.
    """
    scores = _DENSE_WEIGHT * _dense(scope, anchor, vectors) + _BODY_WEIGHT * _words(scope, anchor)
    if anchor.symbol:
        definitions = [facts.defines for facts in scope.facts]
        scores[~np.concatenate(definitions)] -= _TEXT_PENALTY
    eligible = scope.filter_mask.copy()
    eligible[list(anchor.excluded)] = False
    rows = np.flatnonzero(eligible & (scores > _ZERO_SCORE))
    rows = rows[surest(scope, rows, scores[rows], 10 * limit)]
    _, firsts = np.unique(scope.file_of[rows], return_index=True)
    best_of_files = np.sort(firsts)
    order = np.concatenate([best_of_files, np.setdiff1d(np.arange(len(rows)), best_of_files)])
    return [
        RelatedRow(
            int(row), float(np.clip((scores[row] - _ZERO_SCORE) / (_FULL_SCORE - _ZERO_SCORE), 0, 1)), "similar code"
        )
        for row in rows[order][:limit]
    ]


def _dense(scope: Scope, anchor: Anchor, vectors: QueryVectors) -> Scores:
    """Returns the standardised cosines of all rows, shape (rows,); 0 in views that have no vector of the place."""
    vectors = vectors if anchor.place.text else _vectors_of_chunks(scope, anchor)
    values = np.zeros(scope.rows, np.float32)
    has_cosine = np.zeros(scope.rows, np.bool_)
    for number, view in enumerate(scope.views):
        vector = vectors.get(view.segment.model)
        if vector is not None and vector.any():
            span = slice(scope.first_rows[number], scope.first_rows[number + 1])
            view.segment.dense.cosines(vector, values[span], exact=has_few_rows(scope))
            has_cosine[span] = True
    similarity = Signal.from_similarities(values, has_cosine if scope.live is None else has_cosine & scope.live)
    values[~has_cosine] = similarity.z_score.mean
    return similarity.values


def _vectors_of_chunks(scope: Scope, anchor: Anchor) -> QueryVectors:
    """Returns the mean of the stored vectors of the chunks at the place, by model fingerprint."""
    if not anchor.rows:
        return {}
    number = scope.view_of(anchor.rows[0])
    segment = scope.views[number].segment
    rows = [row - scope.first_rows[number] for row in anchor.rows]
    return {segment.model: to_float32(segment.vectors[rows]).mean(axis=0)}


def _words(scope: Scope, anchor: Anchor) -> Scores:
    """Returns the standardised BM25 of the place's rarest terms, shape (rows,)."""
    body = scope.field("body")
    lexicons = [view.segment.lexicon for view in scope.views]
    scores = np.zeros(scope.rows, np.float32)
    found_terms = []
    for term in _terms(scope, anchor):
        rows, counts = body.occurrences(NumberedConcept.from_lexicons(Concept(((term, 1.0),), term), lexicons))
        if len(rows) > 1:
            found_terms.append((idf(len(rows), scope.live_count), term, rows, counts))
    found_terms.sort(key=lambda each: (-each[0], each[1]))
    for rarity, _, rows, counts in found_terms[:_MAX_TERMS]:
        row_norms = norms(body.lengths[rows], body.mean_length, SHIPPED_WEIGHTS.body_k1, SHIPPED_WEIGHTS.body_b)
        scores[rows] += np.float32(rarity) * saturated(counts, row_norms)
    return Signal.from_similarities(scores, scope.live).values


def _terms(scope: Scope, anchor: Anchor) -> list[str]:
    if anchor.place.text or not anchor.rows:
        return list(dict.fromkeys(terms(anchor.place.text)))
    number = scope.view_of(anchor.rows[0])
    body, first = scope.views[number].segment.body, scope.first_rows[number]
    return list(dict.fromkeys(term for row in anchor.rows for term in body.words_in(row - first)))
