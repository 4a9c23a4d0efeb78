"""Makes the errors that answer requests: short sentences without tracebacks and private paths."""

from lsprotocol.types import ErrorCodes, LSPErrorCodes
from pygls.exceptions import JsonRpcException

from conexus import escape

_RETRY_AFTER_MS = 500


def parse_error(message: str) -> JsonRpcException:
    return _error(message, ErrorCodes.ParseError)


def invalid_request(message: str) -> JsonRpcException:
    return _error(message, ErrorCodes.InvalidRequest)


def method_not_found(method: str) -> JsonRpcException:
    return _error(f"There is no method `{method:.100}`.", ErrorCodes.MethodNotFound)


def invalid_params(message: str) -> JsonRpcException:
    return _error(message, ErrorCodes.InvalidParams)


def not_initialized() -> JsonRpcException:
    return _error("The server is not initialized yet.", ErrorCodes.ServerNotInitialized)


def cancelled() -> JsonRpcException:
    return _error("The request was cancelled.", LSPErrorCodes.RequestCancelled)


def request_failed(message: str, *, retry_after_ms: int | None = None) -> JsonRpcException:
    """Returns the error for a valid request that cannot be answered (now).

    `retry_after_ms` is the number of milliseconds after which a new attempt makes sense.
    """
    data = None if retry_after_ms is None else {"retryAfterMs": retry_after_ms}
    return _error(message, LSPErrorCodes.RequestFailed, data)


def overloaded() -> JsonRpcException:
    return request_failed("Too many requests are waiting.", retry_after_ms=_RETRY_AFTER_MS)


def too_late(seconds: int) -> JsonRpcException:
    return request_failed(f"The request was ended because it took longer than {seconds} s (`requestTimeoutSeconds`).")


def for_client(message: str) -> str:
    """Returns the message as clients get it: foreign text escaped, and the user's home directory written as `~`."""
    return escape.message(escape.without_home(message))


def _error(message: str, code: ErrorCodes | LSPErrorCodes, data: object = None) -> JsonRpcException:
    return JsonRpcException(for_client(message), code=code, data=data)
