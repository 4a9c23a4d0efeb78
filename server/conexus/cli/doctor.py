"""``conexus doctor``: checks that everything is in place, and says what to do if it is not."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from conexus.cli.arguments import folder
from conexus.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from conexus.cli.arguments import Commands


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "doctor",
        help="check the installation, the model, the index and the limits",
        description="Check the installation, the model, the grammars, the directory of the indexes, and the limits of"
        " the machine. Every line begins with OK, WARN or FAIL, and says what to do if there is anything to do.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "folder",
        type=folder,
        nargs="?",
        default=Path(),
        metavar="DIR",
        help="the folder to check (default: the current one)",
    )
    parser.add_argument("--model", metavar="NAME", help="also check this sentence-transformers model")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from conexus.cli.checks import all_checks
    from conexus.cli.terminal import LEVELS, paint, wants_colour
    from conexus.escape import one_line

    colour = wants_colour(sys.stdout)
    failed = False
    for check in all_checks(arguments.folder.resolve(), arguments.model):
        failed = failed or check.level == "FAIL"
        level = paint(f"{check.level:<4}", LEVELS[check.level], colour)
        advice = f"; {check.advice}" if check.advice else ""
        # Each line is printed at once, because some checks take seconds.
        print(f"{level}  {check.subject:<12} {one_line(check.found + advice)}", flush=True)
    return ExitCode.NOTHING if failed else ExitCode.OK
