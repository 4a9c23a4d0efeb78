"""Holds what one relation finds, before the relations are mixed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Found:
    """A row of the scope, how sure the relation is (0..1), and why, in words."""

    row: int
    score: float
    reason: str


def best(found: list[Found], limit: int) -> list[Found]:
    """Returns the ``limit`` surest, surest first, each row once."""
    chosen: dict[int, Found] = {}
    for each in sorted(found, key=lambda one: (-one.score, one.row)):
        chosen.setdefault(each.row, each)
    return list(chosen.values())[:limit]
