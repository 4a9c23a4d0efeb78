"""Our end of the client's pipes. Reading and writing may block, so each has a thread of its own."""

import asyncio
import logging
import os
import queue
import threading
from collections.abc import Callable

from conexus import limits
from conexus.config import Settings
from conexus.limits import Limit
from conexus.lsp.frames import FrameError, FrameReader, frame
from conexus.lsp.messages import read_message, weight

logger = logging.getLogger(__name__)

#: Maximum number and size (bytes) of messages that were read and not handled yet. Further messages wait in the client's
#: pipe. One message may be larger.
_WAITING = 1024
_WAITING_BYTES = 64 << 20

_READ_BYTES = 1 << 16

#: Number of bytes that the client has not read, above which it is behind.
_BEHIND_BYTES = 1 << 20


class Stdio:
    """Reads messages from standard input, and writes them to standard output.

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
        #: Set by the event loop, read by the thread that reads.
        self._frames = FrameReader()
        self._most_depth = 0
        #: Set and read by the event loop alone.
        self._most_unread = 0
        self.configure(Settings())
        self._ended: Callable[[], None] = lambda: None
        self._abandoned = False
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        #: Numbers of bytes, since the start, that the event loop has sent and that the client has taken. Each is
        #: changed by one thread only, so they need no lock.
        self._sent = self._taken = 0
        self._writer = threading.Thread(target=self._write_all, name="conexus-output", daemon=True)
        self._writer.start()

    def configure(self, settings: Settings) -> None:
        """Applies the limits of messages, from the next one on."""
        self._frames.most_bytes = settings.max_message_mib << 20
        self._most_depth = settings.max_message_depth
        self._most_unread = settings.max_unread_mib << 20

    def listen(
        self, loop: asyncio.AbstractEventLoop, receive: Callable[[object], None], ended: Callable[[], None]
    ) -> None:
        """Starts to read. Calls, on the loop, `receive` with every message, as `read_message` returns it.

        Calls `ended` when the client closed its end or does not read what we send.
        """
        self._ended = ended
        backlog = _Backlog()

        def take(message: object, weighing: int) -> None:
            backlog.remove(weighing)
            receive(message)

        def read_all() -> None:
            try:
                while data := os.read(self._input, _READ_BYTES):
                    for body in self._frames.feed(data):
                        weighing = weight(body)
                        backlog.add(weighing)
                        # Not on the loop, because a large message would block it.
                        message = read_message(body, self._most_depth, self._frames.most_bytes)
                        loop.call_soon_threadsafe(take, message, weighing)
                        del body, message  # they may be large, and the next piece may be long in coming
            except (OSError, FrameError) as error:
                logger.error("The connection broke: %s", error)
            except RuntimeError:
                return  # the loop is closed: nobody listens any more
            _call_if_open(loop, ended)

        threading.Thread(target=read_all, name="conexus-input", daemon=True).start()

    @property
    def is_behind(self) -> bool:
        """Whether the client has much to read. Messages that a later one replaces should wait."""
        return self._sent - self._taken > _BEHIND_BYTES

    def write(self, body: bytes) -> None:
        """Sends a message. Never blocks, because the loop must go on reading while a client does not read.

        If the client leaves too much unread, the connection ends, because it cannot be told anything.
        """
        if self._abandoned:
            return
        if self._sent - self._taken > self._most_unread:
            self._abandoned = True
            limits.hit(Limit.UNREAD_ANSWERS)
            logger.error("The connection ends: the client does not read (more than `maxUnreadMib` wait)")
            while not self._outgoing.empty():
                self._outgoing.get_nowait()
            self._ended()
            return
        data = frame(body)
        self._sent += len(data)
        self._outgoing.put(data)

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
                self._taken += len(data)
        except OSError as error:
            logger.warning("The client no longer reads: %s", error.strerror)


class _Backlog:
    """The messages that were read and not handled yet. Blocks the thread that reads while there are too many."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._messages = self._bytes = 0

    def add(self, size: int) -> None:
        """Waits until there is room for a message of ``size`` bytes, and counts it."""
        with self._changed:
            while self._messages >= _WAITING or (self._messages and self._bytes + size > _WAITING_BYTES):
                self._changed.wait()
            self._messages += 1
            self._bytes += size

    def remove(self, size: int) -> None:
        with self._changed:
            self._messages -= 1
            self._bytes -= size
            self._changed.notify()


def _call_if_open(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:
        logger.debug("The loop was closed before the input ended.")
