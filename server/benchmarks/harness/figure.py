"""What a figure found: rows with their bars, every measurement, and what should not have happened."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.harness.table import amount


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. It has one bar at most."""

    name: str
    workspace: str
    value: float
    unit: str
    #: The value may be at most this …
    most: float | None = None
    #: … or this much of the peer's.
    most_ratio: float | None = None
    #: … or must be at least this.
    least: float | None = None
    peer: float | None = None

    @property
    def ratio(self) -> float | None:
        """Of the peer's value."""
        return self.value / self.peer if self.peer else None

    @property
    def share(self) -> float | None:
        """How much of what the bar allows is used: at most 1 if it is met. None if there is no bar, or it is zero."""
        if self.most:
            return self.value / self.most
        if self.least is not None and self.value:
            return self.least / self.value
        if self.most_ratio is not None and self.ratio is not None:
            return self.ratio / self.most_ratio
        return None

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None if there is none, or no peer to hold it to."""
        if self.most is not None:
            return self.value <= self.most
        if self.least is not None:
            return self.value >= self.least
        if self.most_ratio is not None and self.ratio is not None:
            return self.ratio <= self.most_ratio
        return None


@dataclass(slots=True)
class Figure:
    """What one figure family found."""

    rows: list[Row] = field(default_factory=list)
    #: Every single measurement, for the JSON.
    measured: dict[str, Any] = field(default_factory=dict)
    #: What should not have happened, in words.
    defects: list[str] = field(default_factory=list)
    #: How long it took to measure.
    minutes: float = 0.0

    def as_json(self) -> dict[str, Any]:
        rows = [{**asdict(row), "ratio": row.ratio, "met": row.met} for row in self.rows]
        return {"rows": rows, "defects": self.defects, "minutes": self.minutes, "measured": self.measured}


def table(name: str, figure: Figure) -> str:
    """A figure as Markdown, with what should not have happened below it."""
    lines = [
        f"\n### {name}\n",
        "| | workspace | here | bar | semble | ratio | |",
        "|---|---|---:|---:|---:|---:|---|",
        *(_line(row) for row in figure.rows),
    ]
    lines += [f"\nDEFECT: {defect}" for defect in figure.defects]
    return "\n".join(lines)


def _line(row: Row) -> str:
    bar = "–"
    if row.most is not None:
        bar = f"≤ {amount(row.most, row.unit)}"
    elif row.least is not None:
        bar = f"≥ {amount(row.least, row.unit)}"
    elif row.most_ratio is not None:
        bar = f"≤ {row.most_ratio:g} ×"
    ratio = "–" if row.ratio is None else f"{row.ratio:.2f}"
    met = {None: "", True: "met", False: "MISSED"}[row.met]
    value, peers = amount(row.value, row.unit), amount(row.peer, row.unit)
    return f"| {row.name} | {row.workspace} | {value} | {bar} | {peers} | {ratio} | {met} |"
