"""Reads facts about git repositories from their files, and the user's settings of git by `git config`.

Nothing else of git is run. `git config` is never run in a repository and never told of one, so that it reads no file of
one: a repository's own `config` is read here, within limits, and handed to it as text. A setting that names a program
(a pager, an alias, a hook, `core.fsmonitor`, a filter) is therefore nothing but text.
"""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

from conexus.processes.start import find_program, run
from conexus.workspace.inside import Inside
from conexus.workspace.paths import relative_path
from conexus.workspace.read import read_bytes

#: Number of bytes after which a file is cut off. Git's own limit for ignore files is 100 MB, far above any real file.
_MAX_BYTES = 4 * 2**20
#: Number of bytes of a repository's `config` that are read. Real ones have some hundred.
_MAX_CONFIG_BYTES = 2**18
#: Seconds that `git config` may take. It takes some milliseconds.
_SECONDS = 5.0
_EXCLUDES, _IGNORE_CASE = "core.excludesfile", "core.ignorecase"
_QUESTION = ("config", "--null", "--type=path", "--get-regexp", r"^core\.(excludesfile|ignorecase)$")


def read_small_file(path: str, root: str | None = None, most: int = _MAX_BYTES) -> bytes | None:
    """Returns the content of a regular file, its first ``most`` bytes, or None for anything else.

    With ``root``, the file is read only if no link leads to it from there. Without it, its directory may be a link.
    """
    if not os.path.lexists(path):
        return None
    below = None if root is None else relative_path(root, path)
    try:
        with Inside(root if root and below else os.path.dirname(path)) as inside:  # noqa: PTH120 - hot
            facts, content = read_bytes(inside, below or os.path.basename(path), most)  # noqa: PTH119 - hot
    except (OSError, ValueError):
        return None
    return content if stat.S_ISREG(facts.st_mode) else None


def common_directory(work_tree: str) -> str | None:
    """Returns the real path of the directory with a repository's shared data, or None if there is no valid `.git`.

    For a linked worktree, that is the directory of the main repository; see "gitrepository-layout" in git's manual.
    """
    dot_git = Path(work_tree, ".git")
    if dot_git.is_dir():
        return os.path.realpath(dot_git)
    pointer = read_small_file(str(dot_git))
    if pointer is None or not pointer.startswith(b"gitdir:"):
        return None
    directory = named_directory(work_tree, pointer.removeprefix(b"gitdir:"))
    if directory is None:
        return None
    common = (read_small_file(str(Path(directory, "commondir"))) or b"").partition(b"\0")[0]
    shared = named_directory(directory, common) if common else directory
    return None if shared is None else os.path.realpath(shared)


def named_directory(base: str, named: bytes, *, windows: bool = os.name == "nt") -> str | None:
    """Returns the path that a file of a repository names, relative to the directory ``base``; None if it is refused.

    Refused are names with a NUL and, on Windows, shares and devices: to look at ``\\\\host\\share`` sends the user's
    name and a proof of his password to that host.
    """
    text = os.fsdecode(named.strip())
    if not text or "\0" in text:
        return None
    if windows and text.replace("/", "\\").startswith("\\\\"):
        return None
    flavour: type[PurePath] = PureWindowsPath if windows else PurePosixPath
    return str(flavour(base) / text)


def enclosing_work_tree(directory: str) -> str | None:
    """Returns the nearest of ``directory`` and its parents that has a `.git`, or None if none has one."""
    for candidate in (Path(directory), *Path(directory).parents):
        if os.path.lexists(candidate / ".git") and common_directory(str(candidate)):
            return str(candidate)
    return None


@dataclass(frozen=True, slots=True)
class GitSettings:
    """The settings of git that affect what is ignored."""

    #: The content of the user's file of global excludes.
    global_excludes: bytes = b""
    ignore_case: bool = False


def git_settings(directory: str) -> GitSettings:
    """Returns the settings as git sees them in ``directory``, or git's defaults if git is not installed.

    Two things differ from git: a condition of the user's ``includeIf`` that asks for a repository never holds, and a
    repository's own ``core.excludesFile`` counts only if it names a file of its work tree, because no repository may
    choose which other files of the user are read.
    """
    try:
        git = find_program("git")
    except OSError:
        return _settings_of(directory, {}, {})
    users = _answer([git, *_QUESTION])
    work_tree = enclosing_work_tree(directory)
    repository = common_directory(work_tree) if work_tree else None
    content = read_small_file(str(Path(repository, "config")), most=_MAX_CONFIG_BYTES) if repository else None
    # Most repositories set neither, so that git need not be asked twice.
    has_any = content is not None and any(word in content.lower() for word in (b"excludesfile", b"ignorecase"))
    own = (
        _answer([git, *_QUESTION[:1], "--file", "-", "--no-includes", *_QUESTION[1:]], content or b"")
        if has_any
        else {}
    )
    return _settings_of(work_tree or directory, users, own)


def _answer(command: list[str], given: bytes = b"") -> dict[str, str]:
    try:
        answer = run(command, _SECONDS, given, {"GIT_DIR": os.devnull}).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    items = [item.partition("\n") for item in os.fsdecode(answer).split("\0")]
    return {name: value for name, _, value in items if name}


def _settings_of(work_tree: str, users: dict[str, str], own: dict[str, str]) -> GitSettings:
    ignore_case = own.get(_IGNORE_CASE, users.get(_IGNORE_CASE, ""))
    return GitSettings(
        _excludes_of_repository(work_tree, own[_EXCLUDES]) if _EXCLUDES in own else _excludes_of_user(users),
        ignore_case.lower() in ("true", "yes", "on", "1"),
    )


def _excludes_of_user(users: dict[str, str]) -> bytes:
    config_home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - Path raises
    named = users.get(_EXCLUDES, str(Path(config_home, "git", "ignore")))
    # Only this file may be a symbolic link, because people keep it in a repository of dotfiles. A relative name would
    # be one of the repository.
    if not os.path.isabs(named):  # noqa: PTH117
        return b""
    return read_small_file(os.path.realpath(named)) or b""


def _excludes_of_repository(work_tree: str, named: str) -> bytes:
    path = named_directory(work_tree, os.fsencode(named))
    real, root = os.path.realpath(path or work_tree), os.path.realpath(work_tree)
    return (read_small_file(real, root) or b"") if Path(real).is_relative_to(root) else b""
