"""``conexus audit``: checks and shows the audit log."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conexus.cli.arguments import add_json_option, count
from conexus.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from conexus.cli.arguments import Commands

_MOST_LINES = 1_000_000
#: Maximum number of faults that are printed. A log that another program overwrote has thousands.
_MOST_PROBLEMS = 20
_AGO = re.compile(r"(?P<number>[0-9]{1,6})(?P<unit>[smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "audit",
        help="check or show the audit log",
        description="Check or show the audit log: what was refused, limited, removed and changed, without code and"
        " queries.",
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser(
        "verify",
        help="check that no line was changed or removed",
        description="Check that no line of the audit log was changed or removed.",
        allow_abbrev=False,
    )
    check.set_defaults(run=verify)
    lines = actions.add_parser(
        "show", help="print the events", description="Print the events, the oldest first.", allow_abbrev=False
    )
    lines.add_argument("--since", type=moment, metavar="TIME", help="only events since a time, or 30m, 2h, 7d ago")
    lines.add_argument("--event", metavar="NAME", help="only events of this name")
    lines.add_argument("--last", type=count(1, _MOST_LINES), metavar="N", help="only the last N of them")
    add_json_option(lines, "docs/security/audit.md")
    lines.set_defaults(run=show)


@contextmanager
def kept(command: str) -> Iterator[None]:
    """Has the audit log kept during a command, and writes what waits at its end."""
    from conexus import audit
    from conexus.config import Settings, audit_place

    audit.keep(audit_place(Settings(), command))
    try:
        yield
    finally:
        audit.close()


def moment(text: str) -> datetime:
    """Returns a date or a time of RFC 3339, or the time that is so long ago. A time without a zone is local.

    Raises ArgumentTypeError if the text is neither.
    """
    if ago := _AGO.fullmatch(text):
        return datetime.now(UTC) - timedelta(seconds=int(ago["number"]) * _SECONDS[ago["unit"]])
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"must be a time such as 2026-01-31, 2026-01-31T12:00 or 2h, not {text!r}"
        ) from None


def verify(_: argparse.Namespace) -> int:
    from conexus.audit import chain
    from conexus.cli.status_text import counted
    from conexus.cli.terminal import say, warn

    directory = _directory()
    if directory is None:
        return ExitCode.NOTHING
    report = chain.verify(directory)
    for problem in report.problems[:_MOST_PROBLEMS]:
        say(problem)
    found = f"{counted(report.lines, 'line')} in {counted(report.files, 'file')}"
    if not report.problems:
        say(f"{found}: nothing was changed or removed")
        return ExitCode.OK
    warn(f"{found}: the log was changed ({counted(len(report.problems), 'fault')})")
    return ExitCode.NOTHING


def show(arguments: argparse.Namespace) -> int:
    from conexus.audit import chain
    from conexus.cli.json_output import dump
    from conexus.cli.terminal import say, warn

    if arguments.event is not None:
        from conexus.audit.events import EVENTS

        if arguments.event not in EVENTS:
            warn(f"there is no event `{arguments.event}`; there are {', '.join(sorted(EVENTS))}")
            return ExitCode.USAGE
    directory = _directory()
    found = [] if directory is None else list(_chosen(chain.lines_of(directory), arguments))
    if arguments.last is not None:
        found = found[-arguments.last :]
    if directory is not None and not found:
        warn("the audit log has no such event")
    if arguments.json:
        sys.stdout.write(dump(found))
    else:
        for value in found:
            say(_in_words(value))
    return ExitCode.OK if found else ExitCode.NOTHING


def _chosen(lines: Any, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for line in lines:
        value = line.value
        if arguments.event is not None and value["event"] != arguments.event:
            continue
        if arguments.since is not None and _time_of(value) < arguments.since:
            continue
        yield value


def _time_of(value: dict[str, Any]) -> datetime:
    try:
        return datetime.fromisoformat(value["time"]).astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.max.replace(tzinfo=UTC)  # a forged line is shown, whatever was asked for


def _in_words(value: dict[str, Any]) -> str:
    details = " ".join(f"{name}={detail}" for name, detail in value["details"].items())
    return f"{value['time']}  {value['command']}[{value['process']}]  {value['event']}  {details}".rstrip()


def _directory() -> Path | None:
    """Returns the directory of the log. Says so and returns None if there is none."""
    from conexus import own_files
    from conexus.cli.terminal import warn
    from conexus.config import AUDIT_DIRECTORY, default_data_directory

    data_directory = default_data_directory()
    own_files.check_directories(data_directory, AUDIT_DIRECTORY)
    directory = data_directory / AUDIT_DIRECTORY
    if directory.is_dir():
        return directory
    warn(f"there is no audit log in {directory}")
    return None
