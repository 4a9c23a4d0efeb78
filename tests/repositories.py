"""Real git repositories for tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

#: No configuration of whoever runs the tests has a say.
_ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "test",
    "GIT_AUTHOR_EMAIL": "test@example.com",
    "GIT_COMMITTER_NAME": "test",
    "GIT_COMMITTER_EMAIL": "test@example.com",
}


def git(folder: Path, *arguments: str) -> str:
    """What git says; raises if it fails."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=_ENVIRONMENT, check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout


def commit(folder: Path, message: str) -> None:
    """Everything as it is."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)


def changed_between(folder: Path, one: str, other: str) -> list[str]:
    """Paths that an editor would hear of when one is checked out in place of the other."""
    named = git(folder, "diff", "--name-only", "--no-renames", "-z", one, other)
    return [path for path in named.split("\0") if path]
