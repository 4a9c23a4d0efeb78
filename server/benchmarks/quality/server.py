"""A repository's questions, answered by the real server over its standard input and output."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from benchmarks.harness.client import ServerError, session
from benchmarks.quality.data import Repository
from benchmarks.quality.judge import TOP, Hit

#: The largest of the benchmark's repositories needs a few seconds.
_PATIENCE_SECONDS = 600


def answers(repository: Repository) -> list[list[Hit]]:
    """The hits of each question, from a server with an empty data directory and a complete index.

    Raises ServerError, and TimeoutError if the index does not become complete.
    """
    with tempfile.TemporaryDirectory(prefix="conexus-data-") as data, session(repository.root, Path(data)) as server:
        status = server.wait_until_indexed(timeout=_PATIENCE_SECONDS)
        if status["health"] == "error":
            raise ServerError(f"{repository.name}: {status['message']}")
        return [[hit_of(hit) for hit in server.search(question.query, TOP)["hits"]] for question in repository.requests]


def hit_of(hit: dict[str, Any]) -> Hit:
    """A hit of the protocol: lines there count from 0, and the end of its range is exclusive."""
    place = hit["location"]
    start, end = place["range"]["start"], place["range"]["end"]
    path = Path(unquote(urlparse(place["uri"]).path)).as_posix()
    return Hit(path, start["line"] + 1, end["line"] + (1 if end["character"] else 0))
