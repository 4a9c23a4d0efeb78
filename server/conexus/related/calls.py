"""Finds ``definition``, ``callee`` and ``caller``: names that the place refers to, and code that refers to its name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from conexus.related.names import affinities, defining_rows, name_rarity
from conexus.related.place import Anchor, RelatedRow, surest, surest_rows
from conexus.search.scope import Scope
from conexus.segments.roles import Role

_CALLABLE = frozenset({"function", "method", "macro"})
#: Maximum number of definitions of one name; further ones are guesses.
_MAX_DEFINITIONS = 2
#: Factor for a reference from code outside definitions, such as an import, which says less.
_OUTSIDE_DEFINITIONS = 0.5


def definitions(scope: Scope, anchor: Anchor, limit: int) -> list[RelatedRow]:
    """Returns definitions of the selected names or, for a cursor, of the types and values that its chunk refers to."""
    return _referenced_definitions(scope, anchor, limit, callables=bool(anchor.place.text), others=True)


def callees(scope: Scope, anchor: Anchor, limit: int) -> list[RelatedRow]:
    """Returns functions that the place calls."""
    return _referenced_definitions(scope, anchor, limit, callables=True, others=False)


def _referenced_definitions(
    scope: Scope, anchor: Anchor, limit: int, *, callables: bool, others: bool
) -> list[RelatedRow]:
    """Returns definitions of the names that the anchor refers to, surest first.

    ``callables`` and ``others`` choose whether definitions of functions and of other things are among them.
    """
    found: list[RelatedRow] = []
    for name in anchor.references:
        rows = defining_rows(scope, name)
        candidates = np.array([row for row in rows if row not in anchor.excluded], np.int64)
        scores = affinities(scope, anchor, candidates)
        for place in surest(scope, candidates, scores, _MAX_DEFINITIONS).tolist():
            row, score = int(candidates[place]), float(scores[place])
            is_callable = _kind(scope, row) in _CALLABLE
            if scope.filter_mask[row] and (callables if is_callable else others):
                found.append(RelatedRow(row, score * name_rarity(len(rows)), f"defines {name}"))
    return surest_rows(scope, found, limit)


def callers(scope: Scope, anchor: Anchor, limit: int) -> list[RelatedRow]:
    """Returns code that refers to the name that the place defines; tests are another relation."""
    if not anchor.symbol:
        return []
    rows = referring_rows(scope, anchor)
    if not anchor.is_test:
        rows = rows[scope.roles[rows] & np.uint8(Role.TEST) == 0]
    has_symbol = np.concatenate([view.segment.has_symbol for view in scope.views])
    weights = np.where(has_symbol[rows], 1.0, _OUTSIDE_DEFINITIONS)
    rarity = name_rarity(len(defining_rows(scope, anchor.symbol)))
    scores = rarity * affinities(scope, anchor, rows) * weights
    return [
        RelatedRow(int(rows[place]), float(scores[place]), f"refers to {anchor.symbol}")
        for place in surest(scope, rows, scores, limit).tolist()
    ]


def referring_rows(scope: Scope, anchor: Anchor) -> NDArray[np.int64]:
    """Returns the rows that pass the filters and refer to the anchor's symbol, ascending."""
    found = [np.empty(0, np.int64)]
    for view, first in zip(scope.views, scope.first_rows, strict=False):
        found.append(view.segment.references.rows_with(anchor.symbol)[0].astype(np.int64) + first)
    rows = np.concatenate(found)
    return rows[scope.filter_mask[rows] & ~np.isin(rows, list(anchor.excluded))]


def _kind(scope: Scope, row: int) -> str:
    ref = scope.ref(row)
    return ref.view.segment.kind(ref.row)
