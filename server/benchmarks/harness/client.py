"""One server process, driven over its standard input and output. For the demo and the benchmarks.

It is small on purpose: no types, no registry of features, only what a measurement needs. Answers of the server are
futures, so that a measurement can have several requests under way.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, Self

from benchmarks.harness.data_directory import wait_until_stored
from benchmarks.harness.memory import processes_with
from benchmarks.harness.waiting import until

Message = dict[str, Any]
Ready = Literal["initialized", "indexed", "stored"]

_COMMAND = (sys.executable, "-m", "conexus", "serve", "--stdio")
#: `python -m` would look for modules in the workspace first: one with a `types.py` would break Python itself.
_ELSEWHERE = {"PYTHONSAFEPATH": "1"}
_PATIENCE_SECONDS = 60.0
#: Every process of a server has this variable in its environment.
_MARK = "CONEXUS_BENCHMARK_SESSION"


def _absolute_python_path() -> str:
    """The same in another directory."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join(str(Path(path).absolute()) for path in paths if path)


_CAPABILITIES: Message = {
    "general": {"positionEncodings": ["utf-16"]},
    "window": {"workDoneProgress": True},
    "workspace": {"workspaceFolders": True, "configuration": True},
}


class ServerError(RuntimeError):
    """The server answered a request with an error, or ended."""

    def __init__(self, message: str, code: int = 0, data: Any = None) -> None:
        """``code`` and ``data`` are those of the answer, 0 and None if there was none."""
        super().__init__(message)
        self.code = code
        self.data = data


class Answer(Future[Any]):
    """The answer to a request: it has the result, or ServerError."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class Server:
    """A running server. Use it in a ``with`` statement: the process never outlives it."""

    def __init__(self, folder: Path, data: Path, *, log: Path | None = None, name: str = "") -> None:
        """Start it in a folder, as editors do, with a data directory.

        ``log`` is the file to which the server's standard error is appended; ``name`` marks all its processes.
        """
        self.folder = folder.resolve()
        self.data = data
        #: Answers to what was not asked, or was answered before.
        self.unasked: list[Message] = []
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Answer] = {}
        self._guard = threading.Lock()
        self._ended = False
        variables = {"PYTHONPATH": _absolute_python_path(), "CONEXUS_DATA_DIR": str(data), _MARK: _mark(name)}
        with Path(log or os.devnull).open("ab") as output:
            self.process = subprocess.Popen(
                _COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env={**os.environ, **_ELSEWHERE, **variables},
                cwd=folder,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
        # A helper process of a killed server may hold the pipe open a little longer.
        self._reader.join(timeout=10)

    def kill(self) -> None:
        """End the server's process, and not those that it started."""
        self.process.kill()
        self.process.wait()

    # --- messages ---

    def send(self, method: str, params: Any) -> Answer:
        """Send a request."""
        answer = Answer(next(self._numbers))
        with self._guard:
            self._waiting[answer.number] = answer
        self._write({"id": answer.number, "method": method, "params": params})
        if self._ended:
            self._abandon()
        return answer

    def ask(self, method: str, params: Any, *, timeout: float = _PATIENCE_SECONDS) -> Any:
        """Send a request and wait for its result. Raises ServerError, or TimeoutError after ``timeout`` seconds."""
        return self.send(method, params).result(timeout)

    def cancel(self, answer: Answer) -> None:
        """Say that an answer is not needed any more."""
        self.tell("$/cancelRequest", {"id": answer.number})

    def tell(self, method: str, params: Any) -> None:
        """Send a notification."""
        self._write({"method": method, "params": params})

    def _write(self, message: Message) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode("ascii")
        pipe = self.process.stdin
        assert pipe is not None
        with self._guard:
            try:
                pipe.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
                pipe.flush()
            except BrokenPipeError as error:
                raise ServerError(f"the server ended with status {self.process.wait()}") from error

    def _read(self) -> None:
        pipe = self.process.stdout
        assert pipe is not None
        while (message := _read_message(pipe)) is not None:
            if "method" not in message:
                self._settle(message)
            elif "id" in message:
                self._reply(message)
        self._ended = True
        self._abandon()

    def _settle(self, message: Message) -> None:
        with self._guard:
            answer = self._waiting.pop(message["id"], None)
        if answer is None:
            self.unasked.append(message)
        elif "error" in message:
            error = message["error"]
            text = f"{error['message']} ({error['code']})"
            answer.set_exception(ServerError(text, error["code"], error.get("data")))
        else:
            answer.set_result(message["result"])

    def _reply(self, message: Message) -> None:
        result: Any = None
        if message["method"] == "workspace/configuration":
            result = [None] * len(message["params"]["items"])
        self._write({"id": message["id"], "result": result})

    def _abandon(self) -> None:
        with self._guard:
            abandoned, self._waiting = self._waiting, {}
        for answer in abandoned.values():
            answer.set_exception(ServerError("the server ended without an answer"))

    # --- what every session does ---

    def initialize(self, options: Message | None = None) -> Any:
        result = self.send_initialize(options).result(_PATIENCE_SECONDS)
        self.tell("initialized", {})
        return result

    def send_initialize(self, options: Message | None = None) -> Answer:
        """Send `initialize` alone."""
        folder = {"uri": self.folder.as_uri(), "name": self.folder.name}
        params = {
            "processId": os.getpid(),
            "clientInfo": {"name": "conexus-benchmarks"},
            "rootUri": folder["uri"],
            "workspaceFolders": [folder],
            "capabilities": _CAPABILITIES,
        }
        return self.send("initialize", {**params, **({"initializationOptions": options} if options else {})})

    def status(self) -> Any:
        return self.ask("conexus/status", {})

    def search(self, query: str, limit: int = 10) -> Any:
        """The whole answer; ``["hits"]`` are its hits."""
        return self.ask("conexus/search", {"query": query, "limit": limit})

    def search_ms(self, query: str) -> float:
        """How many milliseconds a search takes at the client."""
        began = time.perf_counter()
        self.search(query)
        return 1000 * (time.perf_counter() - began)

    def wait_until_indexed(self, *, timeout: float = 1800.0, every: float = 0.05) -> Any:
        """Ask for the status until nothing waits to be indexed; returns that status. Raises TimeoutError."""

        def indexed() -> Any:
            status = self.status()
            return status if status["quiescent"] else None

        return until(indexed, "nothing waits to be indexed", patience=timeout, every=every)

    def wait_for_a_hit(self, query: str, *, every: float = 0.01) -> None:
        """Search until there is a hit. Raises TimeoutError."""
        until(lambda: self.search(query)["hits"], "a first hit", patience=1800.0, every=every)

    def open(self, file: Path, text: str, language: str) -> None:
        document = {"uri": file.as_uri(), "languageId": language, "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": document})

    def replace(self, file: Path, text: str, version: int) -> None:
        """Change the whole text of an open document."""
        document = {"uri": file.as_uri(), "version": version}
        self.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})

    def insert(self, file: Path, line: int, text: str, version: int, *, character: int = 0) -> None:
        """Insert text into a line of an open document, at its start if no character is named."""
        document = {"uri": file.as_uri(), "version": version}
        start = {"line": line, "character": character}
        change = {"range": {"start": start, "end": start}, "text": text}
        self.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})

    def close(self, file: Path) -> None:
        self.tell("textDocument/didClose", {"textDocument": {"uri": file.as_uri()}})

    def stop(self, *, timeout: float = 20.0) -> int:
        """End the session as the protocol has it; returns the exit status, 0 if all is well."""
        self.ask("shutdown", None, timeout=timeout)
        self.tell("exit", None)
        return self.process.wait(timeout)


