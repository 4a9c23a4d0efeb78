"""The quality benchmark as a picture: NDCG@10 by language, one panel for each level."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.plot import FAINT, INK, OURS, THEIRS, frame, new_picture, save, title
from benchmarks.quality.report import CONEXUS, PEER, LevelReport, Line, summary

_COLOURS = {CONEXUS: OURS, PEER: THEIRS}
_BAR = 0.38


def draw(reports: Sequence[LevelReport], path: Path) -> None:
    """Write the picture, of the kind that the file's ending says. Raises NoPlotting, OSError."""
    panels = [_bars(report) for report in reports]
    height = 1.6 + 0.36 * max(len(panel) for panel in panels)
    figure = new_picture(1.0 + 5.4 * len(reports), height)
    for axes, report, panel in zip(figure.subplots(1, len(reports), squeeze=False)[0], reports, panels, strict=True):
        _panel(axes, report, panel)
    labels = {name: text for report in reports for name, text in report.labels.items()}
    handles = figure.axes[0].get_legend_handles_labels()[0]
    legend = figure.legend(
        handles, list(labels.values()), loc="outside upper center", ncols=len(labels), frameon=False, labelcolor=INK
    )
    legend.set_in_layout(True)
    save(figure, path)


def _bars(report: LevelReport) -> list[Line]:
    """All queries first, then the languages, best of Conexus first."""
    lines = [line for line in summary(report.rows) if line.metric == "NDCG@10" and line.kind != "category"]
    return sorted(lines, key=lambda line: (line.kind != "all", -line.systems[CONEXUS].mean, line.name))


def _panel(axes: Any, report: LevelReport, lines: Sequence[Line]) -> None:
    systems = list(report.labels)
    width = 2 * _BAR / len(systems)
    for place, system in enumerate(systems):
        values = [line.systems[system] for line in lines]
        centres = [row + (place - (len(systems) - 1) / 2) * width for row in range(len(lines))]
        axes.barh(centres, [value.mean for value in values], width, color=_COLOURS[system], label=system, zorder=2)
        low = [value.mean - value.low for value in values]
        high = [value.high - value.mean for value in values]
        axes.errorbar(
            [value.mean for value in values],
            centres,
            xerr=[low, high],
            fmt="none",
            ecolor=INK,
            elinewidth=0.7,
            zorder=3,
        )
        for centre, value in zip(centres, values, strict=True):
            axes.text(1.015, centre, f"{value.mean:.2f}", va="center", fontsize=8, color=INK)
    axes.set_yticks(range(len(lines)), [f"{line.name} ({line.queries})" for line in lines], color=INK)
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.axhline(0.5, color=INK, linewidth=0.6)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    frame(axes, grid="x", hidden=("top", "right", "bottom"))
    axes.spines["left"].set_color(FAINT)
    title(axes, f"{report.name} level")
    axes.set_xlabel("NDCG@10, with 95 % interval", color=INK)
