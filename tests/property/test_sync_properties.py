"""Whatever happens to the files, the index ends equal to one that is made afresh, row by row."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conexus.indexing import indexer as sync
from tests.workspaces import PATIENCE, lexical, rows, running, snapshot_of, stored_rows, write
from tests.workspaces import OneClient as Engine

FOLDERS = ("", "a/", "a/b/", "c d/")
NAMES = ("one.py", "two.go", "x' OR '1'='1.py", "späße.md", "three.txt")
TEXTS = (
    "",
    "\n\n",
    "def alpha():\n    return beta()\n",
    "def beta(value):\n    '''Doubles a value.'''\n    return value * 2\n\n\n"
    "class Gamma:\n    def delta(self):\n        pass\n",
    "package main\n\n// Greets people.\nfunc Hello() string { return name() }\n",
    "# Title\n\nSome prose.\n\n## Section\n\nMore.\n",
    "\x00binary",
)

paths = st.builds(lambda folder, name: folder + name, st.sampled_from(FOLDERS), st.sampled_from(NAMES))
texts = st.sampled_from(TEXTS)
operations = st.one_of(
    st.tuples(st.just("write"), paths, texts),
    st.tuples(st.just("delete"), paths),
    st.tuples(st.just("delete tree"), st.sampled_from(FOLDERS[1:])),
    st.tuples(st.just("move"), paths, paths),
    st.tuples(st.just("move tree"), st.sampled_from(FOLDERS[1:]), st.sampled_from(FOLDERS[1:])),
    st.tuples(st.just("ignore"), st.sampled_from(["", "a/\n", "*.py\n", "*\n!*.md\n"])),
    st.tuples(st.just("open"), paths, texts),
    st.tuples(st.just("close"), paths),
    st.tuples(
        st.just("restart"),
    ),
)


class World:
    """A folder, an engine on it, and an editor that has some files open."""

    def __init__(self, directory: Path) -> None:
        self.root, self.data = directory / "work", directory / "data"
        self.root.mkdir()
        self.opened: set[str] = set()
        self.engine = self._start()

    def _start(self) -> Engine:
        from conexus.config import Settings

        engine = Engine(Settings(watcher="off"), data_directory=self.data)
        engine.start([self.root])
        return engine

    def apply(self, operation: tuple[str, ...]) -> None:
        name, *arguments = operation
        action: Callable[..., None] = getattr(self, "_" + name.replace(" ", "_"))
        action(*arguments)

    def _hint(self, path: str) -> None:
        self.engine.hint([self.root / path])

    def _write(self, path: str, text: str) -> None:
        target = self.root / path
        if target.is_dir():
            return
        write(self.root, {path: text})
        self._hint(path)

    def _delete(self, path: str) -> None:
        (self.root / path).unlink(missing_ok=True)
        self._hint(path)

    def _delete_tree(self, folder: str) -> None:
        shutil.rmtree(self.root / folder, ignore_errors=True)
        self._hint(folder.rstrip("/"))

    def _move(self, source: str, target: str) -> None:
        if (self.root / source).is_file():
            (self.root / target).parent.mkdir(parents=True, exist_ok=True)
            (self.root / source).replace(self.root / target)
            self.engine.hint([self.root / source, self.root / target])

    def _move_tree(self, source: str, target: str) -> None:
        """As far as the target's place is free."""
        if (self.root / source).is_dir() and not target.startswith(source):
            (self.root / target).parent.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):
                (self.root / source).replace(self.root / target)
            self.engine.hint([self.root / source.rstrip("/"), self.root / target.rstrip("/")])

    def _ignore(self, patterns: str) -> None:
        write(self.root, {".gitignore": patterns})
        self._hint(".gitignore")

    def _open(self, path: str, text: str) -> None:
        self.opened.add(path)
        self.engine.open_document(str(self.root / path), text, 1, "")

    def _close(self, path: str) -> None:
        self.opened.discard(path)
        self.engine.close_document(str(self.root / path))

    def _restart(self) -> None:
        self.engine.close()
        self.opened.clear()
        self.engine = self._start()

    def settle(self) -> None:
        for path in sorted(self.opened):
            self._close(path)
        assert self.engine.wait(PATIENCE), self.engine.status()


@example([("write", "one.py", TEXTS[2]), ("restart",)], 0.0)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(operations, max_size=14), st.sampled_from([sync.INLINE_SECONDS, 0.0]))
def test_any_operations_leave_the_index_equal_to_a_fresh_one(steps: list[tuple[str, ...]], slices: float) -> None:
    # At 0 what happens falls between the steps of scans and of what was told before.
    with patch.object(sync, "INLINE_SECONDS", slices):
        _check(steps, stored=False)


# Fewer, because each starts the process of the tables several times.
@example([("write", "one.py", TEXTS[2]), ("restart",)])
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(operations, min_size=5, max_size=14))
def test_any_operations_leave_the_tables_equal_to_fresh_ones(steps: list[tuple[str, ...]]) -> None:
    _check(steps, stored=True)


def _check(steps: list[tuple[str, ...]], *, stored: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory))
        try:
            for step in steps:
                world.apply(step)
            world.settle()
            found, words = rows(snapshot_of(world.engine)), lexical(snapshot_of(world.engine))
            assert not stored or world.engine.store(PATIENCE), world.engine.status()
        finally:
            world.engine.close()
        with running(world.root, Path(directory, "fresh"), stored=stored) as fresh:
            assert found == rows(snapshot_of(fresh))
            assert words == lexical(snapshot_of(fresh))
        assert not stored or stored_rows(world.engine) == stored_rows(fresh)
