"""``conexus related``: finds the code that belongs to a place in a file."""

from __future__ import annotations

import argparse
import sys
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING

from conexus.cli.arguments import add_hit_options, add_limit_options, file_place, folder, names
from conexus.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from conexus.cli.arguments import Commands
    from conexus.text.positions import Encoding
    from conexus.values import Position

#: Maximum size of a file with a place, in bytes; above it, no setting lets a file be indexed.
_MOST_BYTES = 2**30
_ROOT_MARKS = (".git", ".hg", ".jj", "conexus.toml")


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "related",
        help="find the code related to a place in a file",
        description="Find the code related to a place in a file: its callers, its tests, similar code.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "place", type=file_place, metavar="FILE:LINE[:COLUMN]", help="the place; lines and columns count from 1"
    )
    parser.add_argument(
        "--relation",
        type=names,
        action="extend",
        default=[],
        metavar="NAMES",
        help="only these relations, such as caller,test",
    )
    parser.add_argument(
        "--root",
        type=folder,
        metavar="DIR",
        help="the folder to search (default: the repository of FILE, or else its folder)",
    )
    add_limit_options(parser)
    add_hit_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from conexus.cli.hits import print_answer
    from conexus.cli.session import session
    from conexus.text.positions import Encoding
    from conexus.values import BadQuery, Place, TextRange
    from conexus.workspace.inside import OutsideWorkspace, resolve_in_workspace
    from conexus.workspace.read import Skipped, read_current

    file, line, column = arguments.place
    root = arguments.root or workspace_of(file)
    document = str(file.resolve())
    try:
        ((_, path),) = resolve_in_workspace([str(root.resolve())], document)
    except OutsideWorkspace:
        raise BadQuery(f"{file} is not in {root}") from None
    text = read_current(str(root.resolve()), path, _MOST_BYTES)
    if isinstance(text, Skipped):
        raise BadQuery(f"{file} cannot be read: {text.reason}")
    encoding = Encoding.UTF16 if arguments.json else Encoding.UTF32
    position = position_of(file, text, line, column, encoding)
    place = Place(document, TextRange(position, position))
    with session(root, encoding=encoding, limits=arguments) as opened:
        opened.wait()
        answer = opened.index.related(place, relations=arguments.relation, limit=arguments.limit)
    print_answer(answer, root, as_json=arguments.json, preview=arguments.lines, output=sys.stdout)
    return ExitCode.OK if answer.hits else ExitCode.NOTHING


def workspace_of(file: Path) -> Path:
    """Returns the nearest folder above a file that is a repository or has settings, else the file's own folder.

    The result is relative to the working directory if the file's path is relative.
    """
    parents = file.resolve().parents
    found = next((parent for parent in parents if any((parent / mark).exists() for mark in _ROOT_MARKS)), parents[0])
    return found if file.is_absolute() else Path(relpath(found))


def position_of(file: Path, text: str, line: int, column: int | None, encoding: Encoding) -> Position:
    """Returns the engine's position of a place in a file's text. Line and column count from 1, in characters.

    Without a column, the position is the first character of the line that is not blank. Raises BadQuery if the file has
    no such line.
    """
    from conexus.text.positions import LineIndex, units
    from conexus.values import BadQuery, Position

    lines = LineIndex(text)
    if line > lines.line_count:
        raise BadQuery(f"{file} has no line {line}, only {lines.line_count}")
    there = lines.line(line - 1).rstrip("\r\n")
    before = there[: column - 1] if column else there[: len(there) - len(there.lstrip())]
    return Position(line - 1, units(before, encoding))
