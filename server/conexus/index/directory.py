"""Names the directory that a folder's index is stored in."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path


def index_directory(data_directory: Path, folder: str, model: str) -> Path:
    """Returns the directory of an index; each pair of a folder (absolute path) and a model has its own."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(folder).name)[:40] or "root"
    key = hashlib.blake2b(f"{folder}\0{model}".encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    return data_directory / "indexes" / f"{name}-{key}"
