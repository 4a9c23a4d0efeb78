"""A system that starts no more threads for a while (`ulimit -u`), and a server that ends while a process starts."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest

from conexus.config import Settings
from conexus.storage.lance import process as lance
from conexus.storage.lance.process import LanceProcess, ShutDown
from conexus.storage.lance.requests import OpenTables
from tests.faults import assert_equal_to_fresh, until
from tests.workspaces import PATIENCE, OneClient, running, write

FILES = {"a.py": "def alpha():\n    return 1\n", "b.py": "def beta():\n    return alpha()\n"}


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, times: int) -> Counter[str]:
    """Has threads whose names begin so fail to start, this many times each. Returns how often each has failed."""
    failed: Counter[str] = Counter()
    start = threading.Thread.start

    def scarce(thread: threading.Thread) -> None:
        if thread.name.startswith(name) and failed[name] < times:
            failed[name] += 1
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", scarce)
    return failed


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("name", ["conexus-store", "conexus-watcher"])
def test_a_folder_is_indexed_as_soon_as_threads_start_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, stored: bool
) -> None:
    root, data = tmp_path / "root", tmp_path / "data"
    write(root, FILES)
    if stored:
        with running(root, data, stored=True):
            pass
        write(root, {"c.py": "def gamma():\n    return beta()\n"})
    failed = refuse(monkeypatch, name, 3)
    with running(root, data, watcher="server", stored=True) as engine:
        until(lambda: engine.status().health == "ok")
        assert failed[name] == 3
    assert_equal_to_fresh(root, data, tmp_path / "scratch")


def test_a_folder_that_waits_for_threads_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "root", FILES)
    refuse(monkeypatch, "conexus-store", 10**9)
    engine = OneClient(Settings(watcher="off"), data_directory=tmp_path / "data")
    try:
        engine.start([tmp_path / "root"])
        until(lambda: "ulimit -u" in engine.status().message)
        assert engine.status().health == "warning"
        assert not engine.wait(0)
    finally:
        monkeypatch.undo()
        engine.close()


@pytest.mark.parametrize("name", ["store", "candidates"])
def test_the_end_of_the_server_waits_for_no_process_that_is_starting_just_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The server ends between the start of a process and its first request, when nobody else knows the process yet."""
    process, started, told = LanceProcess(name), threading.Event(), threading.Event()

    class Held(lance._Child):
        def __init__(self, *arguments: str, low_priority: bool) -> None:
            super().__init__(*arguments, low_priority=low_priority)
            started.set()
            assert told.wait(PATIENCE)

    monkeypatch.setattr(lance, "_Child", Held)
    raised: list[type[BaseException]] = []

    def ask() -> None:
        try:
            process.ask(OpenTables(tmp_path / "index", 8))
        except ShutDown as error:
            raised.append(type(error))

    asking = threading.Thread(target=ask)
    asking.start()
    assert started.wait(PATIENCE)
    process.kill_if_starting()
    told.set()
    asking.join()
    assert raised == [ShutDown]
    assert not process.running


def test_the_candidates_process_is_not_waited_for_while_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "root", FILES)
    with running(tmp_path / "root", tmp_path / "data") as engine:
        reading = engine.engine.indexer._maintenance.search_modes._reading
        answered = threading.Event()

        def ask() -> None:
            try:
                reading.ask(OpenTables(tmp_path / "index", 8))
                answered.set()
            except ShutDown:
                pass

        asking = threading.Thread(target=ask)
        asking.start()
        until(lambda: reading.running)
    asking.join()
    assert not answered.is_set()
