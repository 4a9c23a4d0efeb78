"""The start of the engine behind one connection: a late failure, and an engine that is ready too late."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from conexus.lsp import connection as connection_module
from conexus.lsp.client import client_of
from conexus.lsp.connection import Connection
from conexus.lsp.protocol import Protocol
from conexus.lsp.structuring import make_converter
from conexus.prewarm import WorkerProcesses
from conexus.workspace.documents import Documents


class Output:
    """The standard output of a server that nobody reads."""

    is_behind = False

    def write(self, body: bytes) -> None:
        pass

    def configure(self, _: object) -> None:
        pass


class FakeSession:
    """A session that fails when it gets its folders."""

    documents = Documents()

    def put_documents(self, *_: object) -> None:
        pass

    def set_folders(self, _: object) -> None:
        raise OSError("no folder")


class FakeEngine:
    """An engine that is made when ``gate`` is set."""

    def __init__(self, gate: threading.Event) -> None:
        self.gate, self.begun, self.closed = gate, threading.Event(), threading.Event()

    def __call__(self, *_: object, **__: object) -> FakeEngine:
        self.begun.set()
        self.gate.wait()
        return self

    def open_session(self, **_: object) -> FakeSession:
        return FakeSession()

    def close(self) -> None:
        assert not self.closed.is_set()
        self.closed.set()


def connection_to(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.setattr(connection_module, "_load_engine", lambda *_: engine)
    server = LanguageServer("Conexus", "1", protocol_cls=Protocol, converter_factory=make_converter)
    protocol: Any = server.protocol
    protocol.stdio = Output()
    connection = Connection(server, protocol, WorkerProcesses(1), watch_parent=lambda _: True)
    connection.introduce(client_of(lsp.InitializeParams(lsp.ClientCapabilities())), (), None)
    return connection


def test_a_start_that_fails_when_the_folders_are_opened_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    gate.set()
    engine = FakeEngine(gate)

    async def start() -> None:
        connection = connection_to(engine, monkeypatch)
        with pytest.raises(JsonRpcException, match="could not start"):
            await connection.started()
        status = connection.status()
        assert (status.phase, status.health) == ("failed", "error")
        assert "OSError" in (status.message or "")
        assert engine.closed.is_set()
        await connection.close()

    asyncio.run(start())


def test_an_engine_that_is_ready_after_the_connection_closed_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "_START_SECONDS", 0.0)
    engine = FakeEngine(threading.Event())

    async def close_early() -> None:
        connection = connection_to(engine, monkeypatch)
        starting = connection.start()
        await asyncio.to_thread(engine.begun.wait)
        await connection.close()
        assert not engine.closed.is_set()
        engine.gate.set()
        with pytest.raises(JsonRpcException):
            await starting
        assert engine.closed.is_set()
        assert not connection.failure

    asyncio.run(close_early())
