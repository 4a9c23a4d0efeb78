"""A folder's stored index: what the store thread removes itself is not taken for lost by another thread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conexus.segments.build import build_segment
from conexus.storage import folder_store, manifest
from conexus.storage.folder_store import FolderStore, Save
from conexus.storage.index_directory import has_tables, remove_tables, table_path
from conexus.storage.lance.process import LanceProcess
from conexus.storage.lance.requests import OpenedTables, OpenTables

DIMENSIONS = 8


class FakeProcess(LanceProcess):
    """A fake for LanceDB, which makes the directory of a table."""

    def ask(self, request: Any) -> Any:
        assert isinstance(request, OpenTables)
        table_path(request.directory, "files").mkdir(exist_ok=True)
        return OpenedTables({}, 0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderStore]:
    """The writer's store, whose tables were compared."""
    store = FolderStore(tmp_path / "index", str(tmp_path), "1", DIMENSIONS, FakeProcess())
    assert store.claim()
    store.compare()
    assert not store.is_lost()
    yield store
    store.release()


def test_tables_that_someone_removed_are_lost(store: FolderStore) -> None:
    remove_tables(store.directory)
    assert store.is_lost()


def test_tables_that_are_being_cleared_are_not_lost(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    lost: list[bool] = []

    def remove_and_look(directory: Path) -> None:
        remove_tables(directory)
        lost.append(store.is_lost())  # as the indexer thread may at this moment

    monkeypatch.setattr(folder_store, "remove_tables", remove_and_look)
    store.clear()
    assert lost == [False]
    assert not has_tables(store.directory)


def test_tables_that_are_cleared_while_they_are_looked_for_are_not_lost(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clear_and_look(directory: Path) -> bool:
        store.clear()  # as the store thread may at this moment
        return has_tables(directory)

    monkeypatch.setattr(folder_store, "has_tables", clear_and_look)
    assert not store.is_lost()
    assert not has_tables(store.directory)


def test_segment_files_that_are_being_removed_are_not_lost(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = build_segment([], "counting-1", DIMENSIONS)
    first, second = store.new_name(), store.new_name()
    store.write_list([Save(segment, first, "1")], frozenset({first}))
    remove, lost = manifest.remove_file, list[bool]()

    def remove_and_look(path: Path) -> None:
        remove(path)
        lost.append(store.is_lost())

    monkeypatch.setattr(manifest, "remove_file", remove_and_look)
    store.write_list([Save(segment, second, "1")], frozenset({first, second}))
    assert lost == [False]
    assert not store.path_of(first).exists()
    store.path_of(second).unlink()
    assert store.is_lost()
