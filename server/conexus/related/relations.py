"""Finds related code of a place: searches each relation by itself and mixes the answers, so that each is seen early."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from conexus.related.calls import callees, callers, definitions
from conexus.related.place import Anchor, RelatedPlace, RelatedRow, find_anchor, surest_rows
from conexus.related.similar import similar
from conexus.related.tests import tested, tests
from conexus.search.operators import shortened
from conexus.search.query_vectors import EmbeddedQuery, QueryVectors, embed_query
from conexus.search.scope import Scope, scope_of
from conexus.segments.snapshot import RowRef, Searchable
from conexus.values import BadQuery, Filters


def siblings(scope: Scope, anchor: Anchor, limit: int) -> list[RelatedRow]:
    """Returns definitions with the same parent, nearest first; at the top level, the file's other definitions."""
    if not anchor.rows:
        return []
    head = anchor.rows[0]
    number = scope.view_of(head)
    first, segment = scope.first_rows[number], scope.views[number].segment
    parent = anchor.breadcrumb[-1] if anchor.breadcrumb else ""
    found: list[RelatedRow] = []
    for row in segment.file_rows(anchor.file - scope.first_files[number]):
        is_other = scope.filter_mask[first + row] and first + row not in anchor.excluded
        if is_other and scope.facts[number].defines[row] and segment.containers[row] == anchor.breadcrumb:
            score = (0.8 if parent else 0.5) / (1 + 0.05 * abs(first + row - head))
            found.append(RelatedRow(first + row, score, f"also in {parent}" if parent else "also in this file"))
    return surest_rows(scope, found, limit)


_Find = Callable[[Scope, Anchor, int, QueryVectors], list[RelatedRow]]


def _without_vectors(find: Callable[[Scope, Anchor, int], list[RelatedRow]]) -> _Find:
    return lambda scope, anchor, limit, _: find(scope, anchor, limit)


#: The function that finds each relation. A row that several relations find is returned under the first of them.
_RELATIONS: dict[str, _Find] = {
    "definition": _without_vectors(definitions),
    "callee": _without_vectors(callees),
    "caller": _without_vectors(callers),
    "test": _without_vectors(tests),
    "tested": _without_vectors(tested),
    "similar": similar,
    "sibling": _without_vectors(siblings),
}
RELATIONS = tuple(_RELATIONS)


@dataclass(frozen=True, slots=True)
class RelatedRequest:
    """What code a user wants that is related to a place."""

    place: RelatedPlace
    #: Names of relations; empty: all.
    relations: tuple[str, ...] = ()
    filters: Filters = field(default_factory=Filters)
    #: Maximum number of answers.
    limit: int = 20


@dataclass(frozen=True, slots=True)
class Related:
    """One related chunk."""

    ref: RowRef
    #: The chunk's relation to the place, one of ``RELATIONS``.
    relation: str
    #: How sure the relation is, 0..1.
    score: float
    #: Why the chunk is related, in words for the user.
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RelatedCode:
    """The answer to a request for related code."""

    #: The best chunks, best first, each once, never the place itself.
    rows: tuple[Related, ...]
    #: Why the selected text has no vector of some model, in words for the user; None if all models embedded it.
    degraded: str | None = None


def find_related(
    searchable: Searchable, request: RelatedRequest, check: Callable[[], None] = lambda: None
) -> RelatedCode:
    """Returns code related to a place.

    If the snapshot does not have the file of the place, only the selected text counts. ``check`` is called before each
    relation and raises if the request was cancelled. Raises BadQuery, which names the relation, if a relation is
    unknown.
    """
    for name in request.relations:
        if name not in _RELATIONS:
            raise BadQuery(f"there is no relation `{shortened(name)}`; the relations are {', '.join(RELATIONS)}")
    relations = [name for name in RELATIONS if not request.relations or name in request.relations]
    scope = scope_of(searchable.snapshot, request.filters, check=check)
    anchor = find_anchor(scope, request.place)
    embedded = EmbeddedQuery({})
    if "similar" in relations:
        embedded = embed_query(searchable.embedders, request.place.text, check)
    by_relation: dict[str, list[RelatedRow]] = {}
    for name in relations:
        check()
        by_relation[name] = _RELATIONS[name](scope, anchor, request.limit, embedded.vectors)
    rows = tuple(
        Related(scope.ref(row.row), relation, score, (row.reason,))
        for relation, row, score in _mixed(by_relation, request.limit)
    )
    return RelatedCode(rows, embedded.degraded)


def _mixed(by_relation: dict[str, list[RelatedRow]], limit: int) -> list[tuple[str, RelatedRow, float]]:
    """Mixes the relations in rounds: the best row of each relation, then the second best, …; each row once.

    A row that several relations found is returned under the first of these. Scores never rise.
    """
    owner: dict[int, str] = {}
    for relation, found in by_relation.items():
        for each in found:
            owner.setdefault(each.row, relation)
    remaining = {
        relation: iter([each for each in found if owner[each.row] == relation])
        for relation, found in by_relation.items()
    }
    mixed: list[tuple[str, RelatedRow, float]] = []
    score = 1.0
    while remaining and len(mixed) < limit:
        of_round: list[tuple[str, RelatedRow]] = []
        for relation, rows in list(remaining.items()):
            if (best := next(rows, None)) is None:
                del remaining[relation]
            else:
                of_round.append((relation, best))
        for relation, best in sorted(of_round, key=lambda each: -each[1].score):
            score = min(score, best.score)
            mixed.append((relation, best, score))
    return mixed[:limit]
