"""Finds the workspace and the engine's position for a place as the user names it."""

from __future__ import annotations

from os.path import relpath
from pathlib import Path

from conexus.text.positions import Encoding, LineIndex, units
from conexus.values import BadQuery, Position

_ROOT_MARKS = (".git", ".hg", ".jj", "conexus.toml")


def workspace_of(file: Path) -> Path:
    """Returns the nearest folder above a file that is a repository or has settings, else the file's own folder.

    The result is relative to the working directory if the file's path is relative.
    """
    parents = file.resolve().parents
    found = next((parent for parent in parents if any((parent / mark).exists() for mark in _ROOT_MARKS)), parents[0])
    return found if file.is_absolute() else Path(relpath(found))


def position_of(file: Path, line: int, column: int | None, encoding: Encoding) -> Position:
    """Returns the engine's position of a place whose line and column count from 1, in characters.

    Without a column, the position is the first character of the line that is not blank. Raises BadQuery if the file has
    no such line, OSError if the file cannot be read.
    """
    lines = LineIndex(file.read_bytes().decode("utf-8", "replace"))
    if line > lines.line_count:
        raise BadQuery(f"{file} has {lines.line_count} lines, there is no line {line}")
    text = lines.line(line - 1).rstrip("\r\n")
    before = text[: column - 1] if column else text[: len(text) - len(text.lstrip())]
    return Position(line - 1, units(before, encoding))
