"""Names the files of an index directory, finds out which of them exist, and removes tables.

This module is light to import, because ``prewarm`` imports it before the engine.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import Literal

#: File names of the writer's lock, of the manifest, and of the description of the folder that is for people.
LOCK_FILE, MANIFEST_FILE, DESCRIPTION_FILE = "writer.lock", "segments.json", "folder.json"
#: Version of the tables' layout, which is part of their names. Tables of another layout are never read, and the writer
#: removes them.
SCHEMA_VERSION = 2
_TABLE_SUFFIX = ".lance"

Table = Literal["files", "chunks"]


def index_directory(data_directory: Path, folder: str, model: str) -> Path:
    """Returns the directory of an index; each pair of a folder (absolute path) and a model has its own."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(folder).name)[:40] or "root"
    key = hashlib.blake2b(f"{folder}\0{model}".encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    return data_directory / "indexes" / f"{name}-{key}"


def has_stored_index(directory: Path) -> bool:
    """Returns whether an index directory has a stored index that a start can load: a manifest or tables."""
    return (directory / MANIFEST_FILE).is_file() or has_tables(directory)


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
        shutil.rmtree(path, ignore_errors=True)


def remove_tables_of_other_layouts(directory: Path) -> None:
    """Removes the tables that only other releases can read."""
    kept = {table_path(directory, "files"), table_path(directory, "chunks")}
    for path in directory.glob(f"*{_TABLE_SUFFIX}"):
        if path not in kept:
            shutil.rmtree(path, ignore_errors=True)


def size_bytes(directory: Path) -> int:
    """Returns the size of all files of an index directory, without the files that are removed at the same time."""
    size = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                size += Path(parent, name).stat().st_size
    return size
