"""No thread waits for another one's work, and no object is touched by a thread that does not own it."""

from __future__ import annotations

import gc
import json
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import conexus.engine
from conexus.config import Settings
from conexus.embedding.embedder import EmbeddingError
from conexus.embedding.unit_vectors import Vectors
from conexus.indexing.model_switch import ChosenModel
from conexus.indexing.workspace import Workspace
from conexus.storage import manifest
from conexus.storage.folder_store import FolderStore
from conexus.storage.lance.process import LanceProcess
from conexus.storage.lance.requests import Request
from conexus.storage.manifest import LoadedSegment, ManifestEntry
from tests.workspaces import PATIENCE, rows, snapshot_of, until, write
from tests.workspaces import OneClient as Engine


class Gate:
    """A fake for work of LanceDB's that takes minutes: calls of its process wait until the gate opens."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered, self._open = threading.Event(), threading.Event()
        self._open.set()
        ask = LanceProcess.ask

        def gated(process: LanceProcess, request: Request[Any]) -> Any:
            if not self._open.is_set():
                self.entered.set()
            assert self._open.wait(2 * PATIENCE)
            return ask(process, request)

        monkeypatch.setattr(LanceProcess, "ask", gated)

    @contextmanager
    def closed(self) -> Iterator[None]:
        self.entered.clear()
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


class Model:
    """A fake for a model that the user chose: vectors by the length of the text."""

    name, dimensions, fingerprint, given_up = "chosen", 16, "chosen-1", False

    _closed = False

    def wait_ready(self, timeout: float | None = None) -> bool:
        return True

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        if self._closed:
            raise EmbeddingError("it was closed")
        vectors = np.ones((len(texts), self.dimensions), np.float32)
        vectors[np.arange(len(texts)), [len(text) % self.dimensions for text in texts]] = 2.0
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def embed_query(self, text: str) -> Vectors:
        return self.embed_documents([text])[0]

    def close(self) -> None:
        self._closed = True


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting ``model`` names such a model; every engine loads its own copy."""
    monkeypatch.setattr(conexus.engine, "_load_transformer", lambda settings: Model())


@contextmanager
def engine_on(data: Path, *folders: Path, **settings: Any) -> Iterator[Engine]:
    engine = Engine(Settings(**{"watcher": "off", **settings}), data_directory=data)
    try:
        engine.start(folders)
        assert engine.wait(PATIENCE), engine.status()
        yield engine
    finally:
        engine.close()


def folder(path: Path, files: int = 3) -> Path:
    write(path, {f"{path.name}{n}.py": f"def {path.name}_{n}():\n    return {n}\n" for n in range(files)})
    return path


def is_typed(engine: Engine, path: Path, word: str) -> None:
    """What is typed into a buffer is found."""
    engine.open_document(str(path), f"def {word}():\n    pass\n", 1, "python")
    finds(engine, word)


def finds(engine: Engine, word: str) -> None:
    until(engine, lambda: [hit for hit in engine.search(word).hits if hit.symbol == word])


@contextmanager
def store_busy(engine: Engine, gate: Gate, change: Path) -> Iterator[None]:
    """While the process of the tables works on a change in a folder, and does not end."""
    with gate.closed():
        change.write_text("def written_meanwhile():\n    pass\n")
        engine.hint([change])
        storing = threading.Thread(target=engine.store, args=(2 * PATIENCE,))
        storing.start()
        try:
            assert gate.entered.wait(PATIENCE)
            yield
        finally:
            gate._open.set()
            storing.join()


# --- nobody waits for the store (B2) ---


