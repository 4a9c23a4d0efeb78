"""Keeps the working directory out of Python's module search path, in this process and in every child.

People run Conexus inside repositories that they do not know. Python searches the working directory first for
``python -m``, for ``python -c``, and for an empty or relative entry of PYTHONPATH: a ``multiprocessing.py`` of the
repository would then run in place of Python's own. Nothing but built-in and frozen modules may be imported here.
"""

import os
import sys

#: What Python and this package are made of stays on the path, wherever Conexus is started.
_PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - pathlib is not frozen
_STANDARD_LIBRARY = os.path.dirname(os.path.realpath(os.__file__))  # noqa: PTH120


def isolate() -> None:
    """Remove the working directory from ``sys.path``; ``__main__`` calls this before it imports anything else.

    What lies below it goes, too, where PYTHONPATH names it: ``PYTHONPATH=$PWD/src`` is a common setting of a shell.
    """
    if sys.flags.ignore_environment and not sys.flags.safe_path:
        # Children get the flags of this process, and with -E they would not see what the environment says.
        os.execv(sys.executable, [sys.executable, "-P", *sys.orig_argv[1:]])  # noqa: S606 - ourselves
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    isolate_children()
    here = _working_directory()
    unsafe = {_full(entry, here) for entry in named if not _is_safe(entry, here, below=True)}
    sys.path[:] = [
        entry for entry in sys.path if _is_safe(entry, here, below=False) and _full(entry, here) not in unsafe
    ]


def isolate_children() -> None:
    """Have every Python process that this one starts from now on leave the working directory out of its path."""
    os.environ["PYTHONSAFEPATH"] = "1"  # what -P says, for the processes that multiprocessing starts
    main = sys.modules["__main__"]
    if not os.path.isabs(getattr(main, "__file__", None) or os.sep):  # noqa: PTH117
        del main.__file__  # a script from standard input: multiprocessing would run a file of its name, "<stdin>"
    here = _working_directory()
    named = os.environ.pop("PYTHONPATH", "").split(os.pathsep)
    if kept := [_full(entry, here) for entry in named if _is_safe(entry, here, below=True)]:
        os.environ["PYTHONPATH"] = os.pathsep.join(kept)


def _is_safe(entry: str, here: str, *, below: bool) -> bool:
    """Whether nothing of the working directory can be imported by an entry; ``below``: nor of what lies below it."""
    if not here and not os.path.isabs(entry):  # noqa: PTH117
        return False
    real = os.path.realpath(_full(entry, here))
    if real in (_PACKAGE_PARENT, _STANDARD_LIBRARY) or _holds_packages(real):
        return True
    inside = real == here or (below and real.startswith(here.rstrip(os.sep) + os.sep))
    return os.path.isabs(entry) and not (here and inside)  # noqa: PTH117


def _holds_packages(real: str) -> bool:
    """Whether pip or the system installs packages there, for the interpreter that runs."""
    roots = tuple(os.path.realpath(prefix) + os.sep for prefix in (sys.prefix, sys.base_prefix))
    return os.path.basename(real) in {"site-packages", "dist-packages"} and real.startswith(roots)  # noqa: PTH119


def _full(entry: str, here: str) -> str:
    return os.path.join(here, entry)  # noqa: PTH118


def _working_directory() -> str:
    """The real path of the working directory; empty if it was removed."""
    try:
        return os.path.realpath(os.getcwd())  # noqa: PTH109
    except OSError:
        return ""
