"""The live figures as a picture: how far each is from its bar, and a panel for each that has something to draw.

    python -m benchmarks.live_plot PICTURE JSON… [--bars]

draws what `benchmarks.live` wrote; of a figure that several files have of one workspace, that of the last one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from benchmarks.harness.figure import Figure, Row
from benchmarks.harness.plot import BAR, INK, OURS, NoPlotting, frame, new_picture, save, title
from benchmarks.scenarios import SCENARIOS

#: Where the bars of the overview begin: less is as good as nothing.
_LEAST_SHARE = 0.01


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("measured", type=Path, nargs="+")
    parser.add_argument("--bars", action="store_true", help="only how far each figure is from its bar")
    arguments = parser.parse_args()
    figures: dict[str, Figure] = {}
    for file in arguments.measured:
        for name, figure in figures_of(json.loads(file.read_text(encoding="utf-8"))).items():
            figures[name] = with_later(figures[name], figure) if name in figures else figure
    try:
        draw(figures, arguments.picture, only_bars=arguments.bars)
    except NoPlotting as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def figures_of(report: Any) -> dict[str, Figure]:
    """The figures of a report that `benchmarks.live` wrote, without those that were not measured."""
    known = [each.name for each in fields(Row)]
    return {
        name: Figure([Row(**{key: row[key] for key in known}) for row in given["rows"]], given["measured"])
        for name, given in report["figures"].items()
        if given["rows"]
    }


def with_later(earlier: Figure, later: Figure) -> Figure:
    """A figure that was measured twice, perhaps of different workspaces: of each the later one."""
    measured_later = {row.workspace for row in later.rows}
    kept = [row for row in earlier.rows if row.workspace not in measured_later]
    return Figure([*kept, *later.rows], earlier.measured | later.measured if kept else later.measured)


def draw(figures: Mapping[str, Figure], path: Path, *, only_bars: bool = False) -> None:
    """Write the picture, of the kind that the file's ending says. Raises NoPlotting, OSError."""
    shares = [
        (f"{name} ({row.workspace}): {label}", row.share)
        for name, figure in figures.items()
        for row, label in zip(figure.rows, labels(figure.rows), strict=True)
        if row.share is not None
    ]
    panels = [(panel, figure.measured) for name, figure in figures.items() for panel in SCENARIOS[name].panels]
    panels = [] if only_bars else panels
    if not shares and not panels:
        raise NoPlotting("no picture was drawn: none of these figures has one")
    heights = [0.8 + 0.21 * len(shares)] * bool(shares) + [3.2] * len(panels)
    picture = new_picture(9.0, sum(heights))
    # A part of the picture for each, so that long labels of one do not make the others narrow.
    parts = picture.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    rows = [part.subplots() for part in parts]
    if shares:
        _bars(rows[0], shares)
    for axes, (panel, measured) in zip(rows[bool(shares) :], panels, strict=True):
        panel(axes, measured)
    for axes in rows:
        frame(axes)
    save(picture, path)


def labels(rows: Sequence[Row]) -> list[str]:
    """The names of rows; one that goes on from another has that one's in front."""
    found: list[str] = []
    above = ""
    for row in rows:
        own = row.name.removeprefix("… ")
        above = above if own != row.name else own
        found.append(own if own == row.name else f"{above}, {own}")
    return found


def _bars(axes: Any, shares: Sequence[tuple[str, float]]) -> None:
    """One line for each row that has a bar: how much of what the bar allows is used."""
    for place, (label, share) in enumerate(shares):
        colour = OURS if share <= 1 else BAR
        axes.plot([_LEAST_SHARE, share], [place, place], color=colour, linewidth=5, solid_capstyle="butt", zorder=2)
        axes.text(max(share, _LEAST_SHARE), place, f" {share:.2f}", va="center", fontsize=7, color=INK)
        axes.text(_LEAST_SHARE, place, f"{label}  ", va="center", ha="right", fontsize=7, color=INK)
    axes.axvline(1, color=BAR, linewidth=1, linestyle="--")
    axes.set_xscale("log")
    axes.set_xlim(_LEAST_SHARE, max(3.0, *(1.3 * share for _, share in shares)))
    axes.set_yticks([])
    axes.set_ylim(len(shares) - 0.5, -0.5)
    title(axes, "what is used of what each bar allows: met at 1 and below", place="right")


if __name__ == "__main__":
    sys.exit(main())
