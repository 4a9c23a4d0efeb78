"""Controls a model's process: starts it, sends requests with a time limit, and says why it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from typing import IO, Any, cast

from conexus.embedding.embedder import EmbeddingError
from conexus.embedding.transformer.frames import read_frame, write_frame
from conexus.embedding.transformer.model_files import ModelSource
from conexus.processes.memory import OUT_OF_MEMORY
from conexus.processes.start import ended_by_force, start_python

_WORKER = "conexus.embedding.transformer.worker"
#: Seconds that a process may take to end after it was told to.
_GRACE_SECONDS = 1.0


class WorkerProcess:
    """One process, from its start to its end. ``ask`` is called by one thread at a time, ``stop`` by any thread."""

    def __init__(self, source: ModelSource, memory_mib: int) -> None:
        self._name = source.name
        self._folder = source.folder
        self._memory_mib = memory_mib
        self._asking = threading.Lock()
        self._overdue = 0.0
        self._stopped = False
        self._process = start_python("model", ["-m", _WORKER], _variables(offline=source.folder is not None))
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._replies = cast("IO[bytes]", self._process.stdout)

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self._stopped and self._process.poll() is None

    def load(self, seconds: float) -> dict[str, Any]:
        """Loads the model within ``seconds``. Returns its ``dimensions`` and ``folder``. Raises as ``ask`` does."""
        setup = {
            "model": self._name,
            "folder": None if self._folder is None else str(self._folder),
            "memoryMib": self._memory_mib,
            "parent": os.getpid(),
        }
        return self.ask(setup, seconds)[0]

    def ask(self, request: dict[str, Any], seconds: float) -> tuple[dict[str, Any], bytes]:
        """Sends a request. Returns the head and the body of the answer.

        Raises EmbeddingError if the process answers with an error or ends. A process that takes longer than ``seconds``
        is killed.
        """
        timer = threading.Timer(seconds, self._end_overdue, (seconds,))
        timer.daemon = True
        with self._asking:
            timer.start()
            try:
                write_frame(self._requests, request)
                head, body = read_frame(self._replies)
            except (OSError, EOFError, ValueError) as error:
                raise EmbeddingError(f"the model `{self._name}` {self._why_it_ended()}") from error
            finally:
                timer.cancel()
        if "error" in head:
            raise EmbeddingError(f"the model `{self._name}` failed: {head['error']}")
        return head, body

    def stop(self) -> None:
        """Ends the process, even during its work, because it holds nothing worth saving. A second call is harmless."""
        self._stopped = True
        self._process.terminate()
        try:
            self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            ended_by_force("model", self._process.pid, "did not end")
            self._process.kill()
            self._process.wait()
        with self._asking, contextlib.suppress(OSError):
            self._replies.close()
            # Data that was not written yet has no reader any more.
            self._requests.close()

    def _end_overdue(self, seconds: float) -> None:
        self._overdue = seconds
        ended_by_force("model", self._process.pid, "took too long")
        self._process.kill()

    def _why_it_ended(self) -> str:
        try:
            code = self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return "does not answer"
        if self._overdue:
            return f"took longer than {self._overdue:g} s for one batch and was stopped (see `modelTimeoutSeconds`)"
        if self._stopped:
            return "was closed"
        if code == OUT_OF_MEMORY:
            return f"needed more than {self._memory_mib} MiB and was stopped (see `modelMemoryMib`)"
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with code {code}"


def _variables(*, offline: bool) -> dict[str, str]:
    threads = str(max(1, (os.cpu_count() or 1) // 2))
    defaults = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "RAYON_NUM_THREADS": threads}
    defaults["TOKENIZERS_PARALLELISM"] = "false"
    variables = {name: value for name, value in defaults.items() if name not in os.environ}
    if offline:
        variables["HF_HUB_OFFLINE"] = "1"
    return variables
