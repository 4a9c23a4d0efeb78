"""What a scanner found, and how it runs a tool."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

#: A tool that takes longer than this many seconds is ended.
_TIMEOUT_SECONDS = 300


class State(Enum):
    PASSED = "passed"
    FAILED = "FAILED"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Outcome:
    """The result of one scanner: a sentence for the summary, and one line for each finding."""

    scanner: str
    state: State
    summary: str
    findings: tuple[str, ...] = ()


class NotChecked(Exception):
    """A scanner cannot do its work; the message says why."""


class Broken(Exception):
    """A tool ended without a result, and not because something could not be reached."""


@dataclass(frozen=True)
class Ended:
    """How a tool ended."""

    code: int
    output: str
    errors: str

    @property
    def last_line(self) -> str:
        """The last line that the tool wrote, which is the message of an exception, for example."""
        lines = [line.strip() for line in (self.errors or self.output).splitlines() if line.strip()]
        return lines[-1][:200] if lines else f"exit status {self.code}"


def run_module(module: str, arguments: list[str], folder: Path) -> Ended:
    """Runs a module of this environment. Raises NotChecked if it is not installed."""
    if importlib.util.find_spec(module) is None:
        raise NotChecked(f"the Python package {module} is not installed")
    return _run([sys.executable, "-P", "-m", module, *arguments], folder)


def run_program(program: str, arguments: list[str], folder: Path) -> Ended:
    """Runs a program of the PATH. Raises NotChecked if there is none."""
    found = shutil.which(program)
    if found is None:
        raise NotChecked(f"the program {program} is not installed")
    return _run([found, *arguments], folder)


def _run(command: list[str], folder: Path) -> Ended:
    try:
        ended = subprocess.run(  # noqa: S603  an absolute program, no shell, fixed arguments and names of files
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=_TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Broken(f"{Path(command[0]).name} did not end within {_TIMEOUT_SECONDS} s") from None
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def tracked_files(tree: Path) -> list[str]:
    """Returns the files of a Git work tree that are tracked or will be, relative to it, without those that are gone."""
    ended = run_program("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], tree)
    if ended.code:
        raise NotChecked(f"git cannot list the files: {ended.last_line}")
    return sorted({name for name in ended.output.split("\0") if name and (tree / name).is_file()})
