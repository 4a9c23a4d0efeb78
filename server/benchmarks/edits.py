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
from typing import Any

from benchmarks.client import Server

LANGUAGE_IDS = {
    ".c": "c", ".cpp": "cpp", ".cs": "csharp", ".ex": "elixir", ".go": "go", ".h": "c", ".hpp": "cpp",
    ".hs": "haskell", ".java": "java", ".js": "javascript", ".kt": "kotlin", ".lua": "lua", ".php": "php",
    ".py": "python", ".rb": "ruby", ".rs": "rust", ".scala": "scala", ".sh": "shellscript", ".swift": "swift",
    ".ts": "typescript", ".tsx": "typescriptreact", ".zig": "zig",
}  # fmt: skip
_LARGEST_FILE = 100_000
_PATIENCE_SECONDS = 20.0
_POLL_SECONDS = 0.002
#: FileChangeType
CREATED, CHANGED, DELETED = 1, 2, 3


def editable_files(folder: Path, count: int, dice: random.Random) -> list[Path]:
    """Some source files of a folder, by chance. Raises ValueError if it has none."""
    found = []
    for directory, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith(".") and name != "node_modules")
        for name in sorted(files):
            path = Path(directory, name)
            if path.suffix in LANGUAGE_IDS and not path.is_symlink() and 0 < path.stat().st_size < _LARGEST_FILE:
                found.append(path)
    if not found:
        raise ValueError(f"{folder} has no source files")
    return dice.sample(found, min(count, len(found)))


def keystroke_ms(server: Server, files: list[Path], times: int, dice: random.Random) -> list[float]:
    """From a change of an open buffer, never saved, to a search that finds it."""
    for file in files:
        server.open(file, _text(file), LANGUAGE_IDS[file.suffix])
    server.wait_until_indexed()
    results = []
    for number in range(times):
        file, word = files[number % len(files)], new_word(dice)
        line = dice.randrange(_text(file).count("\n") + 1)
        # The version counts on in every document; it need not be without gaps.
        act = partial(server.insert, file, line, f"{word}\n", number + 2)
        results.append(milliseconds_until(partial(is_found, server, file, word), act))
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
        file, word = files[number % len(files)], new_word(dice)
        lines = _text(file).splitlines(keepends=True)
        lines.insert(dice.randrange(len(lines) + 1), f"{word}\n")
        act = partial(_write, server if told else None, file, "".join(lines))
        results.append(milliseconds_until(partial(is_found, server, file, word), act))
    return results


def delete_ms(server: Server, files: list[Path], times: int, dice: random.Random, *, told: bool) -> list[float]:
    """From the end of a file to a search that does not find it any more. The files are made beside ``files``."""
    results = []
    for number in range(times):
        model, word = files[number % len(files)], new_word(dice)
        file = model.with_name(f"{word}{model.suffix}")
        write = partial(_write, server if told else None, file, f"{_text(model)}\n{word}\n", CREATED)
        milliseconds_until(partial(is_found, server, file, word), write)
        act = partial(_delete, server if told else None, file)
        results.append(milliseconds_until(lambda file=file, word=word: not is_found(server, file, word), act))  # type: ignore[misc]
    return results


def is_found(server: Server, file: Path, word: str) -> bool:
    """Whether a search for a word says that it stands in a file."""
    uri = file.as_uri()
    hits = server.ask("conexus/search", {"query": word, "limit": 5})["hits"]
    return any(hit["location"]["uri"] == uri and has_word(hit, word) for hit in hits)


def has_word(hit: dict[str, Any], word: str) -> bool:
    """Whether a hit has a word. One by meaning alone has it not; of a long one, the preview may not show it."""
    word = word.lower()
    return bool(hit.get("matches")) or any(word in text.lower() for text in (hit["preview"], *hit["reasons"]))


def milliseconds_until(
    condition: Callable[[], bool], act: Callable[[], None] | None = None, *, patience: float = _PATIENCE_SECONDS
) -> float:
    """How long after the action (or now) a condition first held. Raises TimeoutError after ``patience`` seconds."""
    began = time.perf_counter()
    if act is not None:
        act()
    while (waited := time.perf_counter() - began) < patience:
        if condition():
            return 1000 * (time.perf_counter() - began)
        time.sleep(_POLL_SECONDS)
    raise TimeoutError(f"what was waited for did not come within {waited:.0f} s")


def tell(server: Server, file: Path, change: int) -> None:
    """Tell the server of one change of a file on disk, as editors do."""
    server.tell("workspace/didChangeWatchedFiles", {"changes": [{"uri": file.as_uri(), "type": change}]})


def _write(told: Server | None, file: Path, text: str, change: int = CHANGED) -> None:
    file.write_text(text, encoding="utf-8")
    if told is not None:
        tell(told, file, change)


def _delete(told: Server | None, file: Path) -> None:
    file.unlink()
    if told is not None:
        tell(told, file, DELETED)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def new_word(dice: random.Random) -> str:
    """A word that stands nowhere else and is like no other."""
    return "q" + "".join(dice.choices("bcdfghjklmnpqrstvwxz", k=13))
