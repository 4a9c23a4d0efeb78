"""Reads and writes the base protocol's frames: a header with the length, an empty line, the body."""

from collections.abc import Iterator
from dataclasses import dataclass

#: Maximum size of a header in bytes. Anything longer is not a header.
_LARGEST_HEADER = 64 * 1024

#: Maximum length in bytes that a header may announce. A longer body is an error of the client's, or an attack: skipping
#: it would take minutes.
_LARGEST_BODY = 1 << 30
_LONGEST_NUMBER = 20

#: Number of bytes that are kept of a body that is skipped. They have the message's `id` and `method`, as a rule.
_BEGINNING = 4096


class FrameError(Exception):
    """The stream cannot be read any further."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A body that was skipped, because it is longer than the limit."""

    #: Length of the body in bytes.
    length: int
    #: The first bytes of the body.
    beginning: bytes


class FrameReader:
    """Cuts a stream of bytes into message bodies. It keeps no more of the stream than one body and one piece.

    Lines that are not header fields are skipped, so that a stray line before a message does no harm. Names of fields
    may be in any case.
    """

    def __init__(self, most_bytes: int = _LARGEST_BODY) -> None:
        #: Maximum size of a body in bytes. A longer one is skipped; the next message is found behind it.
        self.most_bytes = most_bytes
        self._buffer = bytearray()
        #: The length in the header that is being read; None before it was found.
        self._announced: int | None = None
        #: The length of the body that is being read; None while a header is being read.
        self._length: int | None = None
        #: Number of bytes that are still to be skipped, and the first bytes that were; None if the body is kept.
        self._left: int = 0
        self._beginning: bytearray | None = None

    def feed(self, data: bytes) -> Iterator[bytearray | Skipped]:
        """Yields the bodies that are complete with this piece of the stream; the caller may change them.

        Raises:
            FrameError: a header or body is longer than any real one.
        """
        self._buffer += data
        while True:
            if self._length is None:
                self._length = self._header()
                if self._length is None:
                    return
                if self._length > self.most_bytes:
                    self._left, self._beginning = self._length, bytearray()
            body = self._body(self._length) if self._beginning is None else self._skip(self._length, self._beginning)
            if body is None:
                return
            self._length = self._beginning = None
            yield body

    def _body(self, length: int) -> bytearray | None:
        buffer = self._buffer
        if len(buffer) < length:
            return None
        if len(buffer) > 2 * length:
            body = buffer[:length]
            del buffer[:length]
            return body
        # A large body is handed over as it is, so that it is not in memory twice.
        self._buffer = buffer[length:]
        del buffer[length:]
        return buffer

    def _skip(self, length: int, beginning: bytearray) -> Skipped | None:
        skipped = min(self._left, len(self._buffer))
        beginning += self._buffer[: min(skipped, _BEGINNING - len(beginning))]
        del self._buffer[:skipped]
        self._left -= skipped
        return None if self._left else Skipped(length, bytes(beginning))

    def _header(self) -> int | None:
        """Reads header lines. Returns the length of the body once the empty line before it was read, else None."""
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).strip()
            del self._buffer[: end + 1]
            if line:
                name, _, value = line.partition(b":")
                if name.strip().lower() == b"content-length" and value.strip().isdigit():
                    if len(value) > _LONGEST_NUMBER:
                        raise FrameError("a length with too many digits")
                    self._announced = int(value)
            elif self._announced is not None:
                length, self._announced = self._announced, None
                if length > _LARGEST_BODY:
                    raise FrameError(f"a message of {length} bytes")
                return length
        if len(self._buffer) > _LARGEST_HEADER:
            raise FrameError("a header without end")
        return None


def frame(body: bytes) -> bytes:
    """Returns a body with its header."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
