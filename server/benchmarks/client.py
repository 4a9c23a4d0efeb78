"""One language server process, driven over its standard input and output. For the demo and the benchmarks.

It is small on purpose: no types, no registry of features, only what a measurement needs. Answers of the server are
futures, so that a measurement can have several requests under way.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

Message = dict[str, Any]


#: `python -m` would look for modules in the workspace first: one with a `types.py` would break Python itself.
_ELSEWHERE = {"PYTHONSAFEPATH": "1"}


def _absolute_python_path() -> str:
    """The same in another directory."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join(str(Path(path).absolute()) for path in paths if path)


CAPABILITIES: Message = {
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

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        log: IO[bytes] | None = None,
        on_notification: Callable[[str, Any], None] | None = None,
    ) -> None:
        """Start it in the folder, as editors do.

        ``log`` takes the server's standard error; ``on_notification`` is called from the reading thread.
        """
        self.folder = folder.resolve()
        self._on_notification = on_notification
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Answer] = {}
        #: Answers to what was not asked, or was answered before.
        self.unasked: list[Message] = []
        self._guard = threading.Lock()
        self._ended = False
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log or subprocess.DEVNULL,
            env={**os.environ, **_ELSEWHERE, "PYTHONPATH": _absolute_python_path(), **(environment or {})},
            cwd=folder,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        # A helper process of a killed server may hold the pipe open a little longer.
        self._reader.join(timeout=10)

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

    def ask(self, method: str, params: Any, *, timeout: float = 60.0) -> Any:
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
            elif self._on_notification is not None:
                self._on_notification(message["method"], message.get("params"))
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

    def initialize(self, capabilities: Message | None = None, options: Message | None = None) -> Any:
        folder = {"uri": self.folder.as_uri(), "name": self.folder.name}
        result = self.ask(
            "initialize",
            {
                "processId": os.getpid(),
                "clientInfo": {"name": "conexus-benchmarks"},
                "rootUri": folder["uri"],
                "workspaceFolders": [folder],
                "capabilities": capabilities or CAPABILITIES,
                **({"initializationOptions": options} if options else {}),
            },
        )
        self.tell("initialized", {})
        return result

    def wait_until_indexed(self, *, timeout: float = 1800.0, every: float = 0.05) -> Any:
        """Ask for the status until nothing waits to be indexed; returns that status."""
        deadline = time.monotonic() + timeout
        while not (status := self.ask("conexus/status", {}))["quiescent"]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not indexed in {timeout:.0f} s")
            time.sleep(every)
        return status

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


def time_queries(server: Server, queries: Sequence[str]) -> tuple[list[float], list[float]]:
    """Ask each query once, so that none follows itself; milliseconds at the client, and as the server says."""
    query_ms, took_ms = [], []
    for query in queries:
        began = time.perf_counter()
        answer = server.ask("conexus/search", {"query": query, "limit": 10})
        query_ms.append(1000 * (time.perf_counter() - began))
        took_ms.append(answer["tookMs"])
    return query_ms, took_ms
