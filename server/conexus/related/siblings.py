"""Finds ``sibling``: other definitions in the same class, interface or file as the place."""

from __future__ import annotations

from conexus.related.found import Found, best
from conexus.related.place import Anchor
from conexus.search.scope import Scope


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
