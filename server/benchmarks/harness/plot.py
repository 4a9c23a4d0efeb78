"""Colours, axes and files of pictures.

matplotlib is no dependency of the project: whoever wants a picture installs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

INK, FAINT = "#1f2328", "#d0d7de"
OURS, THEIRS, BAR = "#4f94d4", "#e8b873", "#c0504d"
MORE = (OURS, THEIRS, "#6aa84f", "#8e7cc3", "#999999")


class NoPlotting(RuntimeError):
    """There is no matplotlib here, or nothing to draw."""


def new_picture(width: float, height: float) -> Any:
    """An empty picture, sizes in inches. Raises NoPlotting."""
    try:
        figure_type: Any = import_module("matplotlib.figure").Figure
    except ImportError as error:
        raise NoPlotting("no picture was drawn: matplotlib is not installed in this environment") from error
    return figure_type(figsize=(width, height), layout="constrained", facecolor="white")


def save(picture: Any, path: Path) -> None:
    """Write a picture, of the kind that the file's ending says. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path, dpi=160)


def frame(axes: Any, *, grid: str = "both", hidden: Sequence[str] = ("top", "right")) -> None:
    """A faint grid, no ticks, and some sides without a line."""
    axes.grid(axis=grid, color=FAINT, linewidth=0.6, zorder=0)
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[[*hidden]].set_visible(False)


def title(axes: Any, text: str, *, place: str = "left") -> None:
    axes.set_title(text, fontsize=11, loc=place, color=INK)


def legend(axes: Any, columns: int = 1) -> None:
    axes.legend(frameon=False, fontsize=8, labelcolor=INK, ncols=columns)


def bar(axes: Any, most: float, label: str, *, of: str = "x") -> None:
    """A line at what a value may be at most, on the axis that has the values."""
    draw = axes.axvline if of == "x" else axes.axhline
    draw(most, color=BAR, linewidth=1, linestyle="--", label=label)


def distribution(axes: Any, series: Mapping[str, Sequence[float]], most: float, text: str) -> None:
    """How many per cent of the values of each series are at most so large, and the bar for 95 %."""
    for (name, values), colour in zip(series.items(), MORE, strict=False):
        shares = [100 * (place + 1) / len(values) for place in range(len(values))]
        axes.step(sorted(values), shares, color=colour, label=name, where="post", zorder=2)
    bar(axes, most, f"bar for 95 %: {most:.0f}")
    axes.set_xlim(left=0)
    axes.set_ylabel("% within")
    title(axes, text)
    legend(axes)