def _read_message(pipe: IO[bytes]) -> Message | None:
    """The next message, None at the end of the stream."""
    length = 0
    while header := pipe.readline().strip():
        name, _, value = header.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    if not length:
        return None
    message: Message = json.loads(pipe.read(length))
    return message


@contextmanager
def session(
    folder: Path,
    data: Path,
    ready: Ready = "initialized",
    *,
    options: Message | None = None,
    log: Path | None = None,
    name: str = "",
) -> Iterator[Server]:
    """A server that has been initialized, then waited for as ``ready`` says; it is stopped in the end.

    ``indexed``: nothing waits to be indexed any more. ``stored``: the index is on disk, too.
    """
    with Server(folder, data, log=log, name=name) as server:
        server.initialize(options)
        if ready != "initialized":
            server.wait_until_indexed()
        if ready == "stored":
            wait_until_stored(data)
        yield server
        server.stop()


def processes_left(name: str, seconds: float) -> list[int]:
    """The processes of the servers of this name that still run after some seconds; returns at once if none does."""
    deadline = time.monotonic() + seconds
    while (left := processes_with(_MARK, _mark(name))) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _mark(name: str) -> str:
    # Another run of the benchmark has servers of the same names.
    return f"{os.getpid()}-{name}"


def time_queries(server: Server, queries: Sequence[str], runs: int = 1) -> dict[str, list[float]]:
    """Ask all queries, ``runs`` times, in whole rounds, so that none follows itself.

    Milliseconds of each: at the client (`queryMs`), and as the server says (`tookMs`).
    """
    times: dict[str, list[float]] = {"queryMs": [], "tookMs": []}
    for query in [*queries] * runs:
        began = time.perf_counter()
        answer = server.search(query)
        times["queryMs"].append(1000 * (time.perf_counter() - began))
        times["tookMs"].append(answer["tookMs"])
    return times
