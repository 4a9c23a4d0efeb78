"""Judged queries as figures with their intervals, as Markdown tables and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from benchmarks.quality.data import Question, Repository
from benchmarks.quality.judge import Ranks, ndcg, recall, success

#: Keys of the two columns; the report says what stands behind each.
CONEXUS = "conexus"
PEER = "peer"

_SAMPLES = 2000
_NDCG = "NDCG@10"
METRICS: Mapping[str, Callable[[Ranks], float]] = {
    _NDCG: ndcg,
    "Recall@1": lambda found: recall(found, 1),
    "Recall@3": lambda found: recall(found, 3),
    "Recall@10": lambda found: recall(found, 10),
    "Success@3": lambda found: success(found, 3),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One query and where each system ranked its targets."""

    repository: Repository
    question: Question
    ranks: Mapping[str, Ranks]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its 95 % bootstrap interval over queries."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Line:
    """One metric over one group of queries, for each system."""

    metric: str
    #: ``all``, a language or a category.
    kind: str
    name: str
    queries: int
    systems: Mapping[str, Estimate]
    #: Conexus less the peer, over pairs of the same query; None without a peer.
    difference: Estimate | None


@dataclass(frozen=True, slots=True)
class LevelReport:
    name: str
    rows: Sequence[Row]
    #: What stands behind each column.
    labels: Mapping[str, str]
    #: By the name of the changed ranking, NDCG@10 of each query in the order of the first column's.
    ablations: Mapping[str, Sequence[float]] = field(default_factory=dict)


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of values and its interval, by the percentiles of resampled means. The same for the same values.

    For the difference of two systems give the differences of each query: that is the paired bootstrap.
    Raises ValueError without values.
    """
    if not len(values):
        raise ValueError("nothing to estimate from")
    drawn = np.random.default_rng(0).choice(np.asarray(values, np.float64), (_SAMPLES, len(values)))
    low, high = np.percentile(drawn.mean(axis=1), [2.5, 97.5])
    return Estimate(float(np.mean(values)), float(low), float(high))


def summary(rows: Sequence[Row]) -> list[Line]:
    """Every metric over all queries, then NDCG@10 by language and by category."""
    lines = [_line(metric, "all", "all", rows) for metric in METRICS]
    for kind, key in (("language", _language), ("category", _category)):
        names = sorted({key(row) for row in rows})
        lines += [_line(_NDCG, kind, name, [row for row in rows if key(row) == name]) for name in names]
    return lines


def table(report: LevelReport) -> str:
    """The summary of a level as a Markdown table."""
    lines = summary(report.rows)
    compared = PEER in report.labels
    heads = ["", "n", *report.labels.values(), *(["difference"] if compared else [])]
    repositories = len({row.repository.name for row in report.rows})
    written = [
        f"\n## {report.name} level: {len(report.rows)} queries, {repositories} repositories\n",
        f"| {' | '.join(heads)} |",
        f"|---|{'---:|' * (len(heads) - 1)}",
    ]
    for line in lines:
        name = line.metric if line.kind == "all" else f"{line.metric}, {line.kind} {line.name}"
        figures = [_figure(line.systems[system]) for system in report.labels]
        if line.difference is not None:
            figures.append(_figure(line.difference, sign="+"))
        written.append(f"| {' | '.join([name, str(line.queries), *figures])} |")
    return "\n".join(written)


def ablation_table(report: LevelReport) -> str:
    """What each change of the ranking costs, as a Markdown table. The first ablation is the ranking as it is."""
    whole = next(iter(report.ablations.values()))
    written = [
        f"\n### {report.name} level: ablations, in process\n",
        f"| ranking | {_NDCG} | change |",
        "|---|---:|---:|",
    ]
    for name, scores in report.ablations.items():
        change = [score - before for score, before in zip(scores, whole, strict=True)]
        difference = "–" if scores is whole else _figure(estimate(change), sign="+")
        written.append(f"| {name} | {np.mean(scores):.3f} | {difference} |")
    return "\n".join(written)


def as_json(report: LevelReport) -> dict[str, Any]:
    """Everything that was measured at a level, down to the ranks of each query."""
    return {
        "level": report.name,
        "systems": dict(report.labels),
        "summary": [_line_json(line) for line in summary(report.rows)],
        "ablations": {name: _estimate_json(estimate(scores)) for name, scores in report.ablations.items()},
        "queries": [
            {
                "repository": row.repository.name,
                "revision": row.repository.revision,
                "language": row.repository.language,
                "category": row.question.category,
                "query": row.question.query,
                "targets": [asdict(target) for target in row.question.targets],
                **{system: {"ndcg": ndcg(found), "ranks": list(found)} for system, found in row.ranks.items()},
            }
            for row in report.rows
        ],
    }


def _line(metric: str, kind: str, name: str, rows: Sequence[Row]) -> Line:
    value = METRICS[metric]
    of_systems = {system: [value(row.ranks[system]) for row in rows] for system in rows[0].ranks}
    difference = None
    if PEER in of_systems:
        pairs = zip(of_systems[CONEXUS], of_systems[PEER], strict=True)
        difference = estimate([ours - theirs for ours, theirs in pairs])
    systems = {system: estimate(values) for system, values in of_systems.items()}
    return Line(metric, kind, name, len(rows), systems, difference)


def _language(row: Row) -> str:
    return row.repository.language


def _category(row: Row) -> str:
    return row.question.category


def _figure(value: Estimate, sign: str = "") -> str:
    # The addition turns a negative zero into zero.
    mean, low, high = (f"{round(each, 3) + 0.0:{sign}.3f}" for each in (value.mean, value.low, value.high))
    return f"{mean} ({low} to {high})"


def _line_json(line: Line) -> dict[str, Any]:
    written: dict[str, Any] = {"metric": line.metric, "kind": line.kind, "name": line.name, "queries": line.queries}
    written |= dict(_pairs(line))
    return written


def _pairs(line: Line) -> Iterator[tuple[str, dict[str, float]]]:
    for system, value in line.systems.items():
        yield system, _estimate_json(value)
    if line.difference is not None:
        yield "difference", _estimate_json(line.difference)


def _estimate_json(value: Estimate) -> dict[str, float]:
    return {"mean": value.mean, "low": value.low, "high": value.high}
