"""The meanings of the exit status of every command. ``docs/cli.md`` and ``conexus --help`` say the same."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit statuses, as scripts see them."""

    OK = 0
    NOTHING = 1
    USAGE = 2
    FAILED = 3
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.OK: "success; search and related found something",
    ExitCode.NOTHING: "search, related or forget found nothing, status found no index, doctor found something to"
    " repair, or audit found no event or a changed log",
    ExitCode.USAGE: "the command line or the query is wrong",
    ExitCode.FAILED: "failure; standard error says why",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
}
