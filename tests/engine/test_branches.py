"""Branches, worktrees and clones with a chosen model: what was embedded once is never embedded again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from conexus.config import Settings
from conexus.embedding.recipe import document_text
from conexus.indexing.worker_tasks import FileBounds, Job, read_and_analyse
from conexus.segments.analysis import IndexedFile
from conexus.workspace.inside import Inside
from tests.fixtures import model
from tests.repositories import changed_between, commit, git
from tests.workspaces import PATIENCE, Row, rows, running, snapshot_of, stored_rows, write
from tests.workspaces import OneClient as Engine

FILES = 60


def until(engine: Engine, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 3 * PATIENCE
    while not condition():
        assert time.monotonic() < deadline, engine.status()
        threading.Event().wait(0.05)


def module(number: int, answer: str) -> str:
    return (
        f"class Shelf{number}:\n    '''Keeps the things of room {number}.'''\n\n"
        f"    def put_{number}(self, thing):\n        return self.room.{answer}(thing)\n\n\n"
        f"def count_{number}(shelf):\n    return len(shelf.things)\n"
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository: on the branch `other` every second file differs, some are gone and some are new."""
    folder = tmp_path / "work"
    write(folder, {f"shelves/shelf_{number}.py": module(number, "store") for number in range(FILES)})
    git(folder, "init", "--quiet", "--initial-branch", "main")
    commit(folder, "main")
    git(folder, "checkout", "--quiet", "-b", "other")
    write(folder, {f"shelves/shelf_{number}.py": module(number, "keep") for number in range(0, FILES, 2)})
    for number in range(1, FILES, 10):
        (folder / f"shelves/shelf_{number}.py").unlink()
    write(folder, {f"shelves/new_{number}.py": module(1000 + number, "store") for number in range(5)})
    commit(folder, "other")
    git(folder, "checkout", "--quiet", "main")
    return folder


def texts(folder: Path) -> set[str]:
    """The different texts that a folder's index embeds."""
    found = set()
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).as_posix()
        file = read_and_analyse(Job(Inside(folder), name), FileBounds(1_000_000, 20_000), model())
        assert isinstance(file, IndexedFile)
        found |= {document_text(name, chunk) for chunk in file.chunks}
    return found


def settle(engine: Engine, folders: int = 1) -> None:
    """Every folder is searched with the chosen model, and every chunk has its vector."""

    def settled() -> bool:
        views = snapshot_of(engine).views
        mine = [view for view in views if view.segment.model == engine.status().model.fingerprint]
        return (
            engine.status().model.name != "static"
            and len({view.folder for view in mine}) == folders
            and len(mine) == len(views)
            and engine.status().quiescent
            and all(view.segment.vectors[view.live].any(axis=1).all() for view in mine)
        )

    until(engine, settled)


def vectors(found: list[Row]) -> np.ndarray:
    return np.array([np.frombuffer(row[-1], np.float16) for row in found], np.float32)  # type: ignore[call-overload]


def assert_equal_to_fresh(engine: Engine, root: Path, data: Path, chosen: str) -> None:
    """Row by row. Only a model's own arithmetic depends on which texts are in one batch, in the last digit."""
    found = rows(snapshot_of(engine))
    with running(root, data, model=chosen) as fresh:
        settle(fresh)
        expected = rows(snapshot_of(fresh))
    assert [row[:-1] for row in found] == [row[:-1] for row in expected]
    np.testing.assert_allclose(vectors(found), vectors(expected), atol=2e-3)


@pytest.mark.torch
def test_a_switch_embeds_what_is_new_and_switching_back_nothing(root: Path, built: Path, tmp_path: Path) -> None:
    chosen, data = str(built / "small"), tmp_path / "data"
    main = texts(root)
    hints = [root / path for path in changed_between(root, "main", "other")]
    with running(root, data, model=chosen) as engine:
        settle(engine)
        assert engine.status().embedded_chunks == len(main)
        at_first = rows(snapshot_of(engine))

        git(root, "checkout", "--quiet", "other")
        other = texts(root)
        assert 0 < len(other - main) < len(other)
        engine.hint(hints)
        settle(engine)
        assert engine.status().embedded_chunks == len(main | other)
        assert_equal_to_fresh(engine, root, tmp_path / "fresh", chosen)

        git(root, "checkout", "--quiet", "main")
        engine.hint(hints)
        settle(engine)
        assert engine.status().embedded_chunks == len(main | other)
        assert rows(snapshot_of(engine)) == at_first
        assert engine.store(PATIENCE), engine.status()
    assert stored_rows(engine) == at_first
    with running(root, data, model=chosen) as engine:
        settle(engine)
        assert engine.status().embedded_chunks == 0
        assert rows(snapshot_of(engine)) == at_first


