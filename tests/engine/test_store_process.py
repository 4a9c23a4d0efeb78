"""The store process: how it starts and ends, and what becomes of requests that it does not answer."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from conexus.storage.lance.process import LanceProcess, ShutDown
from conexus.storage.lance.requests import CloseTables, OpenTables, WriteRows
from conexus.storage.lance.tables import StoreError
from tests.faults import assert_equal_to_fresh, until
from tests.workspaces import running, write

DIMENSIONS = 8


def test_a_process_that_still_starts_is_abandoned(tmp_path: Path) -> None:
    process = LanceProcess()
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            process.ask(OpenTables(tmp_path / "index", DIMENSIONS))
        except (ShutDown, StoreError) as error:
            raised.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: process.running)
    until(lambda: process.kill_if_starting() or process._shut_down)
    asking.join()
    assert [type(error) for error in raised] == [ShutDown]
    with pytest.raises(ShutDown):
        process.ask(OpenTables(tmp_path / "index", DIMENSIONS))
    process.close()


def test_a_process_that_has_answered_is_not(tmp_path: Path) -> None:
    process = LanceProcess()
    process.ask(OpenTables(tmp_path / "index", DIMENSIONS))
    process.kill_if_starting()
    assert not process.ask(OpenTables(tmp_path / "index", DIMENSIONS)).files
    process.close()


def test_an_engine_that_ends_early_loses_nothing_and_says_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, data = tmp_path / "root", tmp_path / "data"
    write(root, {"a.py": "def alpha():\n    return 1\n", "b.py": "def beta():\n    return 2\n"})
    with caplog.at_level(logging.WARNING), running(root, data) as engine:
        tables = engine.engine.indexer._maintenance.tables
        until(lambda: tables.running)
    assert tables._shut_down
    assert not caplog.records
    assert_equal_to_fresh(root, data, tmp_path / "scratch")


def test_no_process_is_started_while_the_server_ends(tmp_path: Path) -> None:
    process = LanceProcess()
    process.kill_if_starting()
    with pytest.raises(ShutDown):
        process.ask(OpenTables(tmp_path / "index", DIMENSIONS))
    assert not process.running


def child_of(process: LanceProcess) -> BaseProcess:
    assert process._child is not None
    return process._child._process


def write_of(directory: Path, gone: int) -> WriteRows:
    return WriteRows(directory, DIMENSIONS, str(directory), (), tuple(f"gone_{n}.py" for n in range(gone)), "1")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[LanceProcess]:
    """A process that has answered."""
    process = LanceProcess()
    process.ask(OpenTables(tmp_path / "index", DIMENSIONS))
    yield process
    process.close()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot stop a process")
@pytest.mark.parametrize("gone", [0, 200_000], ids=["it never answers", "it never receives"])
def test_a_process_that_hangs_is_ended_and_the_next_request_starts_another(
    opened: LanceProcess, gone: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung = child_of(opened)
    assert hung.pid is not None
    os.kill(hung.pid, signal.SIGSTOP)
    with monkeypatch.context() as impatient:
        impatient.setattr(WriteRows, "TIMEOUT_SECONDS", 0.2)
        # 200 000 paths are more than a pipe holds: sending them ends when they are received.
        with pytest.raises(StoreError, match="did not answer"):
            opened.ask(write_of(tmp_path / "index", gone))
    assert not hung.is_alive()
    assert not opened.running
    assert opened.ask(write_of(tmp_path / "index", gone)).size_bytes > 0


@pytest.mark.parametrize("name", ["store", "candidates"])
def test_an_error_names_the_process_that_ended(name: str, tmp_path: Path) -> None:
    process = LanceProcess(name)
    try:
        process.ask(OpenTables(tmp_path / "index", DIMENSIONS))
        child = child_of(process)
        assert child.name == f"conexus-{name}"
        child.kill()
        child.join()
        with pytest.raises(StoreError, match=f"the {name} process ended"):
            process.ask(OpenTables(tmp_path / "index", DIMENSIONS))
    finally:
        process.close()


def test_a_process_that_dies_fails_one_request(opened: LanceProcess, tmp_path: Path) -> None:
    died = child_of(opened)
    died.kill()
    died.join()
    with pytest.raises(StoreError, match="ended"):
        opened.ask(write_of(tmp_path / "index", 0))
    assert opened.ask(write_of(tmp_path / "index", 0)).size_bytes > 0


def test_a_request_that_cannot_be_sent_harms_no_other(opened: LanceProcess, tmp_path: Path) -> None:
    unsendable = WriteRows(tmp_path / "index", DIMENSIONS, str(tmp_path), (), (lambda: None,), "1")  # type: ignore[arg-type]
    with pytest.raises(Exception, match="pickle"):
        opened.ask(unsendable)
    assert opened.ask(write_of(tmp_path / "index", 0)).size_bytes > 0


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot stop a process")
def test_tables_are_closed_even_if_the_process_hangs(
    opened: LanceProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CloseTables, "TIMEOUT_SECONDS", 0.2)
    hung = child_of(opened)
    assert hung.pid is not None
    os.kill(hung.pid, signal.SIGSTOP)
    opened.close_tables(tmp_path / "index")
    assert not hung.is_alive()
    opened.close_tables(tmp_path / "index")
    assert not opened.running
