"""What takes long is done in slices: what is typed or told meanwhile does not wait for it, and is not undone by it."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conexus.indexing import scans as scanning
from conexus.indexing.commands import Rescan
from conexus.indexing.session_index import SessionIndex
from conexus.indexing.workspace_folder import WorkspaceFolder
from conexus.workspace.scan import Scan
from tests.workspaces import PATIENCE, rows, running, snapshot_of, until, write
from tests.workspaces import OneClient as Engine

FIXTURE = """
//- /app/session.py
class SessionStore:
    def renew(self, token):
        return self.expiry_of(token)
//- /app/mail.py
def send_newsletter(recipients):
    for each in recipients:
        deliver(each)
//- /app/old.py
def forgotten():
    return oblivion
"""


class LongScans:
    """Real scans that have seen everything and do not end before they may: of whole folders, or of a directory."""

    def __init__(self, below: str = "") -> None:
        self.begun = 0
        self._below = below
        self.seen, self.may_end = threading.Event(), threading.Event()
        self._scan = scanning.scan_in_steps

    def __call__(self, *arguments: Any, below: str) -> Generator[None, None, Scan]:
        found = yield from self._scan(*arguments, below=below)
        if below != self._below:
            return found
        self.begun += 1
        self.seen.set()
        while not self.may_end.wait(0.001):
            yield
        return found


@contextmanager
def long_scan(engine: Engine, root: Path, monkeypatch: pytest.MonkeyPatch, below: str = "") -> Iterator[LongScans]:
    """A scan is under way that was asked for and has seen everything. Afterwards the engine is settled."""
    scans = LongScans(below)
    monkeypatch.setattr(scanning, "scan_in_steps", scans)
    if below:
        engine.hint([root / below])
    else:
        engine.engine.indexer._loop.post(Rescan(str(root), "a test"))
    assert scans.seen.wait(PATIENCE)
    yield scans
    scans.may_end.set()
    assert engine.wait(PATIENCE), engine.status()


def found(engine: Engine, query: str) -> set[str]:
    return {Path(hit.document).name for hit in engine.search(query).hits if hit.matches}


@pytest.mark.parametrize("below", ["", "app"])
def test_what_is_typed_and_told_does_not_wait_for_a_scan(
    root: Path, data: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    with running(root, data) as engine, long_scan(engine, root, monkeypatch, below):
        engine.open_document(str(root / "app/session.py"), "def typed_qwxz():\n    pass\n", 1, "python")
        until(engine, lambda: "session.py" in found(engine, "typed_qwxz"))
        write(root, {"app/new.py": "def written_qwxz():\n    pass\n"})
        engine.hint([root / "app/new.py"])
        until(engine, lambda: "new.py" in found(engine, "written_qwxz"))


@pytest.mark.parametrize("below", ["", "app"])
def test_a_scan_does_not_undo_what_came_while_it_was_under_way(
    root: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    with running(root, data) as engine:
        with long_scan(engine, root, monkeypatch, below) as scans:
            write(root, {"app/new.py": "def written():\n    pass\n", "app/mail.py": "def letter():\n    pass\n"})
            write(root, {"lib/deep/inner.py": "def inner():\n    pass\n"})
            (root / "app/old.py").unlink()
            engine.hint([root / each for each in ("app/new.py", "app/mail.py", "app/old.py", "lib/deep/inner.py")])
            until(engine, lambda: found(engine, "inner") == {"inner.py"} and not found(engine, "forgotten"))
            before = snapshot_of(engine)
        # Neither dropped for a moment nor read anew: readers still see what they saw.
        assert snapshot_of(engine) is before
        assert scans.begun == 1
        after = rows(before)
    with running(root, tmp_path / "fresh") as fresh:
        assert after == rows(snapshot_of(fresh))


def test_who_asked_for_a_scan_waits_until_it_has_ended(root: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(root, data) as engine:
        # No one tells of it.
        write(root, {"app/new.py": "def written_qwxz():\n    pass\n"})
        with long_scan(engine, root, monkeypatch):
            assert not engine.wait(0.1)
            assert not engine.status().quiescent
        assert found(engine, "written_qwxz") == {"new.py"}


def test_a_scan_asked_for_while_one_is_under_way_comes_after_it(
    root: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(root, data) as engine:
        with long_scan(engine, root, monkeypatch) as scans:
            write(root, {"app/new.py": "def written_qwxz():\n    pass\n"})
            engine.engine.indexer._loop.post(Rescan(str(root), "a test"))
        assert scans.begun == 2
        assert found(engine, "written_qwxz") == {"new.py"}


def test_a_scan_that_was_interrupted_begins_anew(root: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(root, data) as engine:
        with long_scan(engine, root, monkeypatch) as scans:
            engine.pause()
            assert engine.wait(PATIENCE)
            write(root, {"app/new.py": "def written_qwxz():\n    pass\n"})
            engine.resume()
        assert scans.begun == 2
        assert found(engine, "written_qwxz") == {"new.py"}


def test_a_scan_that_fails_begins_anew(root: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failed = scanning.scan_in_steps, threading.Event()

    def failing(*arguments: Any, **options: Any) -> Generator[None, None, Scan]:
        yield
        if not failed.is_set():
            failed.set()
            raise MemoryError
        return (yield from real(*arguments, **options))

    with running(root, data) as engine:
        write(root, {"app/new.py": "def written_qwxz():\n    pass\n"})
        monkeypatch.setattr(scanning, "scan_in_steps", failing)
        engine.engine.indexer._loop.post(Rescan(str(root), "a test"))
        assert engine.wait(PATIENCE), engine.status()
        assert failed.is_set()
        assert found(engine, "written_qwxz") == {"new.py"}


def test_what_is_typed_goes_before_files(root: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [root / f"many/{number}.py" for number in range(30)]
    write(root, {f"many/{number}.py": f"def number_{number}():\n    pass\n" for number in range(30)})
    document = str(root / "app/session.py")
    with running(root, data) as engine:
        engine.open_document(document, "def typed():\n    pass\n", 1, "python")
        assert engine.wait(PATIENCE)
        order: list[str] = []
        began, typed = threading.Event(), threading.Event()
        refresh, show = WorkspaceFolder.refresh, SessionIndex.show

        def slow_refresh(tracked: WorkspaceFolder, path: str, *arguments: Any, **options: Any) -> list[str]:
            order.append(path)
            began.set()
            assert typed.wait(PATIENCE)
            # As if it had taken as long as typing may wait.
            due = engine.engine.indexer._refresher.edits.due
            while "app/session.py" not in order and due.is_set and not due.is_due():
                pass
            return refresh(tracked, path, *arguments, **options)

        def noted_show(session: SessionIndex, folder: str, path: str, *arguments: Any, **options: Any) -> int:
            order.append(path)
            return show(session, folder, path, *arguments, **options)

        monkeypatch.setattr(WorkspaceFolder, "refresh", slow_refresh)
        monkeypatch.setattr(SessionIndex, "show", noted_show)
        engine.hint(files)
        assert began.wait(PATIENCE)
        engine.change_document(document, "def typed_qwxz():\n    pass\n", 2)
        typed.set()
        assert engine.wait(PATIENCE)
        assert set(order) == {"app/session.py", *(f"many/{number}.py" for number in range(30))}
        assert order.index("app/session.py") <= 2
        assert found(engine, "typed_qwxz") == {"session.py"}


def test_a_directory_that_is_told_of_does_not_wait_for_a_scan_of_the_folder(
    root: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(root, data) as engine, long_scan(engine, root, monkeypatch):
        write(root, {"lib/deep/inner.py": "def inner():\n    pass\n"})
        (root / "app/old.py").unlink()
        engine.hint([root / "lib", root / "app"])
        until(engine, lambda: found(engine, "inner") == {"inner.py"} and not found(engine, "forgotten"))


def test_directories_are_scanned_once_and_only_what_changed_is_read(
    root: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, {f"app/{name}/{name}.py": f"def in_{name}():\n    pass\n" for name in ("one", "two")})
    with running(root, data) as engine:
        scanned: list[str] = []
        real = scanning.scan_in_steps

        def noted(*arguments: Any, below: str) -> Generator[None, None, Scan]:
            scanned.append(below)
            return (yield from real(*arguments, below=below))

        monkeypatch.setattr(scanning, "scan_in_steps", noted)
        before = engine.status().embedded_chunks
        write(root, {"app/two/two.py": "def altered_qwxz():\n    pass\n"})
        # Deeper ones first, as watchers may tell of them.
        engine.hint([root / "app/one", root / "app/two", root / "app"])
        assert engine.wait(PATIENCE)
        assert scanned == ["app"]
        assert found(engine, "altered_qwxz") == {"two.py"}
        assert engine.status().embedded_chunks == before + 1


def test_a_directory_that_has_too_many_files_has_the_folder_refused(root: Path, data: Path) -> None:
    with running(root, data, max_files=5) as engine:
        write(root, {f"many/{number}.py": "pass\n" for number in range(9)})
        engine.hint([root / "many"])
        until(engine, lambda: "more than 5 files" in engine.status().message)


def test_a_directory_that_became_a_file_and_a_file_that_became_a_directory(
    root: Path, data: Path, tmp_path: Path
) -> None:
    write(root, {"lib/inner.py": "def inner():\n    pass\n", "tools": "def no_more():\n    pass\n"})
    with running(root, data) as engine:
        (root / "lib/inner.py").unlink()
        (root / "lib").rmdir()
        (root / "tools").unlink()
        write(root, {"lib": "text of a file\n", "tools/inner.py": "def tool():\n    pass\n"})
        engine.hint([root / "lib", root / "tools"])
        assert engine.wait(PATIENCE)
        after = rows(snapshot_of(engine))
    with running(root, tmp_path / "fresh") as fresh:
        assert after == rows(snapshot_of(fresh))
