"""Removes stored indexes that nobody needs: of folders that are gone, unused for long, or beyond the size of all.

No index is removed that another process writes, or that is no index of ours: what other users put into the directory of
the indexes is left alone.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from conexus import audit, limits, own_files
from conexus.limits import Limit
from conexus.storage.index_directory import LOCK_FILE, Description, read_description, size_bytes, used_at
from conexus.storage.writer_lock import WriterLock

log = logging.getLogger(__name__)

#: Why an index is removed: its folder is gone, it was not used for long, all indexes are too large, or a user asked.
Reason = Literal["vanished", "unused", "space", "forgotten"]

#: Names of index directories, see ``index_directory``; and of those that are being removed.
_INDEX = re.compile(r"[A-Za-z0-9._-]{1,40}-[0-9a-f]{16}")
_REMOVING = ".removing-"
_DAY_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class StoredIndex:
    """An index directory."""

    directory: Path
    #: What it is of; None if it does not say so in a way that can be believed.
    description: Description | None
    size: int
    #: When it was last in use, in seconds since the epoch.
    used_at: float


@dataclass(frozen=True, slots=True)
class Removal:
    """An index that was removed, or is to be removed, and why."""

    index: StoredIndex
    reason: Reason


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The outcome of cleaning: what was removed and what is left."""

    removed: tuple[Removal, ...]
    left: tuple[StoredIndex, ...]


def stored_indexes(data_directory: Path) -> list[StoredIndex]:
    """Returns all indexes in a data directory.

    Raises OSError if the directory cannot be read or others may control it. Leaves out what others may control in it.
    """
    own_files.check_directories(data_directory, own_files.INDEXES)
    found = []
    for directory in _entries(data_directory):
        if _INDEX.fullmatch(directory.name):
            with suppress(OSError):
                own_files.check_directories(data_directory, own_files.INDEXES, directory.name)
                description, used = read_description(directory), used_at(directory)
                found.append(StoredIndex(directory, description, size_bytes(directory), used))
    return found


def _entries(data_directory: Path) -> list[Path]:
    try:
        return sorted((data_directory / own_files.INDEXES).iterdir())
    except FileNotFoundError:
        return []


def clean(
    data_directory: Path,
    *,
    most_bytes: int,
    age_days: float,
    in_use: Collection[Path] = (),
    stop: Callable[[], bool] = lambda: False,
    dry_run: bool = False,
) -> Cleaned:
    """Removes the indexes of folders that are gone, those that were not used for ``age_days``, and then those that were
    not used for longest, until all together have at most ``most_bytes``.

    ``in_use``: index directories that stay. ``stop`` is called between two indexes; when it returns True, the rest
    stays. With ``dry_run``, nothing is removed. Raises OSError as ``stored_indexes``.
    """
    indexes = sorted(stored_indexes(data_directory), key=lambda index: index.used_at)
    if not dry_run:
        _remove_leftovers(data_directory)
    oldest = time.time() - age_days * _DAY_SECONDS
    removed: dict[Path, Removal] = {}
    free = [index for index in indexes if index.directory not in in_use]

    def remove(index: StoredIndex, reason: Reason) -> None:
        if not stop() and (_is_free(index) if dry_run else remove_index(index, reason)):
            removed[index.directory] = Removal(index, reason)

    for index in free:
        if index.description is not None and _is_gone(index.description.real):
            remove(index, "vanished")
        elif index.used_at < oldest:
            remove(index, "unused")
    size = sum(index.size for index in indexes if index.directory not in removed)
    for index in free:
        if size > most_bytes and index.directory not in removed:
            remove(index, "space")
            size -= index.size if index.directory in removed else 0
    return Cleaned(tuple(removed.values()), tuple(index for index in indexes if index.directory not in removed))


def remove_index(index: StoredIndex, reason: Reason) -> bool:
    """Removes an index, unless a process writes it or has used it since. Returns whether it was removed.

    It vanishes at once, so that no process finds a part of it.
    """
    lock = WriterLock(index.directory)
    try:
        # Looked up first, because taking a lock that nobody had makes its file, and so changes the directory.
        if used_at(index.directory) != index.used_at or not lock.take():
            return False
        removing = f"{_REMOVING}{index.directory.name}-{os.getpid()}"
        own_files.rename(index.directory, removing)
        own_files.remove(index.directory.with_name(removing))
    except OSError as error:
        log.warning("the index %s cannot be removed: %s", index.directory.name, error.strerror)
        return False
    finally:
        lock.release()
    audit.record("indexRemoved", index=index.directory.name, reason=reason)
    if reason == "space":
        limits.hit(Limit.DISK)
    return True


def busy(indexes: Iterable[StoredIndex]) -> list[StoredIndex]:
    """Returns the indexes that a process writes. Raises OSError if that cannot be known, as on a read-only disk."""
    return [index for index in indexes if _is_written(index)]


def _is_free(index: StoredIndex) -> bool:
    try:
        return not _is_written(index)
    except OSError:
        return False


def _is_written(index: StoredIndex) -> bool:
    if not os.path.lexists(index.directory / LOCK_FILE):
        return False
    lock = WriterLock(index.directory)
    try:
        return not lock.take()
    finally:
        lock.release()


def of_folder(indexes: Iterable[StoredIndex], folders: Collection[str]) -> Iterator[StoredIndex]:
    """Yields the indexes of a folder by any model. ``folders``: the absolute paths by which the folder is known."""
    for index in indexes:
        described = index.description
        if described is not None and (described.folder in folders or described.real in folders):
            yield index


def _remove_leftovers(data_directory: Path) -> None:
    """Removes the rest of indexes whose removal was cut short."""
    for path in _entries(data_directory):
        if path.name.startswith(_REMOVING):
            with suppress(OSError):
                own_files.remove(path)


def _is_gone(folder: str) -> bool:
    """Returns whether nothing is left of a folder. False if that cannot be known."""
    try:
        return not stat.S_ISDIR(os.lstat(folder).st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return True
    except OSError:
        return False
