"""``conexus status``: prints what the index of a folder holds."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import TYPE_CHECKING

from conexus.cli.arguments import add_json_option, add_limit_options, folder
from conexus.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from conexus.cli.arguments import Commands


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "status",
        help="show what the index of a folder holds",
        description="Show what the index of a folder holds, after bringing it up to date. No index is made:"
        " `conexus index` does that.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=folder, metavar="DIR", help="the indexed folder")
    add_limit_options(parser)
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from conexus import own_files
    from conexus.cli.json_output import dump, status_value
    from conexus.cli.session import session
    from conexus.cli.status_text import status_lines
    from conexus.cli.terminal import say, warn
    from conexus.config import default_data_directory
    from conexus.diagnosis import stored_index_of

    if stored_index_of(arguments.folder) is None:
        own_files.check_directories(default_data_directory(), own_files.INDEXES)
        named = shlex.quote(str(arguments.folder))
        warn(f"there is no index of {arguments.folder}; `conexus index {named}` makes one")
        if arguments.json:
            sys.stdout.write(dump(None))
        return ExitCode.NOTHING
    with session(arguments.folder, limits=arguments) as opened:
        status = opened.wait()
    if arguments.json:
        sys.stdout.write(dump(status_value(status)))
    else:
        for line in status_lines(status):
            say(line)
    return ExitCode.OK
