"""Keeps what a repository holds off every search path, in this process and in every child.

People run Conexus inside repositories that they do not know. Python searches the working directory first for
``python -m``, for ``python -c``, and for an empty or relative entry of PYTHONPATH: a ``multiprocessing.py`` of the
repository would then run in place of Python's own. The same holds for programs and PATH, and for libraries and
LD_LIBRARY_PATH. Nothing but built-in and frozen modules may be imported here.
"""

import os
import sys

#: What Python and this package are made of stays on the path, wherever Conexus is started.
_PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - pathlib is not frozen
_STANDARD_LIBRARY = os.path.dirname(os.path.realpath(os.__file__))  # noqa: PTH120

#: The variables that processes of ours get; all others are removed. A variable that nobody reads does no harm, but
#: nobody knows which others make a library or a program load or run something.
_NAMES = frozenset({
    # Who and where the user is, and what words and signs he reads.
    "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "NO_COLOR", "COLORTERM", "COLUMNS", "LINES",
    "TMPDIR", "TMP", "TEMP", "DBUS_SESSION_BUS_ADDRESS",
    # What Windows itself needs to start a process and to find the user's directories.
    "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "USERPROFILE", "USERNAME", "USERDOMAIN", "HOMEDRIVE",
    "HOMEPATH", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "PROGRAMFILES(X86)", "COMMONPROGRAMFILES",
    "ALLUSERSPROFILE", "PUBLIC", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE", "PROCESSOR_IDENTIFIER", "OS",
    # Where a model that the user named is downloaded from.
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE", "SENTENCE_TRANSFORMERS_HOME",
    # The interpreter, where nothing is run or imported by what it says.
    "PYTHONSAFEPATH", "PYTHONNOUSERSITE", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONHASHSEED", "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE", "PYTHONMALLOC", "PYTHONFAULTHANDLER", "PYTHONDEVMODE", "PYTHONCOERCECLOCALE",
    # The user's own git, which is asked for his settings alone. GIT_DIR and its like are of a repository.
    "GIT_CONFIG_NOSYSTEM",
})  # fmt: skip
#: Beginnings of names: of our own variables, the locale, numbers of threads, devices, the
#: allocator, a model's hub, Nix and conda, and the measurement of tests.
_PREFIXES = (
    "CONEXUS_", "LC_", "OMP_", "MKL_", "OPENBLAS_", "GOTO_", "KMP_", "VECLIB_", "NUMEXPR_", "BLIS_", "RAYON_",
    "TOKENIZERS_", "CUDA_", "NVIDIA_", "HIP_", "ROCR_", "HSA_", "PYTORCH_", "MALLOC_", "GLIBC_", "HF_", "HUGGINGFACE_",
    "TRANSFORMERS_", "NIX_", "CONDA_", "COVERAGE_",
)  # fmt: skip
#: Lists of directories in which programs and libraries are searched.
_SEARCHED = frozenset({
    "PATH", "LD_LIBRARY_PATH", "NIX_LD_LIBRARY_PATH", "NIX_PYTHONPATH", "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH", "DYLD_FALLBACK_FRAMEWORK_PATH",
})  # fmt: skip
#: Lists of libraries that every program loads at its start; a name without a directory is searched.
_PRELOADED = frozenset({"LD_PRELOAD", "DYLD_INSERT_LIBRARIES"})
#: Single files and directories that are run, or from which code is run.
_RUN = frozenset({
    "PYTHONHOME", "PYTHONUSERBASE", "PYTHONPYCACHEPREFIX", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__", "NIX_LD",
    "NIX_PYTHONPREFIX", "NIX_PYTHONEXECUTABLE", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_GLOBAL",
})  # fmt: skip

#: Paths of the workspace folders that were opened, real and as they were given. Only ``keep_out`` adds to it.
_workspaces: set[str] = set()


