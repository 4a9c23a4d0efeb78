"""Indexes that nobody needs go: of folders that are gone, old ones, and beyond a size; and all of a folder if asked."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

from conexus import limits, own_files, upkeep
from conexus.cli.main import main
from conexus.config import STATIC, Settings
from conexus.embedding.transformer.vector_cache import VectorCache
from conexus.lsp import results_page
from conexus.storage import cleaning
from conexus.storage.cleaning import clean, stored_indexes
from conexus.storage.index_directory import (
    Description,
    index_directory,
    mark_used,
    read_description,
    used_at,
    write_description,
)
from conexus.storage.writer_lock import WriterLock
from conexus.values import EngineError
from conexus.workspace.paths import uri_of_path
from tests.faults import until
from tests.workspaces import running, write

DAY = 24 * 3600


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONEXUS_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def index(data: Path, folder: Path, *, model: str = STATIC, size: int = 1000, days: float = 0.0) -> Path:
    """An index directory of a folder, of a size, last used some days ago."""
    directory = index_directory(data, str(folder), model)
    own_files.make_directories(data, "indexes", directory.name)
    (directory / "1-1-1.segment").write_bytes(bytes(size))
    write_description(directory, Description(str(folder), str(folder), model, f"1|{model}"))
    then = time.time() - days * DAY
    os.utime(directory / "folder.json", (then, then))
    return directory


def folder(tmp_path: Path, name: str) -> Path:
    (tmp_path / name).mkdir()
    return tmp_path / name


def test_indexes_of_folders_that_are_gone_and_old_ones_go(tmp_path: Path, data: Path) -> None:
    present = index(data, folder(tmp_path, "present"), days=89)
    old = index(data, folder(tmp_path, "old"), days=91)
    gone = index(data, tmp_path / "gone")
    (tmp_path / "file").write_text("")
    replaced = index(data, tmp_path / "file")
    below = index(data, tmp_path / "file" / "below")
    cleaned = clean(data, most_bytes=10**9, age_days=90, dry_run=True)
    found = {each.index.directory: each.reason for each in cleaned.removed}
    assert found == {old: "unused", gone: "vanished", replaced: "vanished", below: "vanished"}
    assert all(directory.exists() for directory in found)
    assert {each.index.directory for each in clean(data, most_bytes=10**9, age_days=90).removed} == found.keys()
    assert list((data / "indexes").iterdir()) == [present]


def test_the_least_recently_used_go_until_the_rest_is_small_enough(tmp_path: Path, data: Path) -> None:
    limits._counts.clear()
    first, second, third = (
        index(data, folder(tmp_path, name), days=days) for name, days in (("a", 3), ("b", 2), ("c", 1))
    )
    used = index(data, folder(tmp_path, "used"), days=4)
    sizes = sum(each.size for each in stored_indexes(data))
    cleaned = clean(data, most_bytes=sizes - 1, age_days=90, in_use=[used])
    assert [(each.index.directory, each.reason) for each in cleaned.removed] == [(first, "space")]
    cleaned = clean(data, most_bytes=0, age_days=90, in_use=[used])
    assert [each.index.directory for each in cleaned.removed] == [second, third]
    assert used.exists()
    assert limits.counts()["disk"] == 3


def test_an_index_that_a_process_writes_stays(tmp_path: Path, data: Path) -> None:
    written = index(data, tmp_path / "gone", days=1000)
    lock = WriterLock(written)
    assert lock.take()
    for dry in (True, False):
        assert not clean(data, most_bytes=0, age_days=1, dry_run=dry).removed
    lock.release()
    assert clean(data, most_bytes=0, age_days=1).removed


def test_an_index_that_was_used_meanwhile_stays(tmp_path: Path, data: Path) -> None:
    directory = index(data, tmp_path / "gone", days=1)
    (found,) = stored_indexes(data)
    mark_used(directory)
    assert used_at(directory) > found.used_at
    assert not cleaning.remove_index(found, "vanished")
    assert directory.exists()


def test_only_indexes_of_ours_are_removed(tmp_path: Path, data: Path) -> None:
    victim = folder(tmp_path, "victim")
    (victim / "file").write_text("precious")
    directory = index(data, tmp_path / "gone")
    planted = directory.with_name(f"planted-{'0' * 16}")
    planted.symlink_to(victim)
    other = data / "indexes" / "other"
    other.mkdir()
    writable = index(data, tmp_path / "gone too")
    writable.chmod(0o777)
    cleaned = clean(data, most_bytes=0, age_days=0)
    assert [each.index.directory for each in cleaned.removed] == [directory]
    assert (victim / "file").read_text() == "precious"
    assert planted.is_symlink()
    assert other.exists()
    assert writable.exists()


def test_nothing_is_removed_in_a_data_directory_that_others_may_control(tmp_path: Path, data: Path) -> None:
    directory = index(data, tmp_path / "gone")
    (data / "indexes").chmod(0o777)
    with pytest.raises(own_files.Untrusted):
        clean(data, most_bytes=0, age_days=0)
    assert main(["clean"]) == 3
    assert main(["forget", str(tmp_path / "gone")]) == 3
    assert directory.exists()


def test_cleaning_stops_when_the_server_ends(tmp_path: Path, data: Path) -> None:
    index(data, tmp_path / "gone")
    assert not clean(data, most_bytes=0, age_days=0, stop=lambda: True).removed


def test_the_rest_of_a_removal_that_was_cut_short_goes(tmp_path: Path, data: Path) -> None:
    directory = index(data, folder(tmp_path, "present"))
    own_files.rename(directory, ".removing-x")
    clean(data, most_bytes=10**9, age_days=90, dry_run=True)
    assert list((data / "indexes").iterdir())
    clean(data, most_bytes=10**9, age_days=90)
    assert not list((data / "indexes").iterdir())


def test_what_cannot_be_removed_is_left_and_said(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    directory = index(data, tmp_path / "gone")

    def fail(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(own_files, "rename", fail)
    assert not clean(data, most_bytes=0, age_days=0).removed
    assert "cannot be removed: Read-only file system" in caplog.text
    (directory / "writer.lock").touch()
    monkeypatch.setattr(WriterLock, "take", fail)
    assert not clean(data, most_bytes=0, age_days=0, dry_run=True).removed


def test_a_folder_that_cannot_be_looked_up_is_not_gone(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(data, tmp_path / "gone")
    look_up = os.lstat

    def fail(path: object) -> os.stat_result:
        if str(path).endswith("gone"):
            raise PermissionError
        return look_up(path)  # type: ignore[arg-type]  # as it was given

    monkeypatch.setattr(os, "lstat", fail)
    assert not clean(data, most_bytes=10**9, age_days=90).removed
    assert not clean(tmp_path / "no data", most_bytes=0, age_days=0).removed


# --- what an index says of itself ---


@pytest.mark.parametrize(
    "content",
    ["", "[]", "[" * 100_000, '{"folder": 1, "version": "1"}', '{"folder": "/etc", "version": "1"}', "\0" * (1 << 21)],
)
def test_a_description_that_was_made_up_is_not_believed(tmp_path: Path, data: Path, content: str) -> None:
    directory = index(data, tmp_path / "gone")
    assert read_description(directory) is not None
    (directory / "folder.json").write_text(content)
    assert read_description(directory) is None
    assert not clean(data, most_bytes=10**9, age_days=90).removed
    (directory / "folder.json").unlink()
    (directory / "segments.json").write_text("")
    os.utime(directory / "segments.json", (5, 5))
    assert used_at(directory) == 5
    (directory / "segments.json").unlink()
    assert used_at(directory) == directory.stat().st_mtime


def test_a_description_of_an_older_release_is_believed(tmp_path: Path, data: Path) -> None:
    for model in (STATIC, "transformer-1"):
        directory = index(data, tmp_path / "gone", model=model)
        (directory / "folder.json").write_text(f'{{"folder": "{tmp_path / "gone"}", "version": "x|{model}"}}')
        found = read_description(directory)
        assert found is not None
        assert found.model == model


# --- the server ---


def test_a_server_cleans_once_it_is_settled(tmp_path: Path, data: Path) -> None:
    gone, old = index(data, tmp_path / "gone"), index(data, folder(tmp_path, "old"), days=91)
    big = index(data, folder(tmp_path, "big"), size=3 << 20)
    write(tmp_path / "work", {"a.py": "def giraffe_neck():\n    return 1\n"})
    with running(tmp_path / "work", data, max_data_mib=2) as engine:
        until(lambda: not (gone.exists() or old.exists() or big.exists()), engine.status)
        assert engine.search("giraffe").hits
    (left,) = stored_indexes(data)
    assert left.description is not None
    assert left.description.folder == str(tmp_path / "work")
    assert time.time() - left.used_at < 100


# --- the commands ---


def test_clean_says_what_was_removed(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone, kept = index(data, tmp_path / "gone"), index(data, folder(tmp_path, "kept"), days=3)
    assert main(["clean", "--dry-run"]) == 0
    assert gone.exists()
    out = capsys.readouterr().out
    assert f"would remove {tmp_path / 'gone'} (1." in out
    assert "1 index to remove, 1." in out
    assert "1 index left" in out
    assert main(["clean", "--index-age-days", "2"]) == 0
    out = capsys.readouterr().out
    assert f"removed {tmp_path / 'gone'}" in out
    assert f"removed {tmp_path / 'kept'}" in out
    assert "2 indexes removed" in out
    assert "0 indexes left, 0 bytes" in out
    nameless = index(data, tmp_path / "nameless")
    (nameless / "folder.json").unlink()
    assert main(["clean", "--max-data-mib", "0"]) == 0
    assert f"removed {nameless.name} (" in capsys.readouterr().out
    assert not kept.exists()


def test_the_defaults_of_clean_are_those_of_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["clean", "--help"])
    words = " ".join(capsys.readouterr().out.split())
    assert f"(default: {Settings().max_data_mib})" in words
    assert f"(default: {Settings().index_age_days})" in words


def test_forget_removes_all_that_is_stored_about_a_folder(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, other = folder(tmp_path, "mine"), folder(tmp_path, "mine too")
    ours = [index(data, mine), index(data, mine, model="transformer-1")]
    kept = index(data, other)
    caches = []
    for fingerprint, of in (("transformer-1", mine), ("transformer-2", other), ("transformer-3", mine)):
        cache = VectorCache(data / "vectors", fingerprint, 4)
        cache.put_many(["text"], np.ones((1, 4), np.float32))
        cache.collect({str(of): 1})
        cache.close()
        caches += [path for path in (data / "vectors").glob("*.sqlite3") if path not in caches]
    caches[2].write_bytes(b"garbage" * 999)
    pages = [results_page.write(f"[x]: {uri_of_path(of / 'a.py')}#L1") for of in (mine, other)]
    shutil.rmtree(mine)
    assert main(["forget", str(mine)]) == 0
    assert "2 indexes" in (out := capsys.readouterr().out)
    assert "2 caches of vectors, 1 page of results" in out
    assert not any(path.exists() for path in (*ours, caches[0], caches[2], pages[0]))
    assert all(path.exists() for path in (kept, caches[1], pages[1]))
    with sqlite3.connect(caches[1]) as database:
        assert database.execute("SELECT folder FROM folders").fetchall() == [(str(other),)]
    assert main(["forget", str(mine)]) == 1
    assert "nothing is stored about" in capsys.readouterr().err


def test_a_folder_is_forgotten_by_any_of_its_names(tmp_path: Path, data: Path) -> None:
    write(tmp_path / "work", {"a.py": "def giraffe_neck():\n    return 1\n"})
    (tmp_path / "link").symlink_to(tmp_path / "work")
    with running(tmp_path / "link", data):
        pass
    assert upkeep.forget(tmp_path / "work").indexes == 1
    assert not stored_indexes(data)


def test_forget_removes_nothing_while_a_server_writes(tmp_path: Path, data: Path) -> None:
    first, second = index(data, tmp_path / "gone"), index(data, tmp_path / "gone", model="transformer-1")
    lock = WriterLock(second)
    assert lock.take()
    with pytest.raises(EngineError, match="in use by another process"):
        upkeep.forget(tmp_path / "gone")
    assert main(["forget", str(tmp_path / "gone")]) == 3
    assert first.exists()
    lock.release()


def test_forget_says_if_a_server_begins_meanwhile(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index(data, tmp_path / "gone")
    monkeypatch.setattr(cleaning, "remove_index", lambda *_: False)
    with pytest.raises(EngineError, match="in use by another process"):
        upkeep.forget(tmp_path / "gone")


def test_forget_says_that_a_disk_is_read_only(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = index(data, tmp_path / "gone")
    lock = WriterLock(directory)
    assert lock.take()
    lock.release()

    def refused(_: WriterLock) -> bool:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(directory))

    monkeypatch.setattr(WriterLock, "take", refused)
    assert main(["forget", str(tmp_path / "gone")]) == 3
    assert capsys.readouterr().err == f"conexus: Read-only file system: {directory}\n"
    assert not clean(data, most_bytes=0, age_days=0, dry_run=True).removed
    assert directory.exists()


def test_clean_says_why(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index(data, folder(tmp_path, "old"), days=9)
    index(data, tmp_path / "gone")
    index(data, folder(tmp_path, "large"), size=2 << 20)
    assert main(["clean", "--dry-run", "--index-age-days", "1", "--max-data-mib", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(": ")[2] for line in lines[:-1]] == [
        "it was not used for 1 day",
        "its folder is gone",
        "all indexes together had more than 1 MiB",
    ]


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_forget_takes_paths_alone(path: str) -> None:
    with pytest.raises(SystemExit):
        main(["forget", path])