@pytest.mark.usefixtures("chosen")
@pytest.mark.parametrize("happens", ["a folder is closed", "a folder is added", "the busy one is closed", "the model"])
def test_what_is_typed_is_found_while_the_store_works(tmp_path: Path, gate: Gate, happens: str) -> None:
    a, b, c = folder(tmp_path / "a"), folder(tmp_path / "b"), folder(tmp_path / "c")
    with engine_on(tmp_path / "data", c):
        pass  # the index of c is stored
    with engine_on(tmp_path / "data", a, b) as engine, store_busy(engine, gate, b / "b1.py"):
        if happens == "a folder is closed":
            engine.set_folders([b])
        elif happens == "a folder is added":
            engine.set_folders([a, b, c])
            finds(engine, "c_2")
        elif happens == "the busy one is closed":
            engine.set_folders([a])
        else:
            engine.configure(Settings(watcher="off", model="chosen"))
            until(engine, lambda: engine.status().model.name == "chosen")
        kept = b if happens == "a folder is closed" else a
        is_typed(engine, kept / f"{kept.name}1.py", "otter")
        assert engine.wait(PATIENCE)


def test_a_folder_that_was_closed_while_the_store_works_can_be_opened_again(tmp_path: Path, gate: Gate) -> None:
    a, b = folder(tmp_path / "a"), folder(tmp_path / "b")
    with engine_on(tmp_path / "data", a, b) as engine:
        with store_busy(engine, gate, b / "b1.py"):
            engine.set_folders([a])
            engine.set_folders([a, b])
            is_typed(engine, a / "a1.py", "otter")
        engine.close_document(str(a / "a1.py"))
        assert engine.wait(PATIENCE)
        assert engine.store(PATIENCE)
        finds(engine, "written_meanwhile")
        assert engine.status().role == "writer"
        assert engine.status().health == "ok"
    with engine_on(tmp_path / "data", a, b) as engine:
        assert engine.status().embedded_chunks == 0


# --- a chosen model's index has one owner at a time (B3) ---


@pytest.mark.usefixtures("chosen")
def test_the_tables_of_a_chosen_model_are_compared_by_the_thread_that_owns_its_index(
    tmp_path: Path,
) -> None:
    work = folder(tmp_path / "work", 60)
    settings = {"model": "chosen"}
    with engine_on(tmp_path / "data", work, **settings) as engine:
        until(engine, lambda: engine.status().model.name == "chosen" and engine.status().quiescent)
        assert engine.store(PATIENCE)
    for n in range(60):  # all vectors are made again, while the tables of the last time are opened
        (work / f"work{n}.py").write_text(f"def other_{n}():\n    return {n}\n")
    with engine_on(tmp_path / "data", work, **settings) as engine:
        until(engine, lambda: engine.status().model.name == "chosen" and engine.status().quiescent)
        assert engine.store(PATIENCE), engine.status()
        finds(engine, "other_7")
    with engine_on(tmp_path / "data", work, **settings) as engine:
        until(engine, lambda: engine.status().model.name == "chosen" and engine.status().quiescent)
        assert engine.status().embedded_chunks == 0
        assert len(rows(snapshot_of(engine))) == 60


