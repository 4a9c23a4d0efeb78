"""Values of a table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least ``percent`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)]


def median_of(rounds: Sequence[dict[str, Any]], key: str) -> float:
    """The median of one measurement of several rounds."""
    return float(statistics.median(each[key] for each in rounds))


def amount(value: float | None, unit: str) -> str:
    """A measured value as text; a dash if there is none."""
    if value is None:
        return "–"
    digits = {"s": 2, "ms": 1, "%": 1}.get(unit, 0)
    return f"{value:.{digits}f} {unit}".rstrip()
