"""What is to be measured: workspaces, how much, and the peer."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SIZES = ("small", "mid", "large")
QUERIES = (
    "where are errors turned into responses",
    "parse command line arguments",
    "retry after a failure with a delay",
    "read the configuration file",
    "open a connection",
    "close and release resources",
    "validate user input",
    "convert a value to a string",
    "cache of computed results",
    "spawn a background task",
    "compare two versions",
    "test that a timeout is raised",
    "encode as json",
    "log a warning",
    "iterate over all children of a node",
    "default settings",
    "merge two dictionaries",
    "cancel what is running",
    "Connection",
    "get_name",
)


class NotHere(RuntimeError):
    """A figure needs what this environment does not have."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """How much is measured."""

    rounds: int = 3
    edits: int = 40
    saves: int = 10_000
    kills: int = 200
    switches: int = 20
    copies: int = 9
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be measured. The given workspaces are copied and never written to."""

    #: By size (see ``SIZES``); at least one.
    workspaces: Mapping[str, Path]
    scratch: Path
    numbers: Numbers
    queries: Sequence[str]
    #: None if there is no peer to compare with.
    peer_python: Path | None = None
    #: Where the peer's model lies; empty for its own.
    peer_model: str = ""

    @contextlib.contextmanager
    def copy(self, size: str, *, project: bool = True) -> Iterator[Path]:
        """A copy of a workspace that may be changed.

        ``project``: it has a folder `.git`, as what people open in an editor mostly has: by that the server knows a
        project.
        """
        with self.folder("workspace") as parent:
            copy = parent / self.workspaces[size].resolve().name
            shutil.copytree(self.workspaces[size], copy, symlinks=True)
            if project:
                (copy / ".git").mkdir(exist_ok=True)
            yield copy

    @contextlib.contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """An empty folder for as long as it is needed."""
        # Files may still be written there by the processes of a server that was killed.
        with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=self.scratch, ignore_cleanup_errors=True) as folder:
            yield Path(folder).resolve()
