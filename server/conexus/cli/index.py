"""``conexus index``: brings the index of a folder up to date."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from conexus.cli.arguments import add_json_option, add_limit_options, folder
from conexus.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from conexus.cli.arguments import Commands


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "index",
        help="make the index of a folder, or bring it up to date",
        description="Make the index of a folder, or bring it up to date. Only files that changed are read again.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=folder, metavar="DIR", help="the folder to index")
    parser.add_argument("--rebuild", action="store_true", help="delete the index and rebuild it")
    add_limit_options(parser)
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from conexus.cli.json_output import dump, status_value
    from conexus.cli.session import session
    from conexus.cli.status_text import amount, skipped_words
    from conexus.cli.terminal import say, warn
    from conexus.values import EngineError

    began = time.perf_counter()
    with session(arguments.folder, limits=arguments) as opened:
        if arguments.rebuild:
            opened.index.clear()
        before = opened.wait()
        if arguments.rebuild and before.role == "reader":
            raise EngineError(
                "the index was not rebuilt, because another process, probably an editor's server, is writing it;"
                " end that process first"
            )
        stored = opened.engine.store()
        status = opened.status()
        seconds = time.perf_counter() - began
    if status.message != before.message:
        warn(status.message)
    if arguments.json:
        sys.stdout.write(dump(status_value(status)))
    else:
        say(f"{amount(status)} in {seconds:.1f} s{skipped_words(status)}")
    return ExitCode.OK if stored or not status.files else ExitCode.FAILED
