"""Samples of what a workspace's source files say, as queries."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness.edits import source_files

_SHORTEST, _BEGINNING = 6, 5
_PART = re.compile(rb"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_WORD = re.compile(rb"[A-Za-z_][A-Za-z_0-9]{5,40}")
#: A line that is a comment of one sentence.
_SENTENCE = re.compile(rb"^[ \t]*(?://[/!]?|#|\*|--)[ \t]+([A-Z][a-z]+(?: [a-z]+){3,11})\.$", re.MULTILINE)
_LARGEST_FILE = 200_000


def words_of_one_file(folder: Path, count: int, dice: random.Random) -> dict[str, str]:
    """Words of sampled source files, with the path of the file. No other source file has a word that begins alike,
    because other forms of a word are found, too."""
    owner: dict[bytes, str] = {}
    found: dict[str, set[bytes]] = {}
    for path, words in _words(folder):
        found[path] = {part.lower() for each in words for part in _PART.findall(each) if len(part) >= _BEGINNING}
        for beginning in {word[:_BEGINNING] for word in found[path]}:
            owner[beginning] = "" if beginning in owner else path
    by_file = {
        path: own
        for path, words in found.items()
        if (own := sorted(word for word in words if owner[word[:_BEGINNING]] and len(word) >= _SHORTEST))
    }
    chosen = dice.sample(sorted(by_file), min(count, len(by_file)))
    return {dice.choice(by_file[path]).decode("ascii"): path for path in chosen}


def phrases(folder: Path, count: int, dice: random.Random) -> list[str]:
    """Queries of three words that stand near each other."""
    files = [words for _, words in _words(folder) if len(words) >= 3]
    found = []
    for words in dice.sample(files, min(count, len(files))):
        start = dice.randrange(len(words) - 2)
        found.append(b" ".join(words[start : start + 3]).decode("ascii"))
    return found


def sentences(folder: Path, count: int, dice: random.Random) -> list[str]:
    """Queries in prose: sentences of the files' comments, each once. May be fewer, or none."""
    found = {sentence for _, text in _texts(folder) for sentence in _SENTENCE.findall(text)}
    return [each.decode("ascii") for each in dice.sample(sorted(found), min(count, len(found)))]


def _words(folder: Path) -> Iterator[tuple[str, list[bytes]]]:
    """The path of each source file and its longer words, in order."""
    return ((path, _WORD.findall(text)) for path, text in _texts(folder))


def _texts(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The path of each source file, and what it says."""
    for path in source_files(folder, _LARGEST_FILE):
        yield path.relative_to(folder).as_posix(), path.read_bytes()
