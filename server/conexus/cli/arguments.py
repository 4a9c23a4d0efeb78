"""Argument types and options that several commands share."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from conexus.cli.exit_code import ExitCode
from conexus.escape import one_line

if TYPE_CHECKING:
    # The type has no public name; at run time it is not generic.
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

MAX_HITS = 200
_LARGEST_FILE = 2**40
_PLACE = re.compile(r"(?P<file>.+?):(?P<line>[0-9]+)(?::(?P<column>[0-9]+))?", re.DOTALL)


class Parser(argparse.ArgumentParser):
    """A parser that says in one sentence what is wrong, instead of printing a page of usage."""

    def error(self, message: str) -> NoReturn:
        # The message may contain names of files, which a shell put in the place of `*`.
        self.exit(ExitCode.USAGE, f"{self.prog}: {one_line(message)} (see {self.prog} --help)\n")


def folder(text: str) -> Path:
    """Returns an existing folder, as the user wrote it. Raises ArgumentTypeError if there is no such folder."""
    path = Path(text)
    _check(text, Path.is_dir, "is not a folder")
    return path


def file_place(text: str) -> tuple[Path, int, int | None]:
    """Returns ``FILE:LINE[:COLUMN]`` as (file, line, column), counted from 1 as compilers and grep do.

    Raises ArgumentTypeError if the text has another form, or if there is no such file.
    """
    match = _PLACE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form FILE:LINE or FILE:LINE:COLUMN")
    path, line, column = Path(match["file"]), int(match["line"]), match["column"]
    _check(match["file"], Path.is_file, "is not a file")
    if line < 1 or (column is not None and int(column) < 1):
        raise argparse.ArgumentTypeError("lines and columns are counted from 1")
    return path, line, None if column is None else int(column)


def _check(text: str, is_right: Callable[[Path], bool], otherwise: str) -> None:
    """Raises ArgumentTypeError if a path is empty, cannot be looked up, does not exist or is something else."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty")
    path = Path(text)
    try:
        if not is_right(path):
            raise argparse.ArgumentTypeError(f"{text!r} {otherwise if path.exists() else 'does not exist'}")
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be looked up: {error.strerror}") from None


def count(least: int, most: int) -> _Count:
    """Returns an argument type: a whole number from ``least`` to ``most``."""
    return _Count(least, most)


class _Count:
    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most

    def __call__(self, text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else -1
        if not self._least <= number <= self._most:
            raise argparse.ArgumentTypeError(f"must be a whole number from {self._least} to {self._most}, not {text!r}")
        return number


def names(text: str) -> list[str]:
    """Returns ``python,rust`` as a list. Raises ArgumentTypeError if there is no name."""
    given = [name for part in text.split(",") if (name := part.strip())]
    if not given:
        raise argparse.ArgumentTypeError("names nothing")
    return given


def add_hit_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of every command that prints hits."""
    parser.add_argument(
        "--limit", type=count(1, MAX_HITS), default=10, metavar="N", help="print at most N hits, 1 to 200 (default: 10)"
    )
    parser.add_argument(
        "--lines", type=count(0, 100), default=4, metavar="N", help="print N lines of each hit, 0 for none (default: 4)"
    )
    add_json_option(parser)


def add_limit_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that lift limits.

    A repository's conexus.toml cannot lift them, because it must not consent for its reader.
    """
    parser.add_argument(
        "--allow-large-folders", action="store_true", help="also index a home directory, /, or very many files"
    )
    parser.add_argument(
        "--max-file-bytes", type=count(1, _LARGEST_FILE), metavar="N", help="index files of at most N bytes"
    )


def add_json_option(parser: argparse.ArgumentParser, document: str = "docs/protocol.md") -> None:
    parser.add_argument("--json", action="store_true", help=f"print one JSON value, as {document} describes it")
