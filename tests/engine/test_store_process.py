"""The process that writes the tables, at the end of the server."""

from __future__ import annotations

import logging
import os
import signal
import threading
from pathlib import Path

import pytest

from conexus.storage.lance import process as store_process
from conexus.storage.lance.process import ShutDown, Tables
from conexus.storage.lance.tables import StoreError
from tests.faults import assert_equal_to_fresh, until
from tests.workspaces import PATIENCE, running, write

DIMENSIONS = 8


def test_a_process_that_still_starts_is_abandoned(tmp_path: Path) -> None:
    tables = Tables()
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            tables.open(tmp_path / "index", DIMENSIONS, repair=True)
        except (ShutDown, StoreError) as error:
            raised.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: tables.running)
    until(lambda: tables.kill_if_starting() or tables._shut_down)
    asking.join()
    assert [type(error) for error in raised] == [ShutDown]
    with pytest.raises(ShutDown):
        tables.open(tmp_path / "index", DIMENSIONS, repair=True)
    tables.close()


def test_a_process_that_has_answered_is_not(tmp_path: Path) -> None:
    tables = Tables()
    tables.open(tmp_path / "index", DIMENSIONS, repair=True)
    tables.kill_if_starting()
    assert not tables.open(tmp_path / "index", DIMENSIONS, repair=False).files
    tables.close()


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


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot stop a process")
def test_a_process_that_hangs_is_ended_and_the_next_call_starts_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_process, "_IDLE_SECONDS", 0.5)
    tables = Tables()
    tables.open(tmp_path / "index", DIMENSIONS, repair=True)
    hung = tables._process
    os.kill(hung.pid, signal.SIGSTOP)
    monkeypatch.setattr(store_process, "_CALL_SECONDS", 0.2)
    with pytest.raises(StoreError, match="did not answer"):
        tables.open(tmp_path / "index", DIMENSIONS, repair=False)
    assert not hung.is_alive()
    monkeypatch.setattr(store_process, "_CALL_SECONDS", PATIENCE)
    assert not tables.open(tmp_path / "index", DIMENSIONS, repair=False).files
    tables.close()
