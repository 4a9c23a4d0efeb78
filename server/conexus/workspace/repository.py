"""What Conexus needs to know of git repositories, read from their files."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from conexus.workspace.files import read_bytes

#: Ignore files beyond this size are cut off; git's own limit is 100 MB, far above any real one.
_MAX_BYTES = 4 * 2**20


def read_small_file(path: str) -> bytes | None:
    """The content of a regular file; None for everything else."""
    try:
        facts, content = read_bytes(path, _MAX_BYTES)
    except (OSError, ValueError):
        return None
    return content if stat.S_ISREG(facts.st_mode) else None


def common_directory(work_tree: str) -> str | None:
    """The real path of the directory that holds a repository's shared data, None if there is no `.git`.

    For a linked worktree that is the main repository's; see "gitrepository-layout" in git's manual.
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
    """The nearest of ``directory`` and its parents that has a `.git`."""
    for candidate in (Path(directory), *Path(directory).parents):
        if os.path.lexists(candidate / ".git") and common_directory(str(candidate)):
            return str(candidate)
    return None


@dataclass(frozen=True, slots=True)
class GitSettings:
    """The user's settings of git that decide what is ignored."""

    #: The content of the file of global excludes.
    global_excludes: bytes = b""
    ignore_case: bool = False


def git_settings(directory: str) -> GitSettings:
    """The settings as git sees them in ``directory``, or git's defaults where git is not installed."""
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
    # This one file may be a symlink: people keep it in a repository of dotfiles.
    content = read_small_file(os.path.realpath(Path(directory, excludes))) if excludes else None
    return GitSettings(content or b"", values.get("core.ignorecase", "").lower() in ("true", "yes", "on", "1"))


def _program(name: str) -> str:
    """A program on the PATH. A relative entry of it would be one of the workspace. OSError if there is none."""
    entries = [entry for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(entry)]  # noqa: PTH117
    found = shutil.which(name, path=os.pathsep.join(entries))
    if found is None:
        raise FileNotFoundError(errno.ENOENT, "not on the PATH", name)
    return found
