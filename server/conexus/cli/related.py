"""``conexus related``: finds the code that belongs to a place in a file."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from conexus.cli.arguments import add_hit_options, add_limit_options, file_place, folder, names
from conexus.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from conexus.cli.arguments import Commands


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "related",
        help="the code that belongs to a place in a file",
        description="Print the code that belongs to a place in a file: its callers, its tests, similar code.",
        allow_abbrev=False,
    )
    parser.add_argument("place", type=file_place, metavar="FILE:LINE[:COLUMN]", help="the place, counted from 1")
    parser.add_argument(
        "--relation",
        type=names,
        action="extend",
        default=[],
        metavar="NAMES",
        help="only these relations (caller,test,similar)",
    )
    parser.add_argument(
        "--root",
        type=folder,
        metavar="DIR",
        help="the folder to look in (default: the repository of FILE, else its folder)",
    )
    add_limit_options(parser)
    add_hit_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from conexus.cli.answers import print_answer
    from conexus.cli.places import position_of, workspace_of
    from conexus.cli.session import session
    from conexus.text.positions import Encoding
    from conexus.values import Place, TextRange

    file, line, column = arguments.place
    root = arguments.root or workspace_of(file)
    encoding = Encoding.UTF16 if arguments.json else Encoding.UTF32
    position = position_of(file, line, column, encoding)
    place = Place(str(file.resolve()), TextRange(position, position))
    with session(root, encoding=encoding, limits=arguments) as opened:
        opened.wait()
        answer = opened.engine.related(place, relations=arguments.relation, limit=arguments.limit)
    print_answer(answer, root, as_json=arguments.json, preview=arguments.lines, output=sys.stdout)
    return ExitCode.OK if answer.hits else ExitCode.NOTHING
