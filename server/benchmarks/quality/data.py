"""Annotated queries over repositories. server/benchmarks/README.md has the format."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path


class BadData(ValueError):
    """The data and the folders do not fit; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a query asks for: a file, or the lines of a definition in it."""

    #: Relative to the repository, as the annotations have it.
    path: str
    #: First and last line, from 1, both inclusive; None for the whole file.
    lines: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    query: str
    category: str
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Repository:
    name: str
    language: str
    revision: str
    #: What is indexed: the repository's folder, or the part of it that the annotations are about. Absolute.
    root: Path
    requests: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Level:
    """One set of queries with the repositories that they are about."""

    name: str
    #: Has one folder for each repository.
    folder: Path
    repositories: tuple[Repository, ...]


def read(name: str, data: Path, folder: Path, only: Collection[str] = ()) -> Level:
    """The repositories of a data file, or those of them whose names are in ``only``.

    Raises BadData if nothing is left or a repository's folder is missing; OSError and JSONDecodeError.
    """
    repositories = tuple(
        _repository(entry, folder)
        for entry in json.loads(data.read_text(encoding="utf-8"))
        if entry["queries"] and (not only or entry["name"] in only)
    )
    if not repositories:
        raise BadData(
            f"{data} has none of these repositories: {', '.join(sorted(only))}" if only else f"{data} is empty"
        )
    missing = [each.name for each in repositories if not each.root.is_dir()]
    if missing:
        raise BadData(f"{folder} has no folder for: {', '.join(missing)}")
    return Level(name, folder, repositories)


def _repository(entry: dict[str, object], folder: Path) -> Repository:
    name, part = str(entry["name"]), str(entry.get("root") or "")
    queries = entry["queries"]
    assert isinstance(queries, list)
    return Repository(
        name=name,
        language=str(entry["language"]),
        revision=str(entry.get("revision") or ""),
        root=(folder / name / part).resolve(),
        requests=tuple(
            Question(each["query"], each["category"], tuple(_target(target) for target in each["targets"]))
            for each in queries
        ),
    )


def _target(entry: dict[str, object]) -> Target:
    lines = (int(str(entry["start_line"])), int(str(entry["end_line"]))) if "start_line" in entry else None
    return Target(str(entry["path"]), lines)
