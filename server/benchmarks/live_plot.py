"""The live figures as a picture: how far each is from its bar, and a panel for each that has something to draw.

    python -m benchmarks.live_plot PICTURE JSON… [--bars]

draws what `benchmarks.live` wrote; of a figure that several files have of one workspace, that of the last one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.live_job import Figure, Row
from benchmarks.quality_plot import NoPlotting

_INK, _FAINT = "#1f2328", "#d0d7de"
_OURS, _THEIRS, _BAR = "#4f94d4", "#e8b873", "#c0504d"
_MORE = ("#4f94d4", "#e8b873", "#6aa84f", "#8e7cc3", "#999999")

#: Where the bars of the overview begin: less is as good as nothing.
_LEAST_SHARE = 0.01

Panel = Callable[[Any, Figure], None]


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
    try:
        # No dependency of the project: whoever wants a picture installs it.
        figure_type: Any = import_module("matplotlib.figure").Figure
    except ImportError as error:
        raise NoPlotting("no picture was drawn: matplotlib is not installed in this environment") from error
    shares = [
        (f"{name} ({row.workspace}): {label}", row.share)
        for name, figure in figures.items()
        for row, label in zip(figure.rows, labels(figure.rows), strict=True)
        if row.share is not None
    ]
    panels = [(panel, figures[name]) for name, drawn in _PANELS.items() if name in figures for panel in drawn]
    panels = [] if only_bars else panels
    if not shares and not panels:
        raise NoPlotting("no picture was drawn: none of these figures has one")
    heights = [0.8 + 0.21 * len(shares)] * bool(shares) + [3.2] * len(panels)
    picture = figure_type(figsize=(9.0, sum(heights)), layout="constrained", facecolor="white")
    # A part of the picture for each, so that long labels of one do not make the others narrow.
    parts = picture.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    rows = [part.subplots() for part in parts]
    if shares:
        _bars(rows[0], shares)
    for axes, (panel, figure) in zip(rows[bool(shares) :], panels, strict=True):
        panel(axes, figure)
    for axes in rows:
        axes.grid(axis="both", color=_FAINT, linewidth=0.6, zorder=0)
        axes.tick_params(length=0, labelcolor=_INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.title.set_color(_INK)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path, dpi=160)


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
        colour = _OURS if share <= 1 else _BAR
        axes.plot([_LEAST_SHARE, share], [place, place], color=colour, linewidth=5, solid_capstyle="butt", zorder=2)
        axes.text(max(share, _LEAST_SHARE), place, f" {share:.2f}", va="center", fontsize=7, color=_INK)
        axes.text(_LEAST_SHARE, place, f"{label}  ", va="center", ha="right", fontsize=7, color=_INK)
    axes.axvline(1, color=_BAR, linewidth=1, linestyle="--")
    axes.set_xscale("log")
    axes.set_xlim(_LEAST_SHARE, max(3.0, *(1.3 * share for _, share in shares)))
    axes.set_yticks([])
    axes.set_ylim(len(shares) - 0.5, -0.5)
    axes.set_title("what is used of what each bar allows: met at 1 and below", fontsize=11, loc="right")


def _typing(axes: Any, figure: Figure) -> None:
    series = {"single edits": figure.measured["singleMs"], "while typing": figure.measured["typingMs"]}
    _distribution(axes, series, 300.0, "keystroke to searchable, ms")


def _saves(axes: Any, figure: Figure) -> None:
    _distribution(axes, figure.measured, 500.0, "save to searchable and delete to gone, ms")


def _distribution(axes: Any, series: Mapping[str, list[float]], bar: float, title: str) -> None:
    for (name, values), colour in zip(series.items(), _MORE, strict=False):
        shares = [100 * (place + 1) / len(values) for place in range(len(values))]
        axes.step(sorted(values), shares, color=colour, label=name, where="post", zorder=2)
    axes.axvline(bar, color=_BAR, linewidth=1, linestyle="--", label=f"bar for 95 %: {bar:.0f}")
    axes.set_xlim(left=0)
    axes.set_ylabel("% within")
    axes.set_title(title, fontsize=11, loc="left")
    axes.legend(frameon=False, fontsize=8, labelcolor=_INK)


def _first(axes: Any, figure: Figure) -> None:
    asked = figure.measured["answers"]["asked"]
    axes.plot([each["at"] for each in asked], [each["ms"] for each in asked], ".", markersize=3, color=_OURS, zorder=2)
    axes.set_yscale("log")
    axes.set_xlabel("seconds after `initialize`; the last point is the first answer from the complete index")
    axes.set_title("a query every 50 ms while the first index is made, ms", fontsize=11, loc="left")
    share = axes.twinx()
    indexed = [100 * each["indexed"] / max(each["total"], 1) for each in asked]
    share.plot([each["at"] for each in asked], indexed, color=_THEIRS, linewidth=1.5, label="% of the files indexed")
    share.set_ylim(0, 105)
    share.tick_params(length=0, labelcolor=_INK)
    share.spines[["top", "right"]].set_visible(False)
    share.legend(frameon=False, fontsize=8, labelcolor=_INK)


def _cancelling(axes: Any, figure: Figure) -> None:
    series = {
        "2 000 file events a second": figure.measured["told"]["keystrokeMs"],
        "and 300 searches at once, without end": figure.measured["busy"]["keystrokeMs"],
    }
    _distribution(axes, series, 300.0, "keystroke to searchable in a storm, ms")


def _faults(axes: Any, figure: Figure) -> None:
    outcomes = figure.measured["outcomes"]
    axes.barh(range(len(outcomes)), [max(each["quiescent"]) for each in outcomes], 0.7, color=_OURS, zorder=2)
    axes.set_yticks(range(len(outcomes)), [each["fault"] for each in outcomes], fontsize=6)
    axes.invert_yaxis()
    axes.set_title("repaired after a start, s", fontsize=11, loc="left")


def _cold(axes: Any, figure: Figure) -> None:
    sizes = [*figure.measured]
    for shift, who, key, colour in (
        (-0.2, "conexus", "indexSeconds", _OURS),
        (0.2, "semble", "index_seconds", _THEIRS),
    ):
        values = [min((each[key] for each in figure.measured[size][who]), default=0) for size in sizes]
        axes.barh([place + shift for place in range(len(sizes))], values, 0.4, color=colour, label=who, zorder=2)
        for place, value in enumerate(values):
            axes.text(value, place + shift, f" {value:.2f} s", va="center", fontsize=8, color=_INK)
    axes.set_yticks(range(len(sizes)), sizes)
    axes.invert_yaxis()
    axes.set_title("complete index, from the answer to `initialize`, best round", fontsize=11, loc="left")
    axes.legend(frameon=False, fontsize=8, labelcolor=_INK)


def _asking(axes: Any, figure: Figure) -> None:
    size = "mid" if "mid" in figure.measured else [*figure.measured][-1]
    for kind, dashes in (("again", "-"), ("new", ":")):
        times = figure.measured[size][kind]
        for key, colour, label in (
            ("tookMs", _OURS, "conexus, `tookMs`"),
            ("queryMs", _MORE[2], "conexus, at the client"),
            ("peerMs", _THEIRS, "semble, in its process"),
        ):
            values = sorted(times[key])
            shares = [(place + 1) / len(values) for place in range(len(values))]
            axes.plot(values, shares, dashes, color=colour, label=f"{label}, {kind}", zorder=2)
    axes.set_xscale("log")
    axes.set_xlabel("ms")
    axes.set_title(f"share of queries to {size} that take at most so long, in turns", fontsize=11, loc="left")
    axes.legend(frameon=False, fontsize=8, labelcolor=_INK)


def _stall(axes: Any, figure: Figure) -> None:
    size = [*figure.measured][-1]
    stall = figure.measured[size]["stall"]
    axes.plot(stall["at"], stall["ms"], ".", markersize=2, color=_OURS, zorder=2)
    axes.axvline(stall["completeSeconds"], color=_INK, linewidth=0.8, label="index complete")
    axes.axhline(50, color=_BAR, linewidth=1, linestyle="--", label="bar: 50 ms")
    axes.set_yscale("log")
    axes.set_xlabel("seconds")
    axes.set_title(f"a request that costs nothing, while {size} is indexed, ms", fontsize=11, loc="left")
    axes.legend(frameon=False, fontsize=8, labelcolor=_INK)


def _growth(axes: Any, figure: Figure) -> None:
    fresh, samples = figure.measured["fresh"], figure.measured["samples"]
    for key, colour in zip(("disk_mib", "files", "descriptors", "pss_mib", "query_p95_ms"), _MORE, strict=True):
        ratios = [each[key] / fresh[key] for each in [*samples, figure.measured["settled"]] if fresh[key]]
        places = [each["saves"] for each in samples] + [samples[-1]["saves"] * 1.04 + 1]
        axes.plot(places[: len(ratios)], ratios, color=colour, label=key.rpartition("_")[0] or key, zorder=2)
    axes.axhline(1.3, color=_BAR, linewidth=1, linestyle="--", label="bar: 1.3, after a rest")
    axes.set_yscale("log")
    axes.set_xlabel("saves; the last point is after a rest")
    axes.set_title("compared with a fresh index", fontsize=11, loc="left")
    axes.legend(frameon=False, fontsize=8, labelcolor=_INK, ncols=2)


_PANELS: Mapping[str, tuple[Panel, ...]] = {
    "typing": (_typing,),
    "saves": (_saves,),
    "cold": (_cold, _stall),
    "asking": (_asking,),
    "first": (_first,),
    "cancelling": (_cancelling,),
    "faults": (_faults,),
    "growth": (_growth,),
}


if __name__ == "__main__":
    sys.exit(main())
