"""Finds ``definition``, ``callee`` and ``caller``: names that the place refers to, and code that refers to its name."""

from __future__ import annotations

from conexus.related.names import affinity, defining_rows, name_rarity
from conexus.related.place import Anchor, RelatedRow, surest_rows
from conexus.search.scope import Scope
from conexus.segments.roles import Role

_CALLABLE = frozenset({"function", "method", "macro"})
#: Maximum number of definitions of one name; further ones are guesses.
_MAX_DEFINITIONS = 2
#: Maximum number of callers taken from one view, because a common name has many callers.
_MAX_CALLERS = 500
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
        likely = sorted(
            ((affinity(scope, anchor, row), -row) for row in rows if row not in anchor.excluded), reverse=True
        )
        for score, minus_row in likely[:_MAX_DEFINITIONS]:
            row = -minus_row
            is_callable = _kind(scope, row) in _CALLABLE
            if scope.filter_mask[row] and (callables if is_callable else others):
                found.append(RelatedRow(row, score * name_rarity(len(rows)), f"defines {name}"))
    return surest_rows(found, limit)


def callers(scope: Scope, anchor: Anchor, limit: int) -> list[RelatedRow]:
    """Returns code that refers to the name that the place defines; tests are another relation."""
    if not anchor.symbol:
        return []
    rarity = name_rarity(len(defining_rows(scope, anchor.symbol)))
    found = [
        RelatedRow(row, rarity * affinity(scope, anchor, row) * _weight(scope, row), f"refers to {anchor.symbol}")
        for row in referring_rows(scope, anchor)
        if not scope.roles[row] & Role.TEST or anchor.is_test
    ]
    return surest_rows(found, limit)


def _weight(scope: Scope, row: int) -> float:
    """Returns the factor of a reference in a row."""
    ref = scope.ref(row)
    return 1.0 if ref.view.segment.symbols[ref.row] else _OUTSIDE_DEFINITIONS


def referring_rows(scope: Scope, anchor: Anchor) -> list[int]:
    """Returns the rows that pass the filters and refer to the anchor's symbol."""
    rows: list[int] = []
    for number, view in enumerate(scope.views):
        referring, _ = view.segment.references.rows_with(anchor.symbol)
        first = scope.first_rows[number]
        referring = referring[scope.filter_mask[referring + first]][:_MAX_CALLERS]
        rows += [first + row for row in referring.tolist() if first + row not in anchor.excluded]
    return rows


def _kind(scope: Scope, row: int) -> str:
    ref = scope.ref(row)
    return ref.view.segment.kind(ref.row)
