"""Estimates which definition of a name is meant at a place."""

from __future__ import annotations

import math
from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

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


def affinities(scope: Scope, anchor: Anchor, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns 0..1 for each row, shape (len(rows),): how likely a name at the anchor means something in its file."""
    files, owners = np.unique(scope.file_of[rows], return_inverse=True)
    of_files = np.array([_affinity(scope, anchor, file) for file in files.tolist()], np.float64)
    found = of_files[owners]
    if not anchor.is_test:
        are_tests = (scope.roles[rows] & np.uint8(Role.TEST)) != 0
        found[are_tests & (scope.file_of[rows] != anchor.file)] *= 0.4
    return found


def _affinity(scope: Scope, anchor: Anchor, file: int) -> float:
    """Returns the affinity of the rows of a file, tests left aside."""
    if file == anchor.file:
        return 1.0
    view = scope.views[number := bisect_right(scope.first_files, file) - 1]
    facts = view.segment.files[file - scope.first_files[number]]
    score = 0.3 + 0.5 * closeness((view.folder, facts.path), (anchor.place.folder, anchor.place.path))
    if anchor.language and language_family(facts.language) != language_family(anchor.language):
        score *= 0.3
    return score


#: The family of each language that shares names with other languages.
_FAMILIES = {
    "c": "c", "cpp": "c", "javascript": "javascript", "typescript": "javascript", "tsx": "javascript",
    "jsx": "javascript", "java": "jvm", "kotlin": "jvm", "scala": "jvm",
}  # fmt: skip


def language_family(language: str) -> str:
    """Returns the name of the family of languages that call each other."""
    return _FAMILIES.get(language, language)
