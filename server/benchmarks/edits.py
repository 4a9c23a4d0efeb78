"""How long an edit takes to become searchable, as a client sees it.

Each time a word that stands nowhere else is written, and the search for it is repeated until it is found.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.client import Server

_LANGUAGE_IDS = {
    ".c": "c", ".cpp": "cpp", ".cs": "csharp", ".ex": "elixir", ".go": "go", ".h": "c", ".hpp": "cpp",
    ".hs": "haskell", ".java": "java", ".js": "javascript", ".kt": "kotlin", ".lua": "lua", ".php": "php",
    ".py": "python", ".rb": "ruby", ".rs": "rust", ".scala": "scala", ".sh": "shellscript", ".swift": "swift",
    ".ts": "typescript", ".tsx": "typescriptreact", ".zig": "zig",
}  # fmt: skip
_LARGEST_FILE = 100_000
_PATIENCE_SECONDS = 20.0
_POLL_SECONDS = 0.002
_CHANGED = 2  # FileChangeType.Changed


def editable_files(folder: Path, count: int, dice: random.Random) -> list[Path]:
    """Some source files of a folder, by chance. Raises ValueError if it has none."""
    found = []
    for directory, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith(".") and name != "node_modules")
        for name in sorted(files):
            path = Path(directory, name)
            if path.suffix in _LANGUAGE_IDS and not path.is_symlink() and 0 < path.stat().st_size < _LARGEST_FILE:
                found.append(path)
    if not found:
        raise ValueError(f"{folder} has no source files")
    return dice.sample(found, min(count, len(found)))


def keystroke_ms(server: Server, files: list[Path], times: int, dice: random.Random) -> list[float]:
    """From a change of an open buffer, never saved, to a search that finds it."""
    for file in files:
        server.open(file, _text(file), _LANGUAGE_IDS[file.suffix])
    server.wait_until_indexed()
    results = []
    for number in range(times):
        file, word = files[number % len(files)], _word(dice)
        line = dice.randrange(_text(file).count("\n") + 1)
        # The version counts on in every document; it need not be without gaps.
        act = partial(server.insert, file, line, f"{word}\n", number + 2)
        results.append(_until_found(server, file, word, act))
    for file in files:
        server.close(file)
    server.wait_until_indexed()
    return results


def save_ms(server: Server, files: list[Path], times: int, dice: random.Random, *, told: bool) -> list[float]:
    """From a file written to disk to a search that finds what was written.

    ``told``: the client says so, as editors do on a save; else another program wrote it and the server must notice.
    """
    results = []
    for number in range(times):
        file, word = files[number % len(files)], _word(dice)
        lines = _text(file).splitlines(keepends=True)
        lines.insert(dice.randrange(len(lines) + 1), f"{word}\n")
        act = partial(_write, server if told else None, file, "".join(lines))
        results.append(_until_found(server, file, word, act))
    return results


def _write(told: Server | None, file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    if told is not None:
        told.tell("workspace/didChangeWatchedFiles", {"changes": [{"uri": file.as_uri(), "type": _CHANGED}]})


def _until_found(server: Server, file: Path, word: str, act: Callable[[], None]) -> float:
    uri = file.as_uri()
    began = time.perf_counter()
    act()
    while (waited := time.perf_counter() - began) < _PATIENCE_SECONDS:
        hits = server.ask("conexus/search", {"query": word, "limit": 5})["hits"]
        # A hit by meaning alone is not it: the word must stand there.
        if any(hit["location"]["uri"] == uri and (hit.get("matches") or word in hit["preview"]) for hit in hits):
            return 1000 * (time.perf_counter() - began)
        time.sleep(_POLL_SECONDS)
    raise TimeoutError(f"an edit of {file.name} was not searchable after {waited:.0f} s")


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def _word(dice: random.Random) -> str:
    return "q" + "".join(dice.choices("bcdfghjklmnpqrstvwxz", k=13))
