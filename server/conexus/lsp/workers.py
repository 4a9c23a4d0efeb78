"""Runs requests to the engine in threads of our own, so that the event loop never waits."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from conexus.lsp import errors
from conexus.values import BadQuery, Cancelled, CancelToken, EngineError

T = TypeVar("T")

#: Number of requests that are answered at the same time, so that a request that waits for a model holds up no other.
#: More would only take the interpreter's lock from each other, the event loop and the indexer.
THREADS = 2


class Workers:
    """The threads that answer requests. Only the event loop uses it."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="conexus-question")
        # The pool's own queue keeps what was cancelled for as long as all threads are busy.
        self._free = asyncio.Semaphore(THREADS)

    async def run(self, ask: Callable[[CancelToken], T]) -> T:
        """Runs `ask` in a thread and returns its result. When the awaiting task is cancelled, the token is, too.

        Raises:
            JsonRpcException: the engine refused the request.
        """
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        token = CancelToken()

        def ended(_: Future[T]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._free.release)

        try:
            running = self._threads.submit(ask, token)
        except RuntimeError:
            raise errors.cancelled() from None  # the connection is being closed
        running.add_done_callback(ended)
        try:
            return await asyncio.wrap_future(running)
        except asyncio.CancelledError:
            token.cancel()
            raise
        except Cancelled:
            raise errors.cancelled() from None
        except BadQuery as error:
            raise errors.invalid_params(str(error)) from error
        except EngineError as error:
            raise errors.request_failed(str(error)) from error

    def close(self) -> None:
        """Drops the requests that wait. Does not wait for the requests that run."""
        self._threads.shutdown(wait=False, cancel_futures=True)
