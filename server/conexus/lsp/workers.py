"""Runs requests to the engine in threads of our own, so that the event loop never waits."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from conexus.lsp import errors
from conexus.values import BadQuery, Cancelled, CancelToken, EngineError

T = TypeVar("T")

#: Number of requests that are answered at the same time, so that a request that waits for a model holds up no other.
#: More would only take the interpreter's lock from each other, the event loop and the indexer.
_THREADS = 2
#: Maximum number of requests that wait. Beyond it, a client must ask again later, so that our memory does not grow.
_LARGEST_QUEUE = 512
_RETRY_AFTER_MS = 500


class Workers:
    """The threads that answer requests, and the number of requests that run or wait. Only the event loop uses it."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="conexus-question")
        self._admitted = 0

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Reserves a place in the queue.

        Raises:
            JsonRpcException: there is no place (-32803 with `retryAfterMs`).
        """
        if self._admitted >= _THREADS + _LARGEST_QUEUE:
            raise errors.request_failed("Too many requests are waiting.", retry_after_ms=_RETRY_AFTER_MS)
        self._admitted += 1
        try:
            yield
        finally:
            self._admitted -= 1

    async def run(self, ask: Callable[[CancelToken], T]) -> T:
        """Runs `ask` in a thread and returns its result. When the awaiting task is cancelled, the token is, too.

        Raises:
            JsonRpcException: the engine refused the request.
        """
        token = CancelToken()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, ask, token)
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