@pytest.mark.usefixtures("chosen")
def test_a_folder_that_is_opened_when_the_model_is_ready_just_now_is_built_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embed thread has the model before the indexer thread handles that."""
    open_folder, build, built = Workspace._open_folder, ChosenModel.build, list[str]()

    def late(workspace: Workspace, root: str, settings: Settings) -> None:
        until(engine, lambda: workspace.switch.embedder is not None)
        open_folder(workspace, root, settings)

    def counted(model: ChosenModel, folder: Any) -> None:
        built.append(folder.root)
        build(model, folder)

    monkeypatch.setattr(Workspace, "_open_folder", late)
    monkeypatch.setattr(ChosenModel, "build", counted)
    work = folder(tmp_path / "work")
    engine = Engine(Settings(watcher="off", model="chosen"), data_directory=tmp_path / "data")
    try:
        engine.start([work])
        until(engine, lambda: engine.status().model.name == "chosen" and engine.status().quiescent)
    finally:
        engine.close()
    assert built == [str(work)]


# --- no file is left behind (B4) ---


def segment_files(data: Path) -> dict[str, set[str]]:
    """Segment files of all indexes, and those that their lists name."""
    there: set[str] = set()
    listed: set[str] = set()
    for directory in (data / "indexes").iterdir():
        there |= {f"{directory.name}/{path.stem}" for path in directory.glob("*.segment")}
        there |= {f"{directory.name}/{path.name}" for path in directory.glob("*.draft")}
        entries = json.loads((directory / "segments.json").read_text())["segments"]
        listed |= {f"{directory.name}/{entry['name']}" for entry in entries}
    return {"there": there, "listed": listed}


def is_tidy(engine: Engine, data: Path) -> None:
    assert engine.store(PATIENCE), engine.status()
    left: list[set[str]] = []

    def tidy() -> bool:
        found = segment_files(data)
        left[:] = [found["there"] ^ found["listed"]]
        return not left[0]

    try:
        until(engine, tidy)
    except AssertionError as error:
        raise AssertionError(left) from error


def test_no_segment_file_is_left_when_segments_are_merged_while_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from conexus.indexing import maintenance
    from conexus.indexing import write_behind as persistence
    from conexus.storage import folder_store as stored_index

    monkeypatch.setattr(persistence, "LIST_SECONDS", 0.01)
    monkeypatch.setattr(maintenance, "_MAINTENANCE_IDLE_SECONDS", 0.0)
    monkeypatch.setattr(maintenance, "_REST_SECONDS", 0.0)
    save, writing, go_on = stored_index.save_segment, threading.Event(), threading.Event()

    def slow(*arguments: Any) -> None:  # a disk that takes as long as something else takes place
        writing.set()
        assert go_on.wait(PATIENCE)
        save(*arguments)

    work = folder(tmp_path / "work", 8)
    with engine_on(tmp_path / "data", work) as engine:
        assert engine.store(PATIENCE)
        monkeypatch.setattr(stored_index, "save_segment", slow)
        for n in range(8):
            go_on.clear()
            writing.clear()
            (work / "work1.py").write_text(f"def first_{n}():\n    return {n}\n")
            engine.hint([work / "work1.py"])
            if writing.wait(1.0):  # the segment that is being written is merged with another one meanwhile
                (work / "work2.py").write_text(f"def second_{n}():\n    return {n}\n")
                engine.hint([work / "work2.py"])
                finds(engine, f"second_{n}")
                threading.Event().wait(0.1)
            go_on.set()
            finds(engine, f"first_{n}")
        is_tidy(engine, tmp_path / "data")


def test_no_segment_file_is_left_by_workers_that_were_paused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "\n\n".join(f"def f_{{0}}_{k}(x):\n    return x + {k}\n" for k in range(20))
    work = tmp_path / "work"
    write(work, {f"d{n % 20}/f{n}.py": body.replace("{0}", str(n)) for n in range(800)})
    engine = Engine(Settings(watcher="off", workers=2), data_directory=tmp_path / "data")
    try:
        engine.start([work])
        directory = next(iter((tmp_path / "data" / "indexes").iterdir())) if (tmp_path / "data").exists() else None
        for count in (1, 2, 3):
            until(engine, lambda count=count: engine.status().files >= 60 * count or engine.status().quiescent)  # type: ignore[misc]
            engine.pause()
            until(engine, lambda: engine.status().paused)
            engine.resume()
        assert engine.wait(2 * PATIENCE), engine.status()
        is_tidy(engine, tmp_path / "data")
        assert engine.status().files == 800
        assert directory is None or directory.exists()
    finally:
        engine.close()
    found = segment_files(tmp_path / "data")
    assert found["there"] == found["listed"]


# --- what was replaced is let go (B5) ---


@pytest.mark.usefixtures("chosen")
def test_after_a_model_took_over_the_watcher_asks_the_present_folder(tmp_path: Path) -> None:
    work = folder(tmp_path / "work")
    write(work, {"build/made.py": "def made():\n    pass\n"})
    with engine_on(tmp_path / "data", work, watcher="server", exclude=("build/",)) as engine:
        (tracked,) = engine._folders.values()
        former = weakref.ref(tracked.index)
        del tracked
        chosen = Settings(watcher="server", exclude=("build/",), model="chosen")
        engine.configure(chosen)
        until(engine, lambda: engine.status().model.name == "chosen" and engine.status().quiescent)

        def gone() -> bool:
            gc.collect()
            return former() is None

        until(engine, gone)
        engine.configure(Settings(watcher="server", model="chosen"))
        finds(engine, "made")
        assert all(
            watcher._allows("build/made.py", False) for watcher in engine.engine.indexer._folders._watchers.values()
        )


# --- the loop (L1, L3) ---


def test_a_listener_that_raises_ends_no_thread(tmp_path: Path) -> None:
    work = folder(tmp_path / "work")
    angry = threading.Event()

    def listener(event: object) -> None:
        if angry.is_set():
            raise RuntimeError("the listener failed")

    engine = Engine(Settings(watcher="off"), listener=listener, data_directory=tmp_path / "data")
    try:
        engine.start([work])
        assert engine.wait(PATIENCE)
        angry.set()
        (work / "work1.py").write_text("def otter():\n    pass\n")
        engine.hint([work / "work1.py"])
        engine.pause()
        engine.resume()
        finds(engine, "otter")
        angry.clear()
        assert engine.wait(PATIENCE)
    finally:
        engine.close()


# --- closing loses nothing ---


def stored_index(directory: Path) -> FolderStore:
    return FolderStore(directory, str(directory), "1", 8, LanceProcess())


def test_a_folder_that_is_closed_before_its_index_is_loaded_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = folder(tmp_path / "work")
    with engine_on(tmp_path / "data", work):
        pass
    (listed,) = (tmp_path / "data" / "indexes").glob("*/segments.json")
    before = json.loads(listed.read_text())["segments"]
    assert before
    load, loading, go_on = FolderStore.load, threading.Event(), threading.Event()

    def slow(stored: FolderStore) -> list[LoadedSegment]:
        loading.set()
        assert go_on.wait(PATIENCE)
        return load(stored)

    monkeypatch.setattr(FolderStore, "load", slow)
    engine = Engine(Settings(watcher="off"), data_directory=tmp_path / "data")
    engine.start([work])
    assert loading.wait(PATIENCE)
    closing = threading.Thread(target=engine.close)
    closing.start()
    until(engine, lambda: engine.engine.indexer._loop.stopping)
    go_on.set()
    closing.join()
    assert json.loads(listed.read_text())["segments"] == before
    monkeypatch.undo()
    with engine_on(tmp_path / "data", work) as engine:
        assert engine.status().embedded_chunks == 0


def test_a_reader_removes_no_segment_file_that_the_writer_s_manifest_names(tmp_path: Path) -> None:
    directory = tmp_path / "index"
    writer, reader = stored_index(directory), stored_index(directory)
    assert writer.claim()
    assert reader.claim()
    assert (writer.role, reader.role) == ("writer", "reader")
    name = writer.new_name()
    writer.path_of(name).write_bytes(b"")
    manifest.write(directory, [ManifestEntry(name)])
    unlisted = reader.new_name()
    reader.path_of(unlisted).write_bytes(b"")
    reader.remove_unlisted({name, unlisted})
    assert writer.path_of(name).exists()
    assert not reader.path_of(unlisted).exists()
    (directory / "segments.json").write_text("damaged")
    reader.remove_unlisted({name})
    assert writer.path_of(name).exists()
    writer.release()


def test_the_lock_is_released_whatever_fails_when_an_index_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise PermissionError

    work = folder(tmp_path / "work")
    with engine_on(tmp_path / "data", work):
        monkeypatch.setattr(FolderStore, "remove_unlisted", fail)
    with engine_on(tmp_path / "data", work) as engine:
        assert engine.status().role == "writer"


@pytest.mark.usefixtures("chosen")
def test_the_tables_of_a_chosen_model_are_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    write_rows = FolderStore.write_rows

    def counted(stored: FolderStore, rows: Any, gone: Any) -> None:
        if stored.dimensions == Model.dimensions:
            written.append(sum(len(each.numbers) for each in rows))
        write_rows(stored, rows, gone)

    monkeypatch.setattr(FolderStore, "write_rows", counted)
    work = folder(tmp_path / "work", 100)
    with engine_on(tmp_path / "data", work, model="chosen") as engine:
        until(engine, lambda: engine.status().model.name == "chosen" and engine.status().quiescent)
        assert engine.store(PATIENCE), engine.status()
    assert written == [100]
