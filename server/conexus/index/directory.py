"""Where a folder's index lies."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path


def index_directory(data_directory: Path, folder: str, model: str) -> Path:
    """One directory for each folder and model."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(folder).name)[:40] or "root"
    key = hashlib.blake2b(f"{folder}\0{model}".encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    return data_directory / "indexes" / f"{name}-{key}"
