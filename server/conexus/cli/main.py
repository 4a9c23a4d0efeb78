"""The command ``conexus``: reads the command line, runs one command, turns every failure into one sentence."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from conexus import IDENTITY
from conexus.cli import audit, clean, doctor, forget, index, related, search, serve, status
from conexus.cli.arguments import Parser
from conexus.cli.exit_code import ExitCode
from conexus.cli.terminal import warn
from conexus.processes.memory import limit

_COMMANDS = (serve, index, search, related, status, doctor, forget, clean, audit)


def command_line() -> Parser:
    """Returns the parser of the whole command line. Each command sets a function ``run``, which does its work."""
    codes = "\n".join(f"  {code.value:<4} {code.meaning}" for code in ExitCode)
    parser = Parser(
        prog="conexus",
        description="Find code by meaning, in the code as it is now.",
        epilog=f"exit status:\n{codes}\n\nCONEXUS_DATA_DIR is where indexes are kept; NO_COLOR turns colours off.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=IDENTITY)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_to(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status.

    Raises SystemExit for --help, --version and a wrong command line, as argparse does.
    """
    arguments = command_line().parse_args(argv)
    from conexus.config import DATA_DIRECTORY_VARIABLE
    from conexus.processes.start import silence

    # From here on, nothing depends on the working directory.
    given = os.environ.get(DATA_DIRECTORY_VARIABLE)
    if given and not given.startswith("~"):
        os.environ[DATA_DIRECTORY_VARIABLE] = os.path.abspath(given)  # noqa: PTH100 - it need not exist
    silence()
    # Only the user may read the files that are written (indexes, result pages), because they hold the user's code.
    os.umask(0o077)
    # One query is too small a piece of work to share among cores: waking and joining threads costs three times what it
    # saves, and keeps the fan running. The variables are read when numpy and tokenizers are first imported, later.
    for variable, value in (("OPENBLAS_NUM_THREADS", "1"), ("TOKENIZERS_PARALLELISM", "false")):
        os.environ.setdefault(variable, value)
    # Called before there are other threads, because each thread that allocates earlier keeps a heap of its own.
    limit()
    # The terminal's encoding may lack characters of a file's name.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader (`head`, a pager) has read enough. Writing the rest of the buffer must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:  # the promise of this module: no traceback for users
        if os.environ.get("CONEXUS_DEBUG"):
            raise
        code, message = _explained(error)
        warn(" ".join(message.split()))
        return code
    return status


def _explained(error: Exception) -> tuple[ExitCode, str]:
    from conexus.values import BadQuery, EngineError

    if isinstance(error, BadQuery):
        return ExitCode.USAGE, str(error)
    if isinstance(error, EngineError):
        return ExitCode.FAILED, str(error)
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return ExitCode.FAILED, f"{reason}: {error.filename}" if isinstance(error.filename, str) else reason
    return ExitCode.FAILED, f"internal error: {type(error).__name__}: {error}"
