"""A small workspace for these tests."""

from __future__ import annotations

from pathlib import Path


def write_workspace(folder: Path) -> Path:
    """Twelve small Python files, each with a word of its own."""
    (folder / "app").mkdir(parents=True)
    for number in range(12):
        word = "".join(chr(ord("b") + (number * 7 + place * (number + 3)) % 23) for place in range(9))
        text = f"def function_{number}(argument):\n    return handler(argument, {word})\n"
        (folder / "app" / f"file{number}.py").write_text(text)
    return folder