@pytest.mark.torch
def test_a_worktree_and_a_clone_embed_what_the_first_has_not(root: Path, built: Path, tmp_path: Path) -> None:
    chosen, data = str(built / "small"), tmp_path / "data"
    worktree, clone = tmp_path / "worktree", tmp_path / "clone"
    git(root, "worktree", "add", "--quiet", "--detach", str(worktree), "main")
    git(tmp_path, "clone", "--quiet", str(root), str(clone))
    with running(root, data, model=chosen) as engine:
        settle(engine)
        first = engine.status().embedded_chunks
        assert first == len(texts(root))
        engine.set_folders([root, worktree])
        settle(engine, folders=2)
        assert engine.status().embedded_chunks == first
        with running(clone, data, model=chosen) as other:
            settle(other)
            assert other.status().embedded_chunks == 0
            assert len(rows(snapshot_of(other))) * 2 == len(rows(snapshot_of(engine)))
            git(clone, "checkout", "--quiet", "other")
            other.hint([clone])
            settle(other)
            new = len(texts(clone) - texts(root))
            assert other.status().embedded_chunks == new > 0
        git(worktree, "checkout", "--quiet", "other")
        engine.hint([worktree])
        settle(engine, folders=2)
        assert engine.status().embedded_chunks == first


@pytest.mark.torch
def test_what_was_stored_before_its_vectors_came_gets_them_at_the_next_start(
    root: Path, built: Path, tmp_path: Path
) -> None:
    chosen, data = str(built / "small"), tmp_path / "data"
    with running(root, data, model=chosen) as engine:
        settle(engine)
        slow = engine.engine.indexer._workspace.switch._model
        assert slow is not None
        slow._thread.submit(slow._closing.wait)  # the model is busy until the end
        git(root, "checkout", "--quiet", "other")
        engine.hint([root])
        until(engine, lambda: engine.status().pending > 0 and "new_1.py" in repr(rows(snapshot_of(engine))))
    assert any(not np.frombuffer(row[-1], np.float16).any() for row in stored_rows(engine))  # type: ignore[call-overload]
    with running(root, data, model=chosen) as engine:
        settle(engine)
        assert engine.status().embedded_chunks > 0


@pytest.mark.torch
def test_vectors_that_come_after_the_overlay_was_sealed_are_not_lost(root: Path, built: Path, tmp_path: Path) -> None:
    chosen, data = str(built / "small"), tmp_path / "data"
    many = {f"many/{number}.py": module(2000 + number, "store") * 4 for number in range(400)}
    with running(root, data, model=chosen) as engine:
        settle(engine)
        slow, release = engine.engine.indexer._workspace.switch._model, threading.Event()
        assert slow is not None
        slow._thread.submit(release.wait)
        write(root, many)
        engine.hint([root / "many"])
        until(engine, lambda: not engine.engine.indexer._bulk.pending and engine.status().files == FILES + len(many))
        assert len(engine.searchable.overlay) < len(many)
        release.set()
        settle(engine)
        assert engine.store(PATIENCE), engine.status()
    assert all(np.frombuffer(row[-1], np.float16).any() for row in stored_rows(engine))  # type: ignore[call-overload]


@pytest.mark.torch
def test_a_cache_that_is_deleted_or_damaged_costs_only_time(root: Path, built: Path, tmp_path: Path) -> None:
    chosen, data = str(built / "small"), tmp_path / "data"
    with running(root, data, model=chosen) as engine:
        settle(engine)
        assert engine.status().embedded_chunks == len(texts(root))
        for path in (data / "vectors").glob("*.sqlite3"):
            path.write_bytes(b"damage" * 10_000)
        git(root, "checkout", "--quiet", "other")
        engine.hint([root])
        settle(engine)
        assert engine.status().health == "ok"


def test_the_shipped_model_is_counted_too_and_keeps_no_cache(root: Path, tmp_path: Path) -> None:
    with running(root, tmp_path / "data") as engine:
        chunks = engine.status().chunks
        assert engine.status().embedded_chunks == chunks
        write(root, {"shelves/shelf_0.py": module(0, "store") + "\n\ndef added():\n    return 1\n"})
        engine.hint([root / "shelves/shelf_0.py"])
        assert engine.wait(PATIENCE)
        assert chunks < engine.status().embedded_chunks <= chunks + 2
        engine.configure(Settings(watcher="off", exclude=("new*",)))
        assert engine.wait(PATIENCE)
        assert engine.status().embedded_chunks <= chunks + 2
    assert not (tmp_path / "data" / "vectors").exists()
    with running(root, tmp_path / "data") as engine:
        assert engine.status().embedded_chunks == 0
