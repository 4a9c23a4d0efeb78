"""Finds ``definition``, ``callee`` and ``caller``: names that the place refers to, and code that refers to its name."""

from __future__ import annotations

from conexus.related.names import affinity, defining, rarity
from conexus.related.place import Anchor, Found, best
from conexus.search.scope import Scope
from conexus.segments.roles import Role

_CALLABLE = frozenset({"function", "method", "macro"})
#: Maximum number of definitions of one name; further ones are guesses.
_MOST_MEANT = 2
#: Maximum number of callers taken from one view, because a common name has many callers.
_MOST_CALLERS = 500
#: Factor for a reference from code outside definitions, such as an import, which says less.
_OUTSIDE_DEFINITIONS = 0.5


def definitions(scope: Scope, anchor: Anchor, limit: int) -> list[Found]:
    """Returns definitions of the selected names or, for a cursor, of the types and values that its chunk refers to."""
    return _meant(scope, anchor, limit, callables=bool(anchor.place.text), others=True)


def callees(scope: Scope, anchor: Anchor, limit: int) -> list[Found]:
    """Returns functions that the place calls."""
    return _meant(scope, anchor, limit, callables=True, others=False)


def _meant(scope: Scope, anchor: Anchor, limit: int, *, callables: bool, others: bool) -> list[Found]:
    found: list[Found] = []
    for name in anchor.references:
        rows = defining(scope, name)
        likely = sorted(((affinity(scope, anchor, row), -row) for row in rows if row not in anchor.own), reverse=True)
        for score, minus_row in likely[:_MOST_MEANT]:
            row = -minus_row
            is_callable = _kind(scope, row) in _CALLABLE
            if scope.allowed[row] and (callables if is_callable else others):
                found.append(Found(row, score * rarity(len(rows)), f"defines {name}"))
    return best(found, limit)


def callers(scope: Scope, anchor: Anchor, limit: int) -> list[Found]:
    """Returns code that refers to the name that the place defines; tests are another relation."""
    if not anchor.symbol:
        return []
    sure = rarity(len(defining(scope, anchor.symbol)))
    found = [
        Found(row, sure * affinity(scope, anchor, row) * _weight(scope, row), f"refers to {anchor.symbol}")
        for row in referring(scope, anchor)
        if not scope.roles[row] & Role.TEST or anchor.is_test
    ]
    return best(found, limit)


def _weight(scope: Scope, row: int) -> float:
    ref = scope.ref(row)
    return 1.0 if ref.view.segment.symbols[ref.row] else _OUTSIDE_DEFINITIONS


def referring(scope: Scope, anchor: Anchor) -> list[int]:
    """Returns rows that the request may return and that refer to the anchor's symbol."""
    rows: list[int] = []
    for number, view in enumerate(scope.views):
        having, _ = view.segment.references.of(anchor.symbol)
        first = scope.first_rows[number]
        allowed = having[scope.allowed[having + first]][:_MOST_CALLERS]
        rows += [first + row for row in allowed.tolist() if first + row not in anchor.own]
    return rows


def _kind(scope: Scope, row: int) -> str:
    ref = scope.ref(row)
    return ref.view.segment.kind(ref.row)
