"""A measurement as a Markdown table, with ratios to the peer."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

Rounds = Sequence[dict[str, Any]]


def comparison(result: dict[str, Any]) -> str:
    """The table of one workspace. Times of whole rounds are medians, memory is the largest."""
    ours, theirs = result["conexus"], result["semble"]
    version = f" {theirs[0]['version']}" if theirs else ""
    lines = [
        f"\n### {result['workspace']} ({len(ours)} rounds, {result['queries']} queries)\n",
        f"| | conexus | semble{version} | ratio |",
        "|---|---:|---:|---:|",
        _row("files", _last(ours, "files"), _last(theirs, "files"), "", compare=False),
        _row("chunks", _last(ours, "chunks"), _last(theirs, "chunks"), "", compare=False),
        _row("`initialize` answered", _median(ours, "initialize_seconds"), None, "s"),
        _row("first answer, after `initialize`", _median(ours, "first_answer_seconds"), None, "s"),
        _row("complete index", _median(ours, "index_seconds"), _median(theirs, "index_seconds"), "s"),
        _row("query p50 (client / in process)", _at(ours, "query_ms", 50), _at(theirs, "query_ms", 50), "ms"),
        _row("query p95 (client / in process)", _at(ours, "query_ms", 95), _at(theirs, "query_ms", 95), "ms"),
        _row("query p50, `tookMs`", _at(ours, "took_ms", 50), _at(theirs, "query_ms", 50), "ms"),
        _row("query p95, `tookMs`", _at(ours, "took_ms", 95), _at(theirs, "query_ms", 95), "ms"),
    ]
    for name, key in (("keystroke", "keystroke_ms"), ("save", "save_ms"), ("write by another program", "disk_ms")):
        for percent in (50, 95):
            lines.append(_row(f"{name} to searchable, p{percent}", _at(ours, key, percent), None, "ms"))
    lines.append(_row("peak memory, all processes (PSS)", _largest(ours), _largest(theirs), "MiB"))
    return "\n".join(lines)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least ``percent`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)]


def _row(name: str, ours: float | None, theirs: float | None, unit: str, *, compare: bool = True) -> str:
    ratio = f"{ours / theirs:.2f}" if compare and ours is not None and theirs else "–"
    return f"| {name} | {amount(ours, unit)} | {amount(theirs, unit)} | {ratio} |"


def amount(value: float | None, unit: str) -> str:
    """A measured value as text; a dash if there is none."""
    if value is None:
        return "–"
    digits = {"s": 2, "ms": 1, "%": 1}.get(unit, 0)
    return f"{value:.{digits}f} {unit}".rstrip()


def _last(rounds: Rounds, key: str) -> float | None:
    return rounds[-1][key] if rounds else None


def _median(rounds: Rounds, key: str) -> float | None:
    return statistics.median(each[key] for each in rounds) if rounds else None


def _at(rounds: Rounds, key: str, percent: float) -> float | None:
    values = [value for each in rounds for value in each[key]]
    return percentile(values, percent) if values else None


def _largest(rounds: Rounds) -> float | None:
    return max((each["peak_mib"] for each in rounds), default=None)
