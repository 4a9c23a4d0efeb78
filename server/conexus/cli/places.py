"""From a place as the user names it to the workspace and the position that the engine knows."""

from __future__ import annotations

from os.path import relpath
from pathlib import Path

from conexus.text import Encoding, LineIndex, units
from conexus.values import BadQuery, Position

_ROOT_MARKS = (".git", ".hg", ".jj", "conexus.toml")


def workspace_of(file: Path) -> Path:
    """The nearest folder above a file that is a repository or has settings, else the file's own.

    It is relative to the working directory if the file is.
    """
    parents = file.resolve().parents
    found = next((parent for parent in parents if any((parent / mark).exists() for mark in _ROOT_MARKS)), parents[0])
    return found if file.is_absolute() else Path(relpath(found))


def position_of(file: Path, line: int, column: int | None, encoding: Encoding) -> Position:
    """The engine's position of a place that counts from 1 and in characters; without a column, where the code begins.

    Raises BadQuery if the file has no such line, OSError if it cannot be read.
    """
    lines = LineIndex(file.read_bytes().decode("utf-8", "replace"))
    if line > lines.line_count:
        raise BadQuery(f"{file} has {lines.line_count} lines, there is no line {line}")
    text = lines.line(line - 1).rstrip("\r\n")
    before = text[: column - 1] if column else text[: len(text) - len(text.lstrip())]
    return Position(line - 1, units(before, encoding))
