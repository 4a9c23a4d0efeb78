"""Decides which of the given workspace folders are indexed, and which of them only after the user's consent."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def normalise_roots(folders: Iterable[str | Path]) -> tuple[list[Path], list[str]]:
    """Returns the folders to index, and a sentence for each folder that cannot be indexed.

    Folders inside others are dropped, because the outer folder has their files, whatever symbolic links lead to them.
    The given spelling is kept instead of the real path, because clients know their files by it.
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
    """Returns why a folder is indexed only with the user's consent, or None if the folder is an ordinary one."""
    real = Path(os.path.realpath(root))
    if real == real.parent:
        return "This folder is the whole file system."
    try:
        home = Path(os.path.realpath(Path.home()))
    except RuntimeError:  # no home directory can be determined
        return None
    if real == home:
        return "This folder is a home directory."
    return "This folder contains home directories." if real in home.parents else None
