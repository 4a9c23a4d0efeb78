"""Reads facts about git repositories from their files, and the user's settings of git by `git config`."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from conexus.workspace.read import read_bytes

#: Number of bytes after which a file is cut off. Git's own limit for ignore files is 100 MB, far above any real file.
_MAX_BYTES = 4 * 2**20


def read_small_file(path: str) -> bytes | None:
    """Returns the content of a regular file, or None for anything else."""
    try:
        facts, content = read_bytes(path, _MAX_BYTES)
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
    if pointer is None or not pointer.startswith(b"gitdir:") or b"\0" in pointer:
        return None
    directory = Path(work_tree, os.fsdecode(pointer.removeprefix(b"gitdir:").strip()))
    common = (read_small_file(str(directory / "commondir")) or b"").partition(b"\0")[0]
    return os.path.realpath(directory / os.fsdecode(common.strip()) if common else directory)


def enclosing_work_tree(directory: str) -> str | None:
    """Returns the nearest of ``directory`` and its parents that has a `.git`, or None if none has one."""
    for candidate in (Path(directory), *Path(directory).parents):
        if os.path.lexists(candidate / ".git") and common_directory(str(candidate)):
            return str(candidate)
    return None


@dataclass(frozen=True, slots=True)
class GitSettings:
    """The user's settings of git that affect what is ignored."""

    #: The content of the user's file of global excludes.
    global_excludes: bytes = b""
    ignore_case: bool = False


def git_settings(directory: str) -> GitSettings:
    """Returns the settings as git sees them in ``directory``, or git's defaults if git is not installed."""
    config_home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - Path raises
    values = {"core.excludesfile": str(Path(config_home, "git", "ignore"))}
    try:
        answer = subprocess.run(
            [_program("git"), "config", "--null", "--type=path", "--get-regexp", r"^core\.(excludesfile|ignorecase)$"],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=5,
            check=False,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        answer = b""
    for item in os.fsdecode(answer).split("\0"):
        name, _, value = item.partition("\n")
        values[name] = value
    excludes = values["core.excludesfile"]
    # Only this file may be a symbolic link, because people keep it in a repository of dotfiles.
    content = read_small_file(os.path.realpath(Path(directory, excludes))) if excludes else None
    return GitSettings(content or b"", values.get("core.ignorecase", "").lower() in ("true", "yes", "on", "1"))


def _program(name: str) -> str:
    """Returns the path of a program on the PATH. Raises OSError if there is none.

    Relative entries of the PATH are skipped, because they would name folders of the workspace.
    """
    entries = [entry for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(entry)]  # noqa: PTH117
    found = shutil.which(name, path=os.pathsep.join(entries))
    if found is None:
        raise FileNotFoundError(errno.ENOENT, "not on the PATH", name)
    return found
