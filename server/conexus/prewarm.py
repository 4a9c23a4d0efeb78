"""Starts worker processes before anything else is loaded, where it is plain that they will be needed.

This is the part of the engine's API that is light to import: ``lsp`` and ``cli`` use it before they import the engine.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from conexus.config import STATIC, Settings
from conexus.processes.workers import INLINE_FILES, WorkerProcesses
from conexus.storage.index_directory import index_directory
from conexus.workspace.roots import needs_consent

__all__ = ["WorkerProcesses", "is_project", "start_if_needed"]

#: Names of files and directories that mark the root of a project.
_MARKS = (
    ".git", ".hg", ".jj", ".svn", "conexus.toml", "build.gradle", "build.sbt", "Cargo.toml", "CMakeLists.txt",
    "composer.json", "Gemfile", "go.mod", "Makefile", "mix.exs", "package.json", "Package.swift", "pom.xml",
    "pyproject.toml", "setup.py",
)  # fmt: skip
#: Directories that are searched for more than ``INLINE_FILES`` files. The limit is low because whoever waits for this
#: search has not been answered yet.
_MOST_DIRECTORIES = 200


def start_if_needed(
    processes: WorkerProcesses, settings: Settings, folders: Iterable[Path], data_directory: Path
) -> None:
    """Starts the worker processes, unless they run, if one of the folders has no index yet and has many files."""
    if not processes.running and any(_is_new(folder, settings, data_directory) for folder in folders):
        processes.start_ahead(_load_worker)


def _load_worker() -> None:
    """Loads what reading files takes. A worker process calls it; the server must not wait for these imports."""
    from conexus.indexing.worker_tasks import get_ready

    get_ready()


def is_project(folder: Path) -> bool:
    """Decides whether a folder looks like one that an editor would open, and not like a parent of such folders."""
    return any((folder / mark).exists() for mark in _MARKS)


def _is_new(folder: Path, settings: Settings, data_directory: Path) -> bool:
    real = Path(os.path.realpath(folder))
    # A server may be started below the workspace.
    if any(index_directory(data_directory, str(each), STATIC).exists() for each in (real, *real.parents)):
        return False
    return (settings.allow_large_folders or needs_consent(folder) is None) and _has_many_files(str(folder))


def _has_many_files(folder: str) -> bool:
    """Decides whether a folder has more than ``INLINE_FILES`` files in its first ``_MOST_DIRECTORIES`` directories.

    The ignore rules are not applied, because that would take too long.
    """
    count = looked_at = 0
    directories = [folder]
    while directories and looked_at < _MOST_DIRECTORIES:
        looked_at += 1
        try:
            with os.scandir(directories.pop()) as items:
                for item in items:
                    if item.name.startswith("."):
                        continue
                    if item.is_dir(follow_symlinks=False):
                        directories.append(item.path)
                    else:
                        count += 1
                        if count > INLINE_FILES:
                            return True
        except OSError:
            continue
    return False
