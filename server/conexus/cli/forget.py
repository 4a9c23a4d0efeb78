"""``conexus forget``: removes everything that is stored about a folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from conexus.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from conexus.cli.arguments import Commands


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "forget",
        help="remove everything that is stored about a folder",
        description="Remove everything that is stored about a folder: its indexes by all models, vectors of its code,"
        " and pages of results that show it. The folder itself is not touched, and may be gone already.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=_path, metavar="DIR", help="the folder to forget")
    parser.set_defaults(run=run)


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(text)


def run(arguments: argparse.Namespace) -> int:
    from conexus.cli.audit import kept
    from conexus.cli.status_text import counted, size
    from conexus.cli.terminal import say, warn
    from conexus.upkeep import forget

    with kept(arguments.command):
        done = forget(arguments.folder)
    if not (done.indexes or done.caches or done.pages):
        warn(f"nothing is stored about {arguments.folder}")
        return ExitCode.NOTHING
    indexes = counted(done.indexes, "index", "indexes")
    more = f"{counted(done.caches, 'cache')} of vectors, {counted(done.pages, 'page')} of results"
    say(f"forgot {arguments.folder}: {indexes}, {size(done.size)}; {more}")
    return ExitCode.OK
