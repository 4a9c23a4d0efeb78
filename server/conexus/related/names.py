"""Estimates which definition of a name is meant at a place."""

from __future__ import annotations

import math

from conexus.related.place import Anchor
from conexus.search.bonuses import closeness
from conexus.search.scope import Scope
from conexus.segments.roles import Role

#: Number of definitions from which a name ("get", "run") says next to nothing.
COMMON_NAME = 20


def defining_rows(scope: Scope, name: str) -> list[int]:
    """Returns the live rows that define exactly this name, whether or not they pass the filters."""
    rows: list[int] = []
    for number, view in enumerate(scope.views):
        found, _ = view.segment.definitions.rows_with(name.lower())
        first = scope.first_rows[number]
        rows += [first + row for row in found.tolist() if view.live[row] and view.segment.symbols[row] == name]
    return rows


def name_rarity(count: int) -> float:
    """Returns the rarity of a name with ``count`` definitions: 1 for one, falling to 0.1 for a common name."""
    return max(0.1, 1 - math.log(max(count, 1)) / math.log(COMMON_NAME)) if count > 1 else 1.0


def affinity(scope: Scope, anchor: Anchor, row: int) -> float:
    """Returns 0..1: how likely it is that a name at the anchor means something in this row's file."""
    ref = scope.ref(row)
    file = int(scope.file_of[row])
    if file == anchor.file:
        return 1.0
    language = ref.view.segment.files[ref.view.segment.file_of[ref.row]].language
    score = 0.3 + 0.5 * closeness((ref.view.folder, ref.path), (anchor.place.folder, anchor.place.path))
    if anchor.language and language_family(language) != language_family(anchor.language):
        score *= 0.3
    if scope.roles[row] & Role.TEST and not anchor.is_test:
        score *= 0.4
    return score


#: The family of each language that shares names with other languages.
_FAMILIES = {
    "c": "c", "cpp": "c", "javascript": "javascript", "typescript": "javascript", "tsx": "javascript",
    "jsx": "javascript", "java": "jvm", "kotlin": "jvm", "scala": "jvm",
}  # fmt: skip


def language_family(language: str) -> str:
    """Returns the name of the family of languages that call each other."""
    return _FAMILIES.get(language, language)
