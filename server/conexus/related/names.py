"""Which of the definitions of a name is meant at a place."""

from __future__ import annotations

import math

from conexus.index.roles import Role
from conexus.related.place import Anchor
from conexus.search.scope import Scope
from conexus.search.search import closeness

#: A name with so many definitions ("get", "run") says next to nothing.
COMMON = 20


def defining(scope: Scope, name: str) -> list[int]:
    """Rows that define exactly this name, whether or not they may be answered, of live files."""
    rows: list[int] = []
    for number, view in enumerate(scope.views):
        found, _ = view.segment.definitions.of(name.lower())
        first = scope.first_rows[number]
        rows += [first + row for row in found.tolist() if view.live[row] and view.segment.symbols[row] == name]
    return rows


def rarity(count: int) -> float:
    """1 for a name with one definition, falling to 0.1 for a common one."""
    return max(0.1, 1 - math.log(max(count, 1)) / math.log(COMMON)) if count > 1 else 1.0


def affinity(scope: Scope, anchor: Anchor, row: int) -> float:
    """0..1: how likely a name at the anchor means something of this row's file."""
    ref = scope.ref(row)
    file = int(scope.file_of[row])
    if file == anchor.file:
        return 1.0
    language = ref.view.segment.files[ref.view.segment.file_of[ref.row]].language
    score = 0.3 + 0.5 * closeness((ref.view.folder, ref.path), (anchor.place.folder, anchor.place.path))
    if anchor.language and family(language) != family(anchor.language):
        score *= 0.3
    if scope.roles[row] & Role.TEST and not anchor.is_test:
        score *= 0.4
    return score


#: Languages that share names with each other.
_FAMILIES = {
    "c": "c", "cpp": "c", "javascript": "javascript", "typescript": "javascript", "tsx": "javascript",
    "jsx": "javascript", "java": "jvm", "kotlin": "jvm", "scala": "jvm",
}  # fmt: skip


def family(language: str) -> str:
    """The name under which languages go that call each other."""
    return _FAMILIES.get(language, language)
