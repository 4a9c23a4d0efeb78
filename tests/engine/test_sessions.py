"""Several clients of one engine: what one does while another one ends."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conexus.config import Settings
from conexus.engine import Engine
from conexus.session import Session
from conexus.workspace.documents import Document
from tests.workspaces import PATIENCE, write

FIXTURE = """
//- /app.py
def original():
    return 1
"""


@pytest.fixture
def engine(data: Path) -> Iterator[Engine]:
    engine = Engine(Settings(watcher="off"), data_directory=data)
    yield engine
    engine.close()


def opened(engine: Engine, *folders: Path, settings: Settings | None = None) -> Session:
    session = engine.open_session(settings)
    session.set_folders(folders)
    assert engine.wait(PATIENCE)
    return session


def symbols(session: Session) -> set[str]:
    return {hit.symbol for hit in session.search("function that returns a number").hits}


def test_what_is_sent_for_a_session_after_its_end_changes_nothing(
    engine: Engine, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other, session = opened(engine, root), opened(engine, root)
    with caplog.at_level(logging.ERROR):
        session.close()
        session.open_document(str(root / "app.py"), "def late():\n    return 2\n", 1, "python")
        session.configure(Settings(watcher="off", exclude=("app.py",)))
        session.set_folders([])
        assert engine.wait(PATIENCE)
    assert caplog.records == []
    assert symbols(other) == {"original"}


def test_a_folder_is_open_as_long_as_a_session_has_it(engine: Engine, root: Path) -> None:
    first, second = opened(engine, root), opened(engine, root)
    first.close()
    write(root, {"app.py": "def changed():\n    return 3\n"})
    second.hint([root / "app.py"])
    assert engine.wait(PATIENCE)
    assert symbols(second) == {"changed"}
    second.close()
    assert engine.wait(PATIENCE)
    assert not engine.indexer._folders.by_root


def test_a_folder_has_the_settings_of_the_first_session_that_has_it(engine: Engine, root: Path) -> None:
    write(root, {"made/more.py": "def more():\n    return 4\n"})
    first = opened(engine, root, settings=Settings(watcher="off", exclude=("made/",)))
    second = opened(engine, root, settings=Settings(watcher="off"))
    assert symbols(second) == {"original"}
    first.close()
    assert engine.wait(PATIENCE)
    assert symbols(second) == {"original", "more"}


def test_clearing_right_after_opening_drops_what_was_stored(engine: Engine, root: Path, data: Path) -> None:
    opened(engine, root)
    assert engine.store(PATIENCE)
    engine.close()
    again = Engine(Settings(watcher="off"), data_directory=data)
    try:
        session = again.open_session()
        session.set_folders([root])
        session.clear()
        assert again.wait(PATIENCE)
        status = session.status()
        assert status.embedded_chunks == status.chunks == 1
        assert symbols(session) == {"original"}
    finally:
        again.close()


def test_a_folder_that_is_refused_no_longer_is_watched(engine: Engine, root: Path) -> None:
    write(root, {f"many/{number}.py": "pass\n" for number in range(20)})
    session = opened(engine, root, settings=Settings(watcher="server", max_files=5))
    assert session.status().health == "warning"
    assert not engine.indexer._folders._watchers
    session.configure(Settings(watcher="server"))
    assert engine.wait(PATIENCE)
    assert list(engine.indexer._folders._watchers) == [str(root)]


def test_an_engine_that_was_closed_starts_nothing(data: Path, root: Path) -> None:
    engine = Engine(Settings(watcher="off"), data_directory=data)
    session = engine.open_session()
    engine.close()
    session.set_folders([root])
    assert not engine.wait(0.1)
    assert engine.indexer._loop._thread.ident is None


def test_a_listener_that_raises_stops_nobody(engine: Engine, root: Path) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("a defect of a client")

    engine.open_session(listener=fail).set_folders([root])
    session = opened(engine, root)
    write(root, {f"many/{number}.py": f"def number_{number}():\n    pass\n" for number in range(60)})
    session.hint([root / "many"])
    assert engine.wait(PATIENCE)
    assert session.status().files == 61


def test_a_folder_has_other_settings_when_its_first_session_drops_it(engine: Engine, root: Path) -> None:
    write(root, {"made/more.py": "def more():\n    return 4\n"})
    first = opened(engine, root, settings=Settings(watcher="off", exclude=("made/",)))
    second = opened(engine, root, settings=Settings(watcher="off"))
    first.set_folders([])
    assert engine.wait(PATIENCE)
    assert symbols(second) == {"original", "more"}


def test_many_unsaved_documents_are_all_found(engine: Engine, root: Path) -> None:
    session = opened(engine, root)
    documents = [
        Document(str(root / f"new/{number}.py"), f"def unsaved_{number}():\n    return {number}\n" * 20, 1, "python")
        for number in range(150)
    ]
    session.put_documents(*documents)
    assert engine.wait(PATIENCE)
    status = session.status()
    assert (status.dirty_buffers, status.files) == (150, 151)
    for number in (0, 75, 149):
        assert f"unsaved_{number}" in {hit.symbol for hit in session.search(f"unsaved_{number}").hits}
    # The segments of the overlay stay few, and none of them is copied for each edit.
    assert len(session.searchable.snapshot.views) <= 8


def test_no_segment_file_is_left_when_a_folder_is_cleared_and_opened_again(
    engine: Engine, root: Path, data: Path
) -> None:
    write(root, {f"many/{number}.py": f"def number_{number}():\n    pass\n" for number in range(60)})
    session = opened(engine, root)
    session.clear()
    session.close()
    session = opened(engine, root)
    write(root, {"app.py": "def changed():\n    return 5\n"})
    session.hint([root / "app.py"])
    assert engine.store(PATIENCE)
    engine.close()
    (directory,) = (data / "indexes").iterdir()
    listed = {f"{each['name']}.segment" for each in json.loads((directory / "segments.json").read_text())["segments"]}
    assert {path.name for path in directory.glob("*.segment")} == listed


def test_an_edit_waits_for_no_disk_while_the_engine_starts(
    engine: Engine, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, released = threading.Event(), threading.Event()

    def look(*_: object) -> None:
        looking.set()
        assert released.wait(PATIENCE)

    monkeypatch.setattr("conexus.engine.start_if_needed", look)
    session = engine.open_session()
    starting = threading.Thread(target=session.set_folders, args=([root],))
    starting.start()
    assert looking.wait(PATIENCE)
    editing = threading.Thread(
        target=session.open_document, args=(str(root / "app.py"), "def typed():\n    return 6\n", 1, "python")
    )
    editing.start()
    editing.join(PATIENCE)
    waits = editing.is_alive()
    released.set()
    starting.join()
    editing.join()
    assert not waits
    assert engine.wait(PATIENCE)
    assert symbols(session) == {"typed"}
