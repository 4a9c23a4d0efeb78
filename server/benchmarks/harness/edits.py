"""How long an edit takes to become searchable, as a client sees it.

Each time a word that stands nowhere else is written, and the search for it is repeated until it is found.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness.client import Server
from benchmarks.harness.waiting import milliseconds_until

LANGUAGE_IDS = {
    ".c": "c", ".cpp": "cpp", ".cs": "csharp", ".ex": "elixir", ".go": "go", ".h": "c", ".hpp": "cpp",
    ".hs": "haskell", ".java": "java", ".js": "javascript", ".kt": "kotlin", ".lua": "lua", ".php": "php",
    ".py": "python", ".rb": "ruby", ".rs": "rust", ".scala": "scala", ".sh": "shellscript", ".swift": "swift",
    ".ts": "typescript", ".tsx": "typescriptreact", ".zig": "zig",
}  # fmt: skip
_LARGEST_FILE = 100_000
#: As a count of files: every one.
ALL = 10**9
#: FileChangeType
CREATED, CHANGED, DELETED = 1, 2, 3


def source_files(folder: Path, largest: int = _LARGEST_FILE) -> Iterator[Path]:
    """The source files of a folder that have at most ``largest`` bytes, in order."""
    for directory, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith(".") and name != "node_modules")
        for name in sorted(files):
            path = Path(directory, name)
            if path.suffix in LANGUAGE_IDS and not path.is_symlink() and 0 < path.stat().st_size <= largest:
                yield path


def editable_files(folder: Path, count: int, dice: random.Random) -> list[Path]:
    """Some source files of a folder, by chance. Raises ValueError if it has none."""
    found = [*source_files(folder)]
    if not found:
        raise ValueError(f"{folder} has no source files")
    return dice.sample(found, min(count, len(found)))


@contextmanager
def put_back(files: Sequence[Path]) -> Iterator[None]:
    """The files are in the end what they are now."""
    before = {file: file.read_bytes() for file in files}
    try:
        yield
    finally:
        for file, content in before.items():
            file.write_bytes(content)


def open_file(server: Server, file: Path, more: str = "") -> str:
    """Open a file in the editor, with some text at its end that is not saved; returns the text of the buffer."""
    text = f"{file.read_text(encoding='utf-8', errors='replace')}{more}"
    server.open(file, text, LANGUAGE_IDS[file.suffix])
    return text


def keystroke_ms(server: Server, files: Sequence[Path], times: int, dice: random.Random) -> list[float]:
    """From a change of an open buffer, never saved, to a search that finds it."""
    lines = {file: open_file(server, file).count("\n") for file in files}
    server.wait_until_indexed()
    results = []
    for number in range(times):
        file, word = files[number % len(files)], new_word(dice)
        # The version counts on in every document; it need not be without gaps.
        act = partial(server.insert, file, dice.randrange(lines[file] + 1), f"{word}\n", number + 2)
        results.append(milliseconds_until(partial(is_found, server, file, word), act))
    for file in files:
        server.close(file)
    server.wait_until_indexed()
    return results


def save_ms(server: Server, files: Sequence[Path], times: int, dice: random.Random, *, told: bool) -> list[float]:
    """From a file written to disk to a search that finds what was written.

    ``told``: the client says so, as editors do on a save; else another program wrote it and the server must notice.
    """
    results = []
    for number in range(times):
        file, word = files[number % len(files)], new_word(dice)
        act = partial(_write, server if told else None, file, with_word(file.read_bytes(), word, dice))
        results.append(milliseconds_until(partial(is_found, server, file, word), act))
    return results


def delete_ms(server: Server, files: Sequence[Path], times: int, dice: random.Random, *, told: bool) -> list[float]:
    """From the end of a file to a search that does not find it any more. The files are made beside ``files``."""
    results = []
    for number in range(times):
        model, word = files[number % len(files)], new_word(dice)
        file = model.with_name(f"{word}{model.suffix}")
        write = partial(_write, server if told else None, file, model.read_bytes() + f"\n{word}\n".encode(), CREATED)
        milliseconds_until(partial(is_found, server, file, word), write)
        act = partial(_delete, server if told else None, file)
        results.append(milliseconds_until(partial(_is_gone, server, file, word), act))
    return results


def with_word(content: bytes, word: str, dice: random.Random | None = None) -> bytes:
    """The content of a file with one more line, the word: somewhere, or in the middle where there is no chance."""
    lines = content.splitlines(keepends=True)
    lines.insert(dice.randrange(len(lines) + 1) if dice else len(lines) // 2, f"{word}\n".encode())
    return b"".join(lines)


def insert_word(file: Path, dice: random.Random, *, anywhere: bool = True) -> str:
    """Write a new word into a file, on a line of its own, anywhere or in the middle; returns the word."""
    word = new_word(dice)
    file.write_bytes(with_word(file.read_bytes(), word, dice if anywhere else None))
    return word


def is_found(server: Server, file: Path, word: str) -> bool:
    """Whether a search for a word says that it stands in a file."""
    uri = file.as_uri()
    hits = server.search(word, 5)["hits"]
    return any(hit["location"]["uri"] == uri and has_word(hit, word) for hit in hits)


def _is_gone(server: Server, file: Path, word: str) -> bool:
    return not is_found(server, file, word)


def has_word(hit: dict[str, Any], word: str) -> bool:
    """Whether a hit has a word. One by meaning alone has it not; of a long one, the preview may not show it."""
    word = word.lower()
    return bool(hit.get("matches")) or any(word in text.lower() for text in (hit["preview"], *hit["reasons"]))


def tell(server: Server, change: int, *files: Path) -> None:
    """Tell the server of one kind of change of files on disk, as editors do."""
    changes = [{"uri": file.as_uri(), "type": change} for file in files]
    server.tell("workspace/didChangeWatchedFiles", {"changes": changes})


def _write(told: Server | None, file: Path, content: bytes, change: int = CHANGED) -> None:
    file.write_bytes(content)
    if told is not None:
        tell(told, change, file)


def _delete(told: Server | None, file: Path) -> None:
    file.unlink()
    if told is not None:
        tell(told, DELETED, file)


def new_word(dice: random.Random) -> str:
    """A word that stands nowhere else and is like no other."""
    return "q" + "".join(dice.choices("bcdfghjklmnpqrstvwxz", k=13))
