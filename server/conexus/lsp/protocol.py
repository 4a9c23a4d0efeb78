"""pygls's protocol without the faults that leave a client without an answer or show it our internals.

The faults of pygls 2.1.1 that this module corrects: bad parameters, an absent `params` and anything after `shutdown`
get no answer; a request before `initialize` is run; a handler's traceback is sent to the client; a notification's error
is shown to the user as a message; an object inside a message that has a key `jsonrpc` is taken for a message; every
body is logged.
"""

import asyncio
import inspect
import json
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, cast

from cattrs import Converter
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol

from conexus import limits
from conexus.config import Settings
from conexus.limits import Limit
from conexus.lsp import errors, types
from conexus.lsp.messages import FIRST_CUT, MessageId, Unreadable
from conexus.lsp.stdio import Stdio
from conexus.lsp.structuring import ParamsError, structure_params
from conexus.lsp.workers import THREADS

logger = logging.getLogger(__name__)


class Stage(Enum):
    CREATED = 0
    INITIALIZED = 1
    SHUT_DOWN = 2


@dataclass(slots=True)
class _Request:
    """A request that is not answered yet."""

    task: asyncio.Task[Any]
    deadline: asyncio.TimerHandle | None
    is_late: bool = False


class Protocol(LanguageServerProtocol):
    """Answers every request exactly once. All its methods run on the event loop."""

    stdio: Stdio

    def __init__(self, server: LanguageServer, converter: Converter) -> None:
        super().__init__(server, converter)
        self.stage = Stage.CREATED
        #: Function that is called when the client asks us to exit.
        self.on_exit: Callable[[], None] = lambda: None
        #: Function that is called when a message cannot be read, or an edit is sent as a request.
        self.on_unreadable: Callable[[Unreadable], None] = lambda _: None
        self._settings = Settings()
        self._running: dict[MessageId, _Request] = {}
        self._background: set[asyncio.Task[Any]] = set()

    def _register_builtin_features(self) -> None:
        """Registers nothing, because pygls's features would keep a second, differently split copy of every document."""

    @property
    def converter(self) -> Converter:
        return self._converter

    # --- messages from the client ---

    def configure(self, settings: Settings) -> None:
        """Applies the limits of messages and requests, from the next one on."""
        self._settings = settings
        self.stdio.configure(settings)

    def receive(self, message: object) -> None:
        """Handles one message, as ``messages.read_message`` returns it."""
        if isinstance(message, Unreadable):
            # The message may have been an edit.
            self.on_unreadable(message)
            self._refuse(message.msg_id, errors.parse_error(message.reason))
        elif not isinstance(message, dict):
            self._refuse(None, errors.invalid_request("A message must be an object."))
        elif "method" not in message:
            self._receive_response(message)
        elif "id" in message:
            self._receive_request(message)
        else:
            self._receive_notification(message)

    def _receive_request(self, message: dict[str, Any]) -> None:
        msg_id, method = message["id"], message["method"]
        if isinstance(msg_id, bool) or not isinstance(msg_id, (int, str)):
            self._refuse(None, errors.invalid_request("`id` must be a whole number or a string."))
            return
        if isinstance(msg_id, int) and abs(msg_id) >= FIRST_CUT:
            self._refuse(None, errors.invalid_request("`id` has too many digits."))
            return
        try:
            if msg_id in self._running:
                raise errors.invalid_request("`id` belongs to a request that is still running.")
            self._check_stage(message)
            handler = self.fm.features.get(method)
            if handler is None or method in _NOTIFICATIONS:
                if method in OF_DOCUMENTS:
                    self.on_unreadable(Unreadable("An edit was sent as a request."))
                raise errors.method_not_found(method)
            arguments = self._arguments(method, message.get("params"))
            if method == lsp.SHUTDOWN:
                self.stage = Stage.SHUT_DOWN
            result = handler(*arguments)
            if method == lsp.INITIALIZE:
                self.stage = Stage.INITIALIZED
        except ParamsError as error:
            self._refuse(msg_id, errors.invalid_params(str(error)))
        except Exception as error:  # noqa: BLE001 - whatever it was, the client gets its answer
            self._refuse(msg_id, _answerable(error, method))
        else:
            if inspect.iscoroutine(result):
                self._run(msg_id, method, result)
            else:
                self._respond(msg_id, result)

    def _run(self, msg_id: MessageId, method: str, work: Coroutine[Any, Any, Any]) -> None:
        """Answers a request with the result of a coroutine, or with an error when its time is over."""
        deadline = None
        loop = asyncio.get_running_loop()
        if method != lsp.SHUTDOWN:
            if len(self._running) >= THREADS + self._settings.max_waiting_requests:
                work.close()
                limits.hit(Limit.WAITING_REQUESTS)
                self._refuse(msg_id, errors.overloaded())
                return
            deadline = loop.call_later(self._settings.request_timeout_seconds, self._end_late, msg_id)
        task = loop.create_task(work, name=method)
        self._running[msg_id] = _Request(task, deadline)
        # Not a wrapping coroutine, because a task that is cancelled before its first step never runs.
        task.add_done_callback(partial(self._finish, msg_id))

    def _end_late(self, msg_id: MessageId) -> None:
        """Ends a request whose time is over. Its answer does not wait for a thread that may hang."""
        request = self._running[msg_id]
        request.is_late = True
        limits.hit(Limit.REQUEST_TIME)
        request.task.cancel()

    def _check_stage(self, message: dict[str, Any]) -> None:
        method = message["method"]
        if message.get("jsonrpc") != self.VERSION:
            raise errors.invalid_request('`jsonrpc` must be "2.0".')
        if not isinstance(method, str):
            raise errors.invalid_request("`method` must be a string.")
        if self.stage is Stage.SHUT_DOWN:
            raise errors.invalid_request("The server was shut down.")
        if (method == lsp.INITIALIZE) != (self.stage is Stage.CREATED):
            if method == lsp.INITIALIZE:
                raise errors.invalid_request("The server is initialized already.")
            raise errors.not_initialized()

    def _finish(self, msg_id: MessageId, task: asyncio.Task[Any]) -> None:
        request = self._running.pop(msg_id)
        if request.deadline is not None:
            request.deadline.cancel()
        if request.is_late and (task.cancelled() or task.exception() is not None):
            self._refuse(msg_id, errors.too_late(self._settings.request_timeout_seconds))
        elif task.cancelled():
            self._refuse(msg_id, errors.cancelled())
        elif (error := task.exception()) is not None:
            self._refuse(msg_id, _answerable(error, task.get_name()))
        else:
            self._respond(msg_id, task.result())

    def _receive_notification(self, message: dict[str, Any]) -> None:
        method = message["method"]
        if method == lsp.EXIT:
            self.on_exit()
            return
        if self.stage is not Stage.INITIALIZED:
            return
        if method == lsp.CANCEL_REQUEST:
            self._cancel(message.get("params"))
            return
        handler = self.fm.features.get(method) if isinstance(method, str) else None
        if handler is None or method not in _NOTIFICATIONS:
            if not str(method).startswith("$/"):
                logger.info("Ignored a notification of the unknown method %.100r", method)
            return
        try:
            result = handler(*self._arguments(method, message.get("params")))
        except ParamsError as error:
            logger.warning("Ignored a bad %s: %s", method, error)
        except Exception:
            logger.exception("Handling %s failed", method)
        else:
            if inspect.iscoroutine(result):
                self.spawn(result, method)

    def _cancel(self, params: object) -> None:
        msg_id = params.get("id") if isinstance(params, dict) else None
        request = self._running.get(msg_id) if isinstance(msg_id, (int, str)) else None
        if request is not None:
            request.task.cancel()

    def _arguments(self, method: str, params: object) -> tuple[Any, ...]:
        if method in OF_DOCUMENTS:
            return (params,)
        cls = types.REQUESTS.get(method) or _STANDARD_PARAMS[method]
        return () if cls is None else (structure_params(self._converter, params, cls),)

    def _receive_response(self, message: dict[str, Any]) -> None:
        msg_id = message.get("id")
        future = self._request_futures.pop(msg_id, None) if isinstance(msg_id, str) else None
        response_type = self._result_types.pop(msg_id, None) if isinstance(msg_id, str) else None
        if future is None or not future.set_running_or_notify_cancel():
            logger.info("Ignored a response to an unknown request")
            return
        try:
            if (error := message.get("error")) is not None:
                raise JsonRpcException(str(error.get("message")), code=error.get("code"))
            if response_type is None:
                future.set_result(message.get("result"))
            else:
                future.set_result(self._converter.structure(message, response_type).result)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
            future.set_exception(error)

    # --- messages to the client ---

    def _respond(self, msg_id: MessageId, result: Any) -> None:
        try:
            self._send_data({"jsonrpc": self.VERSION, "id": msg_id, "result": result})
        except Exception as error:  # noqa: BLE001 - a result that JSON cannot carry
            self._refuse(msg_id, _answerable(error, "a response"))

    def _refuse(self, msg_id: MessageId | None, error: JsonRpcException) -> None:
        wire: dict[str, Any] = {"code": int(error.code), "message": error.message}
        if error.data is not None:
            wire["data"] = error.data
        self._send_data({"jsonrpc": self.VERSION, "id": msg_id, "error": wire})

    def _send_data(self, data: Any) -> None:
        # NaN is not JSON. One failed answer is better than a client that cannot read any answer.
        text = json.dumps(data, default=self._serialize_message, separators=(",", ":"), allow_nan=False)
        self.stdio.write(text.encode())

    # --- tasks ---

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Runs a coroutine in the background. A failure is logged."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._background.add(task)
        task.add_done_callback(self._finish_background)
        return task

    def _finish_background(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s failed", task.get_name(), exc_info=error)

    def cancel_requests(self) -> None:
        """Answers all running requests with "cancelled", except for `shutdown`."""
        for request in self._running.values():
            if request.task.get_name() != lsp.SHUTDOWN:
                request.task.cancel()

    async def drain(self) -> None:
        """Waits until all requests are answered."""
        while self._running:
            await asyncio.wait([request.task for request in self._running.values()])

    def cancel_background(self) -> None:
        for task in self._background:
            task.cancel()


def _answerable(error: BaseException, method: str) -> JsonRpcException:
    """Returns the error to answer with. An error that is not meant for the client is logged and not sent."""
    if isinstance(error, JsonRpcException):
        return error
    logger.error("Handling %s failed", method, exc_info=error)
    return errors.request_failed("The server failed to answer; its log says why.")


_STANDARD_PARAMS: dict[str, type | None] = {
    method: cast("type | None", entry[2]) for method, entry in lsp.METHOD_TO_TYPES.items()
}

#: Notifications whose handlers read the parameters themselves, because bad parameters are no reason to ignore these
#: notifications.
OF_DOCUMENTS = frozenset({lsp.TEXT_DOCUMENT_DID_OPEN, lsp.TEXT_DOCUMENT_DID_CHANGE, lsp.TEXT_DOCUMENT_DID_CLOSE})

#: Methods that are notifications. With an `id`, such a method is unknown; without one, any other method is ignored.
_NOTIFICATIONS = frozenset(method for method, entry in lsp.METHOD_TO_TYPES.items() if entry[1] is None)
