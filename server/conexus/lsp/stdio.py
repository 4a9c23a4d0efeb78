"""Our end of the client's pipes. Reading and writing may block, so each has a thread of its own."""

import asyncio
import logging
import os
import queue
import threading
from collections.abc import Callable

from conexus.lsp.frames import FrameError, FrameReader, frame

logger = logging.getLogger(__name__)

#: Maximum number of messages that were read and not handled yet. Further messages wait in the client's pipe.
_WAITING = 1024

_READ_BYTES = 1 << 16


class Stdio:
    """Reads message bodies from standard input, and writes them to standard output.

    Nothing else reads or writes the client's pipes: file descriptor 1 becomes standard error, so that a stray `print`
    of a library or a child process cannot garble the protocol, and descriptor 0 becomes an empty input.
    """

    def __init__(self) -> None:
        self._input = os.dup(0)
        self._output = os.dup(1)
        os.dup2(2, 1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_all, name="conexus-output", daemon=True)
        self._writer.start()

    def listen(
        self, loop: asyncio.AbstractEventLoop, receive: Callable[[bytes], None], ended: Callable[[], None]
    ) -> None:
        """Starts to read. Calls, on the loop, `receive` with every body, and `ended` when the client closed its end."""
        slots = threading.Semaphore(_WAITING)

        def take(body: bytes) -> None:
            slots.release()
            receive(body)

        def read_all() -> None:
            frames = FrameReader()
            try:
                while data := os.read(self._input, _READ_BYTES):
                    for body in frames.feed(data):
                        slots.acquire()
                        loop.call_soon_threadsafe(take, body)
            except (OSError, FrameError) as error:
                logger.error("The connection broke: %s", error)
            except RuntimeError:
                return  # the loop is closed: nobody listens any more
            _call_if_open(loop, ended)

        threading.Thread(target=read_all, name="conexus-input", daemon=True).start()

    def write(self, body: bytes) -> None:
        """Sends a message. Never blocks, because the loop must go on reading while a client does not read."""
        self._outgoing.put(frame(body))

    def close(self) -> None:
        """Ends the writing thread, and waits up to 2 s until it has written the messages that were sent."""
        self._outgoing.put(None)
        self._writer.join(timeout=2)

    def _write_all(self) -> None:
        try:
            while (data := self._outgoing.get()) is not None:
                view = memoryview(data)
                while view:
                    view = view[os.write(self._output, view) :]
        except OSError as error:
            logger.warning("The client no longer reads: %s", error.strerror)


def _call_if_open(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:
        logger.debug("The loop was closed before the input ended.")
