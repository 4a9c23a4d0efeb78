"""Reads and writes messages between a model's process and ours: two lengths, then a JSON object, then bytes."""

from __future__ import annotations

import json
import struct
from typing import IO, Any

_LENGTHS = struct.Struct("<QQ")


def write_frame(stream: IO[bytes], head: dict[str, Any], body: bytes = b"") -> None:
    """Writes one message. Raises OSError if nobody reads."""
    encoded = json.dumps(head).encode("ascii")
    stream.write(_LENGTHS.pack(len(encoded), len(body)))
    stream.write(encoded)
    stream.write(body)
    stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Reads one message. Raises EOFError if the stream ends, also within a message."""
    head, body = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    decoded: dict[str, Any] = json.loads(_exactly(stream, head))
    return decoded, _exactly(stream, body)


def _exactly(stream: IO[bytes], length: int) -> bytes:
    read = stream.read(length)
    if len(read) < length:
        raise EOFError
    return read
