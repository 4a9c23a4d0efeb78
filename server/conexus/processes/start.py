"""Starts programs and Python children: the only place that does, but for what multiprocessing starts (``child``).

Every start has a list of arguments and no shell, a program by its absolute path, which is neither in the working
directory nor in a workspace, an environment reduced to what ``isolation`` lists, a working directory that is no
workspace, and no standard input but a pipe.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath, PureWindowsPath

from conexus import audit
from conexus.isolation import foreign_directories, is_elsewhere, reduced

#: The directory that every process of ours runs in. It always exists, no repository is there, and nothing keeps it from
#: being removed or unmounted.
DIRECTORY = os.path.abspath(os.sep) if os.name == "posix" else os.path.dirname(sys.executable)  # noqa: PTH100, PTH120
#: Endings of programs. A ``.bat`` or ``.cmd`` file is run by a shell.
_WINDOWS_ENDINGS = (".exe", ".com")
#: What libraries are told in every child: to send nothing anywhere, and to log no queries. Without the last one,
#: LanceDB writes a warning to standard error for every query, and editors show it.
_SILENCE = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "DISABLE_TELEMETRY": "1",
    "LANCEDB_LOG": "error",
}


def start_python(
    name: str, arguments: Sequence[str], variables: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Starts a Python process with piped standard input and output. Raises OSError if that fails.

    ``name`` is what the audit log calls it. ``arguments`` follow the interpreter. ``variables`` are added to the
    environment. Standard error is closed, because our own carries the log.
    """
    process = subprocess.Popen(  # noqa: S603 - our own interpreter, a list of arguments, no shell
        python(arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=DIRECTORY,
        env=environment(variables),
    )
    started(name, process.pid)
    return process


def run(
    command: Sequence[str], seconds: float, given: bytes = b"", variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Runs a program to its end and returns its exit status and what it wrote.

    ``command`` begins with an absolute path. ``given`` is its standard input, ``variables`` are added to its
    environment. Raises OSError if the program cannot be started, subprocess.TimeoutExpired if it took longer than
    ``seconds`` and was killed.
    """
    return subprocess.run(  # noqa: S603 - an absolute path from find_program, a list of arguments, no shell
        list(command),
        input=given,
        capture_output=True,
        timeout=seconds,
        check=False,
        cwd=DIRECTORY,
        env=environment(variables),
    )


def python(arguments: Sequence[str]) -> list[str]:
    """Returns the command line of our own interpreter, which imports nothing from its working directory."""
    return [sys.executable, "-P", *arguments]


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Returns the environment of a process that is started now, with ``variables`` added."""
    return {**reduced(dict(os.environ), foreign_directories()), **_SILENCE, **(variables or {})}


def leave_workspace() -> str:
    """Makes ``DIRECTORY`` the working directory, which children inherit.

    Returns the working directory before; empty if it was removed.
    """
    try:
        before = os.getcwd()  # noqa: PTH109
    except OSError:
        before = ""
    os.chdir(DIRECTORY)
    return before


@contextmanager
def outside_workspace() -> Iterator[None]:
    """Makes ``DIRECTORY`` the working directory for a while."""
    before = leave_workspace()
    try:
        yield
    finally:
        if before:
            with suppress(OSError):  # it was removed meanwhile
                os.chdir(before)


def silence() -> None:
    """Sets in the environment of this process what libraries are told; children of multiprocessing call this first."""
    os.environ.update(_SILENCE)


def started(name: str, process: int) -> None:
    """Records that a process was started; ``process`` is its number."""
    audit.record("processStarted", process=name, id=process)


def ended_by_force(name: str, process: int, reason: str) -> None:
    """Records that a process was killed, and why."""
    audit.record("processKilled", process=name, id=process, reason=reason)


def find_program(name: str) -> str:
    """Returns the absolute path of a program on the PATH. Raises OSError if there is none.

    The working directory and the workspaces are never searched.
    """
    foreign = foreign_directories()
    for candidate in candidates(name, os.environ.get("PATH", os.defpath), windows=os.name == "nt"):
        if is_elsewhere(candidate, foreign) and os.path.isfile(candidate) and os.access(candidate, os.X_OK):  # noqa: PTH113
            return candidate
    raise FileNotFoundError(errno.ENOENT, "not on the PATH", name)


def candidates(name: str, path: str, *, windows: bool) -> list[str]:
    """Returns where a program may be: in each absolute directory of ``path``, a value of PATH, in its order.

    Windows itself, and ``shutil.which`` on it, look into the working directory first; an entry without a drive, such as
    ``\\tools``, is on the drive of the working directory, and so is skipped.
    """
    flavour = PureWindowsPath if windows else PurePosixPath
    entries = [flavour(entry.strip('"') if windows else entry) for entry in path.split(";" if windows else ":")]
    endings = _WINDOWS_ENDINGS if windows else ("",)
    return [str(entry / f"{name}{ending}") for entry in entries if entry.is_absolute() for ending in endings]
