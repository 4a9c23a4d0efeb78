"""``conexus serve``: runs the language server on standard input and output. Editors start it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from conexus.cli.arguments import count

if TYPE_CHECKING:
    from conexus.cli.arguments import Commands

_LARGEST_PID = 2**31 - 1


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "serve",
        help="run the language server, as editors do",
        description="Run the language server on standard input and output. Editors start it; you need not.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--stdio", action="store_true", help="use standard input and output, the default and only transport"
    )
    parser.add_argument(
        "--clientProcessId",
        type=count(1, _LARGEST_PID),
        metavar="PID",
        help="exit when this process, the editor, has exited",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from conexus.config import Settings, default_data_directory
    from conexus.lsp.stdio import Stdio
    from conexus.prewarm import WorkerProcesses, is_project, start_if_needed
    from conexus.processes.start import leave_workspace

    # The client's pipes are taken first, because no process that is started from here on may have them.
    stdio = Stdio()
    # Most editors start the server in the workspace. If the workspace has no index yet, worker processes start while
    # the server is imported.
    processes = WorkerProcesses()
    # Outside the block below, which suppresses errors: without a directory for indexes, the server must say so and end.
    data_directory = default_data_directory()
    # Nothing of the server may depend on where it was started, and no process of it keeps that directory in use.
    if (here := leave_workspace()) and is_project(folder := Path(here)):
        start_if_needed(processes, Settings(), (folder,), data_directory)

    from conexus.lsp.server import serve

    return serve(stdio, processes, arguments.clientProcessId)
