"""The live figures as a picture: a panel for each family that has something to draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.live_job import Figure
from benchmarks.quality_plot import NoPlotting

_INK, _FAINT = "#1f2328", "#d0d7de"
_OURS, _THEIRS, _BAR = "#4f94d4", "#e8b873", "#c0504d"
_MORE = ("#4f94d4", "#e8b873", "#6aa84f", "#8e7cc3", "#999999")

Panel = Callable[[Any, Figure], None]


def draw(figures: Mapping[str, Figure], path: Path) -> None:
    """Write the picture, of the kind that the file's ending says. Raises NoPlotting, OSError."""
    try:
        # No dependency of the project: whoever wants a picture installs it.
        figure_type: Any = import_module("matplotlib.figure").Figure
    except ImportError as error:
        raise NoPlotting("no picture was drawn: matplotlib is not installed in this environment") from error
    panels = [(panel, figures[name]) for name, drawn in _PANELS.items() if name in figures for panel in drawn]
    if not panels:
        raise NoPlotting("no picture was drawn: none of these figures has one")
    picture = figure_type(figsize=(7.0, 3.2 * len(panels)), layout="constrained", facecolor="white")
    for axes, (panel, figure) in zip(picture.subplots(len(panels), 1, squeeze=False)[:, 0], panels, strict=True):
        panel(axes, figure)
        axes.grid(axis="both", color=_FAINT, linewidth=0.6, zorder=0)
        axes.tick_params(length=0, labelcolor=_INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.title.set_color(_INK)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path, dpi=160)


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
    "growth": (_growth,),
}
