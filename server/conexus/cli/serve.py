"""``conexus serve``: the language server on standard input and output, for editors to start."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conexus.cli.arguments import count

if TYPE_CHECKING:
    from conexus.cli.arguments import Commands

_LARGEST_PID = 2**31 - 1


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "serve",
        help="the language server, for editors to start",
        description="Speak the Language Server Protocol on standard input and output. Editors start this.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--stdio", action="store_true", help="standard input and output; the only transport, and the default"
    )
    parser.add_argument(
        "--clientProcessId",
        type=count(1, _LARGEST_PID),
        metavar="PID",
        help="end when this process, the editor, has ended",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from conexus.lsp.server import serve

    return serve(arguments.clientProcessId)
