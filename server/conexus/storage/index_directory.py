"""Names the files of an index directory, describes it, finds out which files exist, and removes tables.

This module is light to import, because ``prewarm`` imports it before the engine.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from conexus import own_files
from conexus.config import STATIC

#: File names of the writer's lock, of the manifest, and of the description of the folder that is for people.
LOCK_FILE, MANIFEST_FILE, DESCRIPTION_FILE = "writer.lock", "segments.json", "folder.json"
#: Version of the tables' layout, which is part of their names. Tables of another layout are never read, and the writer
#: removes them.
SCHEMA_VERSION = 2
_TABLE_SUFFIX = ".lance"

#: Most bytes of a description.
_MOST_BYTES = 1 << 20

Table = Literal["files", "chunks"]


@dataclass(frozen=True, slots=True)
class Description:
    """What an index is of."""

    #: Absolute path of the folder as the user named it, and with all links resolved.
    folder: str
    real: str
    #: ``static``, or the fingerprint of a chosen model.
    model: str
    #: Version of everything that made its rows, see ``analysis_version``.
    version: str


def index_directory(data_directory: Path, folder: str, model: str) -> Path:
    """Returns the directory of an index; each pair of a folder (absolute path) and a model has its own."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(folder).name)[:40] or "root"
    key = hashlib.blake2b(f"{folder}\0{model}".encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    return data_directory / own_files.INDEXES / f"{name}-{key}"


def read_description(directory: Path) -> Description | None:
    """Returns the description of an index directory; None if it has none that can be believed.

    The name of the directory follows from the folder and the model, so a description that was put into another
    directory, or that someone made up, is not believed.
    """
    try:
        found = json.loads(own_files.read(directory / DESCRIPTION_FILE, _MOST_BYTES))
        folder, version = found["folder"], found["version"]
        # Releases that wrote no model wrote the version, which ends in it; the shipped model's index is named `static`.
        model, real = found.get("model", STATIC), found.get("realPath", folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not all(isinstance(each, str) for each in (folder, version, model, real)):
        return None
    for name in (model, version.rpartition("|")[2]):
        if index_directory(directory.parent.parent, real, name) == directory:
            return Description(folder, real, name, version)
    return None


def write_description(directory: Path, description: Description) -> None:
    """Writes the description of an index directory. Its time says when the index was last opened to be written.

    Raises OSError if it cannot be written.
    """
    content = {
        "folder": description.folder,
        "realPath": description.real,
        "model": description.model,
        "version": description.version,
    }
    with own_files.replacing(directory / DESCRIPTION_FILE) as file:
        file.write(json.dumps(content).encode())


def mark_used(directory: Path) -> None:
    """Notes that an index is in use now. Does nothing if that cannot be noted."""
    with contextlib.suppress(OSError):
        os.utime(directory / DESCRIPTION_FILE, follow_symlinks=False)


def used_at(directory: Path) -> float:
    """Returns when an index was last in use, in seconds since the epoch. Raises OSError if there is no directory."""
    for path in (directory / DESCRIPTION_FILE, directory / MANIFEST_FILE):
        with contextlib.suppress(FileNotFoundError):
            return path.lstat().st_mtime
    return directory.lstat().st_mtime


def has_stored_index(directory: Path) -> bool:
    """Returns whether an index directory has a stored index that a start can load: a manifest or tables."""
    return own_files.is_regular(directory / MANIFEST_FILE) or has_tables(directory)


def has_tables(directory: Path) -> bool:
    """Returns whether an index directory has tables of the present layout."""
    return table_path(directory, "files").is_dir()


def table_name(table: Table) -> str:
    """Returns the name of a table in the present layout."""
    return f"{table}_{SCHEMA_VERSION}"


def table_path(directory: Path, table: Table) -> Path:
    """Returns the directory in which LanceDB keeps a table of an index directory."""
    return directory / f"{table_name(table)}{_TABLE_SUFFIX}"


def remove_tables(directory: Path) -> None:
    """Removes the tables of an index directory, whatever state and layout they are in. They must be closed."""
    for path in directory.glob(f"*{_TABLE_SUFFIX}"):
        with contextlib.suppress(OSError):
            own_files.remove(path)


def remove_tables_of_other_layouts(directory: Path) -> None:
    """Removes the tables that only other releases can read."""
    kept = {table_path(directory, "files"), table_path(directory, "chunks")}
    for path in directory.glob(f"*{_TABLE_SUFFIX}"):
        if path not in kept:
            with contextlib.suppress(OSError):
                own_files.remove(path)


def size_bytes(directory: Path) -> int:
    """Returns the size of all files of an index directory, without the files that are removed at the same time."""
    size = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                facts = Path(parent, name).lstat()
                size += facts.st_size if stat.S_ISREG(facts.st_mode) else 0
    return size
