"""``conexus search``: finds code in a folder by meaning."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from conexus.cli.arguments import add_hit_options, add_limit_options, folder, names
from conexus.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from conexus.cli.arguments import Commands


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "search",
        help="find code in a folder by meaning",
        description="Find code in a folder by meaning. The index is made or brought up to date first."
        " The query may contain the operators lang:, path:, kind: and test:.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=folder, metavar="DIR", help="the folder to search")
    parser.add_argument("query", nargs="+", metavar="QUERY", help="what to find, in words or names of the code")
    parser.add_argument(
        "--lang",
        type=names,
        action="extend",
        default=[],
        metavar="NAMES",
        help="only these languages, such as python,rust",
    )
    parser.add_argument(
        "--path",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only files that match this pattern, in the syntax of .gitignore; may be repeated",
    )
    parser.add_argument(
        "--kind",
        type=names,
        action="extend",
        default=[],
        metavar="NAMES",
        help="only these kinds of code, such as function,class",
    )
    parser.add_argument(
        "--tests",
        choices=("include", "exclude", "only"),
        default="include",
        help="what to do with test code (default: include)",
    )
    add_limit_options(parser)
    add_hit_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from conexus.cli.hits import print_answer
    from conexus.cli.session import session
    from conexus.diagnosis import check_languages
    from conexus.text.positions import Encoding
    from conexus.values import Filters

    check_languages(arguments.lang)
    filters = Filters(
        languages=tuple(arguments.lang),
        include=tuple(arguments.path),
        kinds=tuple(arguments.kind),
        tests=arguments.tests,
    )
    with session(
        arguments.folder,
        encoding=Encoding.UTF16 if arguments.json else Encoding.UTF32,
        limits=arguments,
    ) as opened:
        opened.wait()
        answer = opened.index.search(" ".join(arguments.query), limit=arguments.limit, filters=filters)
    print_answer(answer, arguments.folder, as_json=arguments.json, preview=arguments.lines, output=sys.stdout)
    return ExitCode.OK if answer.hits else ExitCode.NOTHING
