"""An index directory: what exists in it, its size, and its writer's lock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conexus.storage.index_directory import (
    has_stored_index,
    has_tables,
    remove_tables,
    remove_tables_of_other_layouts,
    size_bytes,
    table_path,
)
from conexus.storage.writer_lock import WriterLock


@pytest.mark.parametrize(
    ("files", "tables", "exists"),
    [
        ([], False, False),
        (["writer.lock", "folder.json"], False, False),
        (["segments.json"], False, True),
        ([], True, True),
        (["segments.json"], True, True),
    ],
)
def test_an_index_is_stored_if_there_is_a_manifest_or_are_tables(
    tmp_path: Path, files: list[str], tables: bool, exists: bool
) -> None:
    for name in files:
        (tmp_path / name).write_bytes(b"")
    if tables:
        table_path(tmp_path, "files").mkdir()
    assert has_stored_index(tmp_path) is exists
    assert has_tables(tmp_path) is tables
    assert not has_stored_index(tmp_path / "missing")


def test_tables_of_another_layout_are_none_and_can_be_removed_alone(tmp_path: Path) -> None:
    other = tmp_path / "files_0.lance"
    other.mkdir()
    assert not has_tables(tmp_path)
    table_path(tmp_path, "files").mkdir()
    remove_tables_of_other_layouts(tmp_path)
    assert not other.exists()
    assert has_tables(tmp_path)
    other.mkdir()
    remove_tables(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_that_vanishes_is_not_counted(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a").write_bytes(b"12345")
    (tmp_path / "b").write_bytes(b"123")
    (tmp_path / "vanished").symlink_to(tmp_path / "nothing")
    assert size_bytes(tmp_path) == 8
    assert size_bytes(tmp_path / "missing") == 0


def test_a_lock_that_a_thread_took_is_released_by_another_one(tmp_path: Path) -> None:
    lock, other = WriterLock(tmp_path), WriterLock(tmp_path)
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(lock.take).result()
        assert not other.take()
        lock.release()
        assert not lock.held
        assert other.take()
    other.release()


def test_a_lock_is_lost_with_its_file(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path)
    assert not lock.is_lost()
    assert lock.take()
    assert not lock.is_lost()
    (tmp_path / "writer.lock").unlink()
    assert lock.is_lost()
    lock.release()
    assert not lock.is_lost()
