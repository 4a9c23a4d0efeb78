"""Keeps the working directory out of Python's module search path, in this process and in every child.

People run Conexus inside repositories that they do not know. Python searches the working directory first for
``python -m``, for ``python -c``, and for an empty or relative entry of PYTHONPATH: a ``multiprocessing.py`` of the
repository would then run in place of Python's own. Nothing but built-in and frozen modules may be imported here.
"""

import os
import sys

#: The directory that holds this package: it stays on the path, wherever Conexus is started.
_HOME = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - pathlib is not frozen


def isolate() -> None:
    """Remove the working directory from ``sys.path``. Every entry point calls this before it imports anything else."""
    isolate_children()
    sys.path[:] = _safe(sys.path)


def isolate_children() -> None:
    """Have every Python process that this one starts from now on leave the working directory out of its path."""
    os.environ["PYTHONSAFEPATH"] = "1"  # what -P says, for the processes that multiprocessing starts
    given = os.environ.pop("PYTHONPATH", "")
    if kept := _safe(given.split(os.pathsep)):
        os.environ["PYTHONPATH"] = os.pathsep.join(kept)


def _safe(entries: list[str]) -> list[str]:
    """Returns the entries that are absolute and not the working directory, and the one that holds this package."""
    try:
        here = os.path.realpath(os.getcwd())  # noqa: PTH109
    except OSError:  # the working directory was removed
        here = ""
    kept = []
    for entry in entries:
        real = os.path.realpath(os.path.join(here, entry)) if here or os.path.isabs(entry) else ""  # noqa: PTH117, PTH118
        if real == _HOME:
            kept.append(entry if os.path.isabs(entry) else _HOME)  # noqa: PTH117
        elif os.path.isabs(entry) and real != here:  # noqa: PTH117
            kept.append(entry)
    return kept
