"""Workspace folders: which of the given ones are taken, and which of them only after the user's consent."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def normalise_roots(folders: Iterable[str | Path]) -> tuple[list[Path], list[str]]:
    """The folders to index, and a sentence for each one that cannot be.

    Folders inside others are dropped, since the outer one has their files, whatever links lead to them. The
    given spelling is kept and not the real path, because clients know their files by it.
    """
    real: dict[str, Path] = {}
    problems: list[str] = []
    for folder in folders:
        spelling = Path(os.path.abspath(folder))  # noqa: PTH100 - Path.absolute leaves `..` in
        if not spelling.is_dir():
            problems.append(f"The folder `{spelling.name}` does not exist.")
        else:
            real.setdefault(os.path.realpath(spelling), spelling)
    kept = [
        spelling
        for path, spelling in real.items()
        if not any(parent in real for parent in map(str, Path(path).parents))
    ]
    return kept, problems


def needs_consent(root: str | Path) -> str | None:
    """Why a folder is not indexed unasked, None if it is an ordinary one."""
    real = Path(os.path.realpath(root))
    if real == real.parent:
        return "This folder is the whole file system."
    try:
        home = Path(os.path.realpath(Path.home()))
    except RuntimeError:  # no home directory can be determined
        return None
    if real == home:
        return "This folder is a home directory."
    return "This folder holds home directories." if real in home.parents else None
