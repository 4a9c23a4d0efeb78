"""The errors that requests are answered with: short sentences without tracebacks and private paths."""

from pathlib import Path

from lsprotocol.types import ErrorCodes, LSPErrorCodes
from pygls.exceptions import JsonRpcException


def parse_error() -> JsonRpcException:
    return JsonRpcException("The message is not JSON.", code=ErrorCodes.ParseError)


def invalid_request(message: str) -> JsonRpcException:
    return JsonRpcException(message, code=ErrorCodes.InvalidRequest)


def method_not_found(method: str) -> JsonRpcException:
    return JsonRpcException(f"There is no method `{method}`.", code=ErrorCodes.MethodNotFound)


def invalid_params(message: str) -> JsonRpcException:
    return JsonRpcException(without_home(message), code=ErrorCodes.InvalidParams)


def not_initialized() -> JsonRpcException:
    return JsonRpcException("The server is not initialized yet.", code=ErrorCodes.ServerNotInitialized)


def cancelled() -> JsonRpcException:
    return JsonRpcException("The request was cancelled.", code=LSPErrorCodes.RequestCancelled)


def request_failed(message: str, *, retry_after_ms: int | None = None) -> JsonRpcException:
    """A right request that cannot be answered (now). `retry_after_ms`: when asking again makes sense."""
    data = None if retry_after_ms is None else {"retryAfterMs": retry_after_ms}
    return JsonRpcException(without_home(message), code=LSPErrorCodes.RequestFailed, data=data)


def without_home(message: str) -> str:
    """The message with the user's home directory written as `~`."""
    home = str(Path.home())
    return message.replace(home, "~") if len(home) > 1 else message
