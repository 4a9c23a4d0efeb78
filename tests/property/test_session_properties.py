"""Whatever several clients of one engine do, each finds the files on disk and its own open documents, and no others."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conexus.config import Settings
from conexus.engine import Engine
from conexus.segments.snapshot import Snapshot
from conexus.session import Session
from tests.workspaces import PATIENCE, OneClient, lexical, rows, snapshot_of, write

SESSIONS = 3
FOLDERS = ("first", "second")
NAMES = ("one.py", "two.go", "inner/three.py", "skipped/four.py")
TEXTS = (
    "",
    "def alpha():\n    return beta()\n",
    "def beta(value):\n    return value * 2\n\n\nclass Gamma:\n    def delta(self):\n        pass\n",
    "package main\n\n// Greets people.\nfunc Hello() string { return name() }\n",
)

sessions = st.integers(0, SESSIONS - 1)
paths = st.builds(lambda folder, name: f"{folder}/{name}", st.sampled_from(FOLDERS), st.sampled_from(NAMES))
texts = st.sampled_from(TEXTS)
steps = st.one_of(
    st.tuples(st.just("edit"), sessions, paths, texts),
    st.tuples(st.just("edit"), sessions, paths, texts),
    st.tuples(st.just("save"), sessions, paths),
    st.tuples(st.just("close"), sessions, paths),
    st.tuples(st.just("write"), paths, texts),
    st.tuples(st.just("delete"), paths),
    st.tuples(st.just("folders"), sessions, st.sets(st.sampled_from(FOLDERS))),
    st.tuples(st.just("reopen"), sessions),
    st.tuples(st.just("wait")),
)


class World:
    """Two folders, an engine, and clients with open documents."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for folder in FOLDERS:
            write(directory / folder, {".gitignore": "skipped/\n", "kept.py": "def kept():\n    pass\n"})
        self.engine = Engine(Settings(watcher="off"), data_directory=directory / "data")
        self.folders: list[tuple[str, ...]] = [FOLDERS[:1], FOLDERS[:1], FOLDERS]
        self.documents: list[dict[str, str]] = [{} for _ in range(SESSIONS)]
        self.sessions = [self._open(number) for number in range(SESSIONS)]

    def _open(self, number: int) -> Session:
        session = self.engine.open_session()
        session.set_folders([self.directory / folder for folder in self.folders[number]])
        return session

    def apply(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("edit", number, path, text):
                self.documents[number][path] = text
                self.sessions[number].open_document(str(self.directory / path), text, 1, "")
            case ("save", number, path) if path in self.documents[number]:
                write(self.directory, {path: self.documents[number][path]})
                self.sessions[number].hint([self.directory / path])
            case ("close", number, path):
                self.documents[number].pop(path, None)
                self.sessions[number].close_document(str(self.directory / path))
            case ("write", path, text):
                write(self.directory, {path: text})
                self.sessions[0].hint([self.directory / path])
            case ("delete", path):
                (self.directory / path).unlink(missing_ok=True)
                self.sessions[0].hint([self.directory / path])
            case ("folders", number, folders):
                self.folders[number] = tuple(sorted(folders))
                self.sessions[number].set_folders([self.directory / folder for folder in self.folders[number]])
            case ("reopen", number):
                self.sessions[number].close()
                self.documents[number].clear()
                self.sessions[number] = self._open(number)
            case ("wait",):
                assert self.engine.wait(PATIENCE)


def _fresh(world: World, folders: Sequence[str], documents: dict[str, str]) -> OneClient:
    """An engine that sees the same files, and has the same documents open."""
    engine = OneClient(Settings(watcher="off"), data_directory=world.directory / "fresh")
    engine.start([world.directory / folder for folder in folders])
    for path, text in documents.items():
        engine.open_document(str(world.directory / path), text, 1, "")
    assert engine.wait(PATIENCE), engine.status()
    return engine


def _as_if_saved(world: World, folders: Sequence[str], documents: dict[str, str], into: Path) -> OneClient:
    """An engine without open documents, on a copy of the files in which the documents are saved."""
    for folder in folders:
        shutil.copytree(world.directory / folder, into / folder)
    for path, text in documents.items():
        if path.startswith(tuple(f"{folder}/" for folder in folders)):
            write(into, {path: text})
    engine = OneClient(Settings(watcher="off"), data_directory=into / "data")
    engine.start([into / folder for folder in folders])
    assert engine.wait(PATIENCE), engine.status()
    return engine


def _in_folders(snapshot: Snapshot) -> Snapshot:
    return Snapshot(0, tuple(view for view in snapshot.views if view.folder))


# A document that another client saves; a document of a folder that its client does not have; an ignored one.
@example([("edit", 0, "first/one.py", TEXTS[1]), ("edit", 1, "first/one.py", TEXTS[2]), ("save", 1, "first/one.py")])
@example([("edit", 0, "second/one.py", TEXTS[1]), ("folders", 0, set(FOLDERS)), ("folders", 2, set())])
@example([("edit", 0, "first/skipped/four.py", TEXTS[1]), ("reopen", 1), ("close", 0, "first/skipped/four.py")])
@example([("write", "first/one.py", TEXTS[1]), ("wait",), ("edit", 0, "first/one.py", TEXTS[2])])
# A session that ends before what changed for it was published.
@example([("edit", 0, "first/one.py", TEXTS[1]), ("reopen", 0), ("folders", 0, set()), ("reopen", 0)])
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(steps, max_size=16))
def test_each_client_finds_the_disk_and_its_own_documents(given_steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory))
        try:
            for step in given_steps:
                world.apply(step)
            assert world.engine.wait(PATIENCE)
            for number, session in enumerate(world.sessions):
                folders, documents = world.folders[number], world.documents[number]
                fresh = _fresh(world, folders, documents)
                saved = _as_if_saved(world, folders, documents, Path(directory, f"saved {number}"))
                try:
                    mine = session.searchable.snapshot
                    assert rows(mine) == rows(snapshot_of(fresh))
                    assert lexical(mine) == lexical(snapshot_of(fresh))
                    assert rows(_in_folders(mine)) == rows(snapshot_of(saved))
                    for name in ("files", "chunks", "dirty_buffers"):
                        assert getattr(session.status(), name) == getattr(fresh.status(), name)
                finally:
                    fresh.close()
                    saved.close()
        finally:
            world.engine.close()
