"""Is an index equal to a fresh one? Asked from outside: the same counts, the same answers."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.client import Server
from benchmarks.edits import LANGUAGE_IDS
from benchmarks.live_job import Job, session

_WORD = re.compile(rb"[A-Za-z_][A-Za-z_0-9]{5,40}")
_LARGEST_FILE = 200_000
_MOST_NAMED = 10
_TOP, _DEEP = 10, 40

#: A place: path relative to the workspace, first line, line after the last.
Place = tuple[str, int, int]


def words_of_one_file(folder: Path, count: int, dice: random.Random) -> list[str]:
    """Words of sampled source files, each of which stands in no other source file."""
    owner: dict[bytes, int] = {}
    for number, words in enumerate(_words(folder)):
        for word in {word.lower() for word in words}:
            owner[word] = -1 if word in owner else number
    by_file: dict[int, list[bytes]] = {}
    for word, number in owner.items():
        if number >= 0:
            by_file.setdefault(number, []).append(word)
    chosen = dice.sample(sorted(by_file), min(count, len(by_file)))
    return [dice.choice(sorted(by_file[number])).decode("ascii") for number in chosen]


def phrases(folder: Path, count: int, dice: random.Random) -> list[str]:
    """Queries of three words that stand near each other."""
    files = [words for words in _words(folder) if len(words) >= 3]
    found = []
    for words in dice.sample(files, min(count, len(files))):
        start = dice.randrange(len(words) - 2)
        found.append(b" ".join(words[start : start + 3]).decode("ascii"))
    return found


def differences(server: Server, fresh: Server, queries: Sequence[str]) -> dict[str, Any]:
    """What two servers on one folder say differently. ``equal`` sums it up: the same counts, and none has a place
    among its first ten hits that the other does not have among its first forty.

    Other orders are listed apart: hits of the same score may change places.
    """
    counts = [_counts(each.wait_until_indexed()) for each in (server, fresh)]
    reordered, different = [], {}
    for query in queries:
        ours, theirs = _places(server, query), _places(fresh, query)
        only, missing = set(ours[:_TOP]) - set(theirs), set(theirs[:_TOP]) - set(ours)
        if only or missing:
            different[query] = {"only": sorted(only), "missing": sorted(missing)}
        elif ours[:_TOP] != theirs[:_TOP]:
            reordered.append(query)
    return {
        "equal": counts[0] == counts[1] and not different,
        "counts": counts[0],
        "freshCounts": counts[1],
        "asked": len(queries),
        "reordered": reordered,
        "different": different,
    }


def compare_with_fresh(job: Job, server: Server, words: int, dice: random.Random) -> dict[str, Any]:
    """``differences`` to a server with an empty data directory, for the job's queries and words of the files."""
    queries = [*job.queries, *phrases(server.folder, 30, dice), *words_of_one_file(server.folder, words, dice)]
    with job.folder("fresh") as data, session(server.folder, data) as fresh:
        fresh.initialize()
        fresh.wait_until_indexed()
        return differences(server, fresh, queries)


def defects_of(found: dict[str, Any], when: str) -> list[str]:
    """The differences in a sentence or two, for the report; empty if there are none."""
    if found["equal"]:
        return []
    named = dict(list(found["different"].items())[:_MOST_NAMED])
    return [
        f"{when}: the index differs from a fresh one: counts {found['counts']} / {found['freshCounts']}, "
        f"{len(found['different'])} of {found['asked']} answers, among them {named}"
    ]


def _words(folder: Path) -> Iterator[list[bytes]]:
    """The longer words of each source file, in order."""
    for directory, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            path = Path(directory, name)
            if path.suffix in LANGUAGE_IDS and not path.is_symlink() and path.stat().st_size <= _LARGEST_FILE:
                yield _WORD.findall(path.read_bytes())


def _counts(status: dict[str, Any]) -> dict[str, Any]:
    return {
        "files": status["files"],
        "chunks": status["chunks"],
        "folders": [[each["files"], each["chunks"], each["complete"], each["skipped"]] for each in status["folders"]],
    }


def _places(server: Server, query: str) -> list[Place]:
    base = f"{server.folder.as_uri()}/"
    hits = server.ask("conexus/search", {"query": query, "limit": _DEEP})["hits"]
    return [
        (
            hit["location"]["uri"].removeprefix(base),
            hit["location"]["range"]["start"]["line"],
            hit["location"]["range"]["end"]["line"],
        )
        for hit in hits
    ]
