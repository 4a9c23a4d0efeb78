"""Finds related code of a place: searches each relation by itself and mixes the answers, so that each is seen early."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from conexus.related.calls import callees, callers, definitions
from conexus.related.place import Anchor, Found, RelatedPlace, anchor, best
from conexus.related.similar import Embed, similar
from conexus.related.tests import tested, tests
from conexus.search.operators import shown
from conexus.search.scope import Scope, scope_of
from conexus.segments.snapshot import RowRef, Snapshot
from conexus.values import BadQuery, Filters


def siblings(scope: Scope, anchor: Anchor, limit: int) -> list[Found]:
    """Returns definitions with the same parent, nearest first; at the top level, the file's other definitions."""
    if not anchor.rows:
        return []
    head = anchor.rows[0]
    number = scope.view_of(head)
    first, segment = scope.first_rows[number], scope.views[number].segment
    parent = anchor.breadcrumb[-1] if anchor.breadcrumb else ""
    found: list[Found] = []
    for row in segment.rows_of(anchor.file - scope.first_files[number]):
        is_other = scope.allowed[first + row] and first + row not in anchor.own
        if is_other and scope.tables[number].defines[row] and segment.breadcrumbs[row] == anchor.breadcrumb:
            score = (0.8 if parent else 0.5) / (1 + 0.05 * abs(first + row - head))
            found.append(Found(first + row, score, f"also in {parent}" if parent else "also in this file"))
    return best(found, limit)


_Family = Callable[[Scope, Anchor, int, Embed | None], list[Found]]


def _plain(family: Callable[[Scope, Anchor, int], list[Found]]) -> _Family:
    return lambda scope, anchor, limit, _: family(scope, anchor, limit)


#: Relations, the most telling first.
_FAMILIES: dict[str, _Family] = {
    "definition": _plain(definitions),
    "callee": _plain(callees),
    "caller": _plain(callers),
    "test": _plain(tests),
    "tested": _plain(tested),
    "similar": similar,
    "sibling": _plain(siblings),
}
RELATIONS = tuple(_FAMILIES)


@dataclass(frozen=True, slots=True)
class Related:
    """One answer: a chunk, its relation to the place, how sure that is (0..1) and why, in words."""

    ref: RowRef
    relation: str
    score: float
    reasons: tuple[str, ...]


def related(
    snapshot: Snapshot,
    place: RelatedPlace,
    *,
    relations: Sequence[str] = (),
    filters: Filters | None = None,
    limit: int = 20,
    embed: Embed | None = None,
    check: Callable[[], None] = lambda: None,
) -> list[Related]:
    """Returns code related to a place, best first, each chunk once, never the place itself.

    ``relations`` restricts the answer (empty: all relations). ``embed`` returns the vectors of a selected text by
    model fingerprint; without it a selection is compared as the chunks that it touches. If the snapshot does not
    have the file of the place, only the selected text counts. ``check`` is called before each relation and raises
    if the request was cancelled. Raises BadQuery, which names the relation, if a relation is unknown.
    """
    for name in relations:
        if name not in _FAMILIES:
            raise BadQuery(f"there is no relation `{shown(name)}`; the relations are {', '.join(RELATIONS)}")
    scope = scope_of(snapshot, filters or Filters())
    here = anchor(scope, place)
    answers: dict[str, list[Found]] = {}
    for name in RELATIONS:
        if not relations or name in relations:
            check()
            answers[name] = _FAMILIES[name](scope, here, limit, embed)
    return [
        Related(scope.ref(found.row), relation, score, (found.reason,))
        for relation, found, score in _mixed(answers, limit)
    ]


def _mixed(answers: dict[str, list[Found]], limit: int) -> list[tuple[str, Found, float]]:
    """Mixes the answers in rounds: the best of each relation, then the second best, …; each row once.

    A row that several relations found is returned under the most telling one. Scores never rise.
    """
    owner: dict[int, str] = {}
    for relation, found in answers.items():
        for each in found:
            owner.setdefault(each.row, relation)
    left = {
        relation: iter([each for each in found if owner[each.row] == relation]) for relation, found in answers.items()
    }
    mixed: list[tuple[str, Found, float]] = []
    score = 1.0
    while left and len(mixed) < limit:
        fresh: list[tuple[str, Found]] = []
        for relation, rest in list(left.items()):
            if (best := next(rest, None)) is None:
                del left[relation]
            else:
                fresh.append((relation, best))
        for relation, best in sorted(fresh, key=lambda each: -each[1].score):
            score = min(score, best.score)
            mixed.append((relation, best, score))
    return mixed[:limit]
