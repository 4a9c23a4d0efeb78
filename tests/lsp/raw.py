"""A client that speaks in bytes, so that it can say what no client library would.

It keeps account: leaving the `with` block fails if a request was not answered exactly once, or if the server sent
something that the test did not take.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import conexus

Message = dict[str, Any]

#: No answer takes this long; a test that waits so long has failed.
PATIENCE = 60.0

SERVER_COMMAND = [sys.executable, "-m", "conexus", "serve", "--stdio"]


def server_environment(data: Path) -> dict[str, str]:
    """The environment of a server under test, with a data directory of its own."""
    return {
        **os.environ,
        "CONEXUS_DATA_DIR": str(data),
        "PYTHONPATH": str(Path(conexus.__file__).parents[1]),
    }


class RawClient:
    def __init__(
        self,
        environment: Mapping[str, str],
        *arguments: str,
        command: Sequence[str] = SERVER_COMMAND,
        folder: Path | None = None,
    ) -> None:
        """``folder``: where the server is started; by default beside its data, where hardly any files are."""
        folder = folder or Path(environment["CONEXUS_DATA_DIR"]).parent
        self.process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            cwd=folder,
        )
        self._inbox: queue.Queue[Message | None] = queue.Queue()
        self._put_back: list[Message] = []
        self._asked: set[int | str] = set()
        self._answered: list[Any] = []
        self._last_id = 0
        self.stderr = ""
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._read_stderr)]
        for thread in self._threads:
            thread.start()

    # --- sending ---

    def send_bytes(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send_body(self, body: bytes) -> None:
        self.send_bytes(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def send(self, message: object) -> None:
        self.send_body(json.dumps(message).encode())

    def notify(self, method: str, params: object = None) -> None:
        self.send({"jsonrpc": "2.0", "method": method, **({} if params is None else {"params": params})})

    def ask(self, method: str, params: object = None) -> int:
        """Send a request without waiting; `params` None leaves the key out."""
        self._last_id += 1
        self._asked.add(self._last_id)
        message = {"jsonrpc": "2.0", "id": self._last_id, "method": method}
        self.send(message if params is None else {**message, "params": params})
        return self._last_id

    # --- receiving ---

    def take(self, wanted: Callable[[Message], bool]) -> Message:
        """The next message that is wanted; others wait for their turn."""
        for index, message in enumerate(self._put_back):
            if wanted(message):
                return self._put_back.pop(index)
        while True:
            message = self._inbox.get(timeout=PATIENCE)
            assert message is not None, f"the server has gone\n{self.stderr}"
            if wanted(message):
                return message
            self._put_back.append(message)

    def answer(self, msg_id: int | str | None) -> Message:
        """The response to a request."""
        return self.take(lambda message: "method" not in message and message.get("id") == msg_id)

    def request(self, method: str, params: object = None) -> Any:
        """The result of a request."""
        response = self.answer(self.ask(method, params))
        assert "error" not in response, response
        return response["result"]

    def error(self, method: str, params: object = None) -> Message:
        """The error of a request."""
        response = self.answer(self.ask(method, params))
        assert "result" not in response, response
        error = response["error"]
        assert "Traceback" not in json.dumps(error)
        assert str(Path.home()) not in json.dumps(error)
        return dict(error)

    def notification(self, method: str) -> Any:
        """The params of the next notification of a method."""
        return self.take(lambda message: message.get("method") == method and "id" not in message)["params"]

    def server_request(self, method: str, result: object = None) -> Any:
        """The params of the next request of the server, which is answered."""
        message = self.take(lambda message: message.get("method") == method and "id" in message)
        self.send({"jsonrpc": "2.0", "id": message["id"], "result": result})
        return message.get("params")

    # --- life ---

    def initialize(self, folder: Path | None = None, **more: Any) -> Message:
        """`initialize` and `initialized`, as a client with nothing special."""
        params = {
            "processId": os.getpid(),
            "rootUri": folder.as_uri() if folder else None,
            "capabilities": {},
            **more,
        }
        result = self.request("initialize", params)
        self.notify("initialized", {})
        return dict(result)

    def wait_until_quiescent(self) -> Message:
        """Poll the status until everything is searchable."""
        pause = threading.Event()
        for _ in range(int(PATIENCE / 0.05)):
            status = self.request("conexus/status", {})
            assert status["health"] != "error", status
            if status["quiescent"]:
                return dict(status)
            pause.wait(0.05)
        raise AssertionError(f"never quiescent: {status}\n{self.stderr}")

    def shut_down(self) -> int:
        """The exit code after a proper end."""
        assert self.request("shutdown") is None
        self.notify("exit")
        return self.wait()

    def wait(self) -> int:
        """The exit code, once the server has ended by itself."""
        code = self.process.wait(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)
        return code

    def close_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def settle(self, *, clean: bool) -> None:
        """End the process if the test has not, and check the account if the test passed so far."""
        with contextlib.suppress(OSError):
            self.close_input()
        try:
            self.wait()
        finally:
            self.process.kill()
        if not clean:
            return
        answered = sorted(map(str, self._answered))
        assert answered == sorted(map(str, self._asked)), "unanswered, or answered twice"
        left = self._put_back
        while (message := self._inbox.get(timeout=PATIENCE)) is not None:
            left.append(message)
        assert left == [], "not expected by the test"

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while header := stream.readline():
            name, _, value = header.partition(b":")
            assert name == b"Content-Length", f"garbled output: {header!r}"
            assert stream.readline() == b"\r\n"
            body = stream.read(int(value))
            if len(body) < int(value):  # killed in the middle of a message
                break
            message = json.loads(body)
            if "method" not in message and message["id"] is not None:
                self._answered.append(message["id"])
            self._inbox.put(message)
        self._inbox.put(None)

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.stderr += line.decode(errors="replace")


@contextlib.contextmanager
def raw_client(
    data: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    command: Sequence[str] = SERVER_COMMAND,
    folder: Path | None = None,
) -> Iterator[RawClient]:
    """A server over real pipes."""
    own = {**server_environment(data), **(environment or {})}
    client = RawClient(own, *arguments, command=command, folder=folder)
    clean = False
    try:
        yield client
        clean = True
    finally:
        client.settle(clean=clean)
