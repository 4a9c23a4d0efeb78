"""The part of the engine's API that removes what is stored, and needs no engine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from conexus import own_files
from conexus.config import default_data_directory
from conexus.values import EngineError
from conexus.workspace.paths import uri_of_path

#: Most bytes of a page of results that are read.
_LONGEST_PAGE = 1 << 26


@dataclass(frozen=True, slots=True)
class RemovedIndex:
    """An index that was removed: its folder, or the name of its directory if that is unknown; its size; and why."""

    folder: str
    size: int
    reason: str


@dataclass(frozen=True, slots=True)
class Cleanup:
    """What cleaning removed, and how many indexes of which size it left."""

    removed: Sequence[RemovedIndex]
    left: int
    left_bytes: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed of a folder: numbers of indexes, of caches of vectors and of pages of results."""

    indexes: int
    size: int
    caches: int
    pages: int


def clean(*, most_mib: int, age_days: int, dry_run: bool = False) -> Cleanup:
    """Removes indexes as the settings ``maxDataMib`` and ``indexAgeDays`` say, and those of folders that are gone.

    With ``dry_run``, returns what would be removed. Raises OSError if the data directory cannot be used.
    """
    from conexus.storage import cleaning

    cleaned = cleaning.clean(default_data_directory(), most_bytes=most_mib << 20, age_days=age_days, dry_run=dry_run)
    reasons = {
        "vanished": "its folder is gone",
        "unused": f"it was not used for {age_days} day{'' if age_days == 1 else 's'}",
        "space": f"all indexes together had more than {most_mib} MiB",
    }
    removed = [
        RemovedIndex(
            each.index.description.folder if each.index.description is not None else each.index.directory.name,
            each.index.size,
            reasons[each.reason],
        )
        for each in cleaned.removed
    ]
    return Cleanup(removed, len(cleaned.left), sum(index.size for index in cleaned.left))


def forget(folder: Path) -> Forgotten:
    """Removes everything that is stored about a folder, which may be gone: indexes by all models, vectors, pages.

    Raises EngineError, and removes nothing, if another process writes an index of the folder; OSError if something
    cannot be removed.
    """
    from conexus.embedding.transformer.vector_cache import forget_folder
    from conexus.storage import cleaning

    data_directory = default_data_directory()
    names = dict.fromkeys((os.path.abspath(folder), os.path.realpath(folder)))  # noqa: PTH100  keeps links, unlike Path
    indexes = list(cleaning.of_folder(cleaning.stored_indexes(data_directory), names))
    in_use = "the index is in use by another process, probably an editor's server; end that process first"
    if cleaning.busy(indexes):
        raise EngineError(in_use)
    names |= dict.fromkeys(name for each in indexes if (of := each.description) for name in (of.folder, of.real))
    for index in indexes:
        if not cleaning.remove_index(index, "forgotten"):
            raise EngineError(in_use)
    caches = sum(forget_folder(data_directory / own_files.VECTORS, name) for name in names)
    pages = sum(_forget_pages(data_directory, name) for name in names)
    return Forgotten(len(indexes), sum(index.size for index in indexes), caches, pages)


def _forget_pages(data_directory: Path, folder: str) -> int:
    """Removes the pages of results that show files of a folder, and returns how many they were."""
    own_files.check_directories(data_directory, own_files.RESULTS)
    removed = 0
    below = f"{uri_of_path(folder).rstrip('/')}/".encode()
    for page in (data_directory / own_files.RESULTS).glob("*.md"):
        with suppress(own_files.Untrusted, FileNotFoundError):
            if below in own_files.read(page, _LONGEST_PAGE):
                own_files.remove(page)
                removed += 1
    return removed
