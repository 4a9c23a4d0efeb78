"""``definition``, ``callee`` and ``caller``: names that the place refers to, and who refers to its name."""

from __future__ import annotations

from conexus.index.roles import Role
from conexus.related.found import Found, best
from conexus.related.names import affinity, defining, rarity
from conexus.related.place import Anchor
from conexus.search.scope import Scope

_CALLABLE = frozenset({"function", "method", "macro"})
#: Definitions of one name beyond these are guesses.
_MOST_MEANT = 2
#: Callers of a common name are many; so many are looked at.
_MOST_CALLERS = 500
#: How much less it says that code outside of definitions, such as an import, refers to a name.
_OUTSIDE_DEFINITIONS = 0.5


def definitions(scope: Scope, anchor: Anchor, limit: int) -> list[Found]:
    """Definitions of the selected names, or, for a cursor, of the types and values that its chunk refers to."""
    return _meant(scope, anchor, limit, callables=bool(anchor.place.text), others=True)


def callees(scope: Scope, anchor: Anchor, limit: int) -> list[Found]:
    """Functions that the place calls."""
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
    """Code that refers to the name that the place defines; tests are another relation."""
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
    """Rows that may be answered and refer to the anchor's symbol."""
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