def isolate() -> None:
    """Remove the working directory from ``sys.path``; ``__main__`` calls this before it imports anything else.

    What lies below it goes, too, where PYTHONPATH names it: ``PYTHONPATH=$PWD/src`` is a common setting of a shell. The
    environment is reduced to what processes of ours need, and the search paths in it to directories elsewhere.
    """
    if sys.flags.ignore_environment and not sys.flags.safe_path:
        # Children get the flags of this process, and with -E they would not see what the environment says.
        os.execv(sys.executable, [sys.executable, "-P", *sys.orig_argv[1:]])  # noqa: S606 - ourselves
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    # The processes that multiprocessing starts would run the script that runs now once more, and an installer's script
    # may not say that it is to be run as a program alone. They need nothing of it.
    main = sys.modules["__main__"]
    main.__spec__ = None
    vars(main).pop("__file__", None)
    isolate_children()
    here = _working_directory()
    unsafe = {_full(entry, here) for entry in named if not _is_safe(entry, here, below=True)}
    sys.path[:] = [
        entry for entry in sys.path if _is_safe(entry, here, below=False) and _full(entry, here) not in unsafe
    ]
    _set_environment(reduced(dict(os.environ), _foreign(here)))


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


def keep_out(folder: str) -> None:
    """Keep a folder off the search paths of every process that is started from now on. Any thread may call this.

    ``folder`` is a workspace folder that is opened.
    """
    _workspaces.update((folder, os.path.realpath(folder)))


def workspaces() -> frozenset[str]:
    """Return the paths of the workspace folders that were opened, real and as they were given."""
    return frozenset(_workspaces)


def foreign_directories() -> frozenset[str]:
    """Return the real paths of the directories whose files may be anybody's: workspaces, and the working directory."""
    return _foreign(_working_directory())


def reduced(variables: dict[str, str], foreign: frozenset[str]) -> dict[str, str]:
    """Return the variables that a process of ours may have; ``foreign``: see ``foreign_directories``.

    PYTHONPATH is left as it is: ``isolate_children`` reduces it.
    """
    kept: dict[str, str] = {}
    for name, value in variables.items():
        upper = name.upper()
        if upper in _SEARCHED or upper in _PRELOADED:
            entries = (value if upper in _SEARCHED else value.replace(" ", os.pathsep)).split(os.pathsep)
            safe = os.pathsep.join(entry for entry in entries if is_elsewhere(entry, foreign))
            if safe or upper == "PATH":  # without PATH, some systems search a default that has the working directory
                kept[name] = safe
        elif upper in _RUN:
            if is_elsewhere(value, foreign):
                kept[name] = value
        elif upper.startswith("XDG_"):
            if os.path.isabs(value):  # noqa: PTH117
                kept[name] = value
        elif upper in _NAMES or upper == "PYTHONPATH" or upper.startswith(_PREFIXES):
            kept[name] = value
    return kept


def is_elsewhere(path: str, foreign: frozenset[str]) -> bool:
    """Whether a path is absolute, and below none of the foreign directories.

    What belongs to the running interpreter may be below them, because its code runs anyway.
    """
    if not os.path.isabs(path):  # noqa: PTH117
        return False
    real = os.path.realpath(path)
    own = [os.path.realpath(prefix) for prefix in (sys.prefix, sys.base_prefix)]
    return not any(
        _is_below(real, directory)
        and not any(_is_below(real, prefix) and _is_below(prefix, directory) for prefix in own)
        for directory in foreign
    )


def _foreign(here: str) -> frozenset[str]:
    """Return the directories that may be a repository's.

    The home directory and what holds it are no repository: the user's own programs and libraries are below them.
    """
    home = os.path.realpath(os.path.expanduser("~"))  # noqa: PTH111
    return frozenset(each for each in (*_workspaces, here) if each and not _is_below(home, each))


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip(os.sep) + os.sep)


def _set_environment(variables: dict[str, str]) -> None:
    for name in [name for name in os.environ if name not in variables]:
        del os.environ[name]
    for name, value in variables.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _is_safe(entry: str, here: str, *, below: bool) -> bool:
    """Whether nothing of the working directory can be imported by an entry.

    ``below``: nor anything of what lies below a foreign directory.
    """
    if not here and not os.path.isabs(entry):  # noqa: PTH117
        return False
    real = os.path.realpath(_full(entry, here))
    if real in (_PACKAGE_PARENT, _STANDARD_LIBRARY) or _holds_packages(real):
        return True
    inside = real == here or (below and any(_is_below(real, directory) for directory in _foreign(here)))
    return os.path.isabs(entry) and not inside  # noqa: PTH117


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
