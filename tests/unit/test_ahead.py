"""When workers start ahead: only where it is plain that they will be needed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from conexus import prewarm
from conexus.config import Settings
from conexus.prewarm import is_project, start_if_needed
from conexus.processes.workers import INLINE_FILES, WorkerProcesses
from conexus.storage.index_directory import index_directory
from tests.workspaces import write


class Seen(WorkerProcesses):
    """Stands for processes: only notes that they were to start."""

    started = False

    def start_ahead(self, load: Callable[[], None]) -> None:
        self.started = True


def _load() -> None:
    pass


def starts(folder: Path, data: Path, settings: Settings | None = None) -> bool:
    processes = Seen()
    start_if_needed(processes, settings or Settings(), (folder,), data)
    return processes.started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "work", {f"package/{n}.py": "pass\n" for n in range(INLINE_FILES + 1)})
    return tmp_path / "work"


def test_in_a_new_folder_of_many_files(folder: Path, tmp_path: Path) -> None:
    assert starts(folder, tmp_path / "data")


def test_not_for_few_files(folder: Path, tmp_path: Path) -> None:
    (folder / "package/0.py").rename(folder / "package/.hidden")
    assert not starts(folder, tmp_path / "data")


@pytest.mark.parametrize("indexed", ["work", "."])
def test_not_where_the_folder_or_one_above_it_has_an_index(folder: Path, tmp_path: Path, indexed: str) -> None:
    index_directory(tmp_path / "data", str((tmp_path / indexed).resolve()), "static").mkdir(parents=True)
    assert not starts(folder, tmp_path / "data")


def test_not_where_the_user_must_consent_first(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert not starts(folder, tmp_path / "data")
    assert starts(folder, tmp_path / "data", Settings(allow_large_folders=True))


def test_not_after_looking_through_many_directories(tmp_path: Path) -> None:
    deepest = tmp_path / "work"
    for _ in range(prewarm._MOST_DIRECTORIES):
        deepest /= "d"
    write(deepest, {f"{n}.py": "pass\n" for n in range(INLINE_FILES + 1)})
    assert not starts(tmp_path / "work", tmp_path / "data")


def test_not_for_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert not starts(tmp_path / "gone", tmp_path / "data")


@pytest.mark.parametrize("mark", [".git", "Cargo.toml"])
def test_a_project_is_known_by_what_lies_in_its_root(folder: Path, mark: str) -> None:
    assert not is_project(folder)
    (folder / mark).touch()
    assert is_project(folder)
    assert not is_project(folder.parent)


def test_nothing_of_them_is_left_when_they_were_closed() -> None:
    # Python would print a traceback if it ended while a thread of theirs does.
    before = set(threading.enumerate())
    processes = WorkerProcesses(1)
    assert processes.submit(abs, -1).result() == 1
    processes.close()
    assert set(threading.enumerate()) <= before


def test_those_that_cannot_start_are_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multiprocessing.spawn._python_exe", b"/no/such/program")
    processes = WorkerProcesses(1)
    processes.start_ahead(_load)  # whoever has a task for them is told
    processes.close()
    assert not processes.running
