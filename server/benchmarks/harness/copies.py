"""A workspace of any size: copies of a real one, each with identifiers of its own."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from benchmarks.harness.renaming import LANGUAGES, Renamer

#: Another one makes another tree of the same source.
_VERSION = 1


def make_copies(source: Path, made: Path, copies: int) -> Path:
    """Copies of ``source`` below the folder ``made``; returns the workspace. What was made before is used again."""
    workspace, stamp = made / "workspace", made / "made.json"
    wanted = {"source": source.resolve().name, "files": _count(source), "copies": copies, "version": _VERSION}
    if stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == wanted:
        return workspace
    stamp.unlink(missing_ok=True)
    shutil.rmtree(workspace, ignore_errors=True)
    for number in range(copies):
        _copy(source, workspace / f"copy_{number:02}", Renamer(number))
    stamp.write_text(json.dumps(wanted), encoding="utf-8")
    return workspace


def _copy(source: Path, target: Path, renamer: Renamer) -> None:
    for directory, names, files in os.walk(source):
        names[:] = sorted(name for name in names if name != ".git")
        relative = Path(directory).relative_to(source)
        (target / relative).mkdir(parents=True, exist_ok=True)
        for name in files:
            file = Path(directory, name)
            if file.is_symlink() or not file.is_file():
                continue
            new = target / renamer.path(relative / name)
            content = file.read_bytes()
            if language := LANGUAGES.get(file.suffix[1:]):
                # Bytes that are no text stay as they are.
                text = content.decode("utf-8", "surrogateescape")
                content = renamer.text(text, language).encode("utf-8", "surrogateescape")
            new.write_bytes(content)


def _count(folder: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))
