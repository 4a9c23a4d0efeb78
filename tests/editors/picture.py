"""A terminal's screen as a picture, drawn by Chromium: it finds characters, such as emoji, that one font lacks."""

from __future__ import annotations

import html
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import pyte
from pyte.screens import Char

#: As high as the lines of boxes in that font, so that they meet.
_CELL_WIDTH, _CELL_HEIGHT, _MARGIN = 8.4, 16.5, 12


@dataclass(frozen=True, slots=True)
class Colours:
    background: str
    foreground: str
    #: pyte's names of the 16 colours of terminals.
    named: dict[str, str]


def _colours(background: str, foreground: str, *sixteen: str) -> Colours:
    names = ["black", "red", "green", "brown", "blue", "magenta", "cyan", "white"]
    return Colours(
        background, foreground, dict(zip([*names, *(f"bright{name}" for name in names)], sixteen, strict=True))
    )


DARK = _colours(
    *("#1e222a", "#d4d8df"),
    *("#2b303b", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#c8ccd4"),
    *("#6b7385", "#ef8a92", "#b2d896", "#f0d39b", "#84c2f5", "#d69be8", "#7fced8", "#ffffff"),
)
LIGHT = _colours(
    *("#fafafa", "#32363e"),
    *("#383a42", "#c4322a", "#3f8a3a", "#9a6b00", "#2f66d0", "#96259b", "#0a7699", "#a0a1a7"),
    *("#6b7079", "#d8453c", "#50a14f", "#b8860b", "#4078f2", "#a626a4", "#0184bc", "#d9dade"),
)


def save_png(screen: pyte.Screen, path: Path, colours: Colours) -> None:
    width = round(screen.columns * _CELL_WIDTH) + 2 * _MARGIN
    height = round(screen.lines * _CELL_HEIGHT) + 2 * _MARGIN
    with TemporaryDirectory(prefix="conexus-picture-") as scratch:
        source = Path(scratch) / "screen.html"
        source.write_text(_page(screen, colours), encoding="utf-8")
        subprocess.run(
            [
                *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
                *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
                *(f"--user-data-dir={scratch}/profile", "--force-device-scale-factor=2"),
                *(f"--window-size={width},{height}", f"--screenshot={path}", source.as_uri()),
            ],
            check=True,
            capture_output=True,
            timeout=60,
        )


def _page(screen: pyte.Screen, colours: Colours) -> str:
    return (
        f"<meta charset=utf-8><style>body{{margin:0;background:{_prevailing_background(screen, colours)}}}"
        f"span{{position:absolute;white-space:pre;height:{_CELL_HEIGHT}px;"
        f"font:14px/{_CELL_HEIGHT}px 'DejaVu Sans Mono',monospace}}</style>"
        + "".join(span for row in range(screen.lines) for span in _spans(screen, row, colours))
    )


def _prevailing_background(screen: pyte.Screen, colours: Colours) -> str:
    """The margin's: programs that colour all of the screen colour that too, to the eye."""
    cells = (screen.buffer[row][column] for row in range(screen.lines) for column in range(screen.columns))
    ((name, _),) = Counter(cell.bg for cell in cells if not cell.reverse).most_common(1)
    return _colour(name, colours) or colours.background


def _spans(screen: pyte.Screen, row: int, colours: Colours) -> Iterator[str]:
    """Each run of one look; what is not in the terminal's font is placed by its own cell, so that columns stay."""
    cells = [
        (column, cell.data, _look(screen, row, column, cell, colours))
        for column in range(screen.columns)
        # The second half of a wide character is an empty cell.
        if (cell := screen.buffer[row][column]).data
    ]
    for (style, _), group in groupby(cells, key=lambda cell: (cell[2], cell[0] if not cell[1].isascii() else -1)):
        run = list(group)
        text = "".join(data for _, data, _ in run)
        first, last = run[0][0], run[-1][0]
        columns = last - first + (1 if last + 1 == screen.columns or screen.buffer[row][last + 1].data else 2)
        yield (
            f'<span style="left:{_MARGIN + first * _CELL_WIDTH:.1f}px;top:{_MARGIN + row * _CELL_HEIGHT}px;'
            f'width:{columns * _CELL_WIDTH:.1f}px;{style}">{html.escape(text)}</span>'
        )


def _look(screen: pyte.Screen, row: int, column: int, cell: Char, colours: Colours) -> str:
    foreground, background = _colour(cell.fg, colours), _colour(cell.bg, colours)
    at_cursor = (row, column) == (screen.cursor.y, screen.cursor.x) and not screen.cursor.hidden
    if cell.reverse != at_cursor:
        foreground, background = background or colours.background, foreground or colours.foreground
    lines = " ".join(["underline"] * cell.underscore + ["line-through"] * cell.strikethrough)
    style = {
        "color": foreground or colours.foreground,
        "background": background,
        "font-weight": "bold" if cell.bold else "",
        "font-style": "italic" if cell.italics else "",
        "text-decoration": lines,
    }
    return ";".join(f"{name}:{value}" for name, value in style.items() if value)


def _colour(name: str, colours: Colours) -> str:
    """Empty for the terminal's own."""
    if name == "default":
        return ""
    return colours.named.get(name) or f"#{name}"
