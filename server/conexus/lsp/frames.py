"""Reads and writes the base protocol's frames: a header with the length, an empty line, the body."""

from collections.abc import Iterator

#: Maximum size of a header in bytes. Anything longer is not a header.
_LARGEST_HEADER = 64 * 1024

#: Maximum size of a body in bytes. No sane client sends a larger one, and reading it could take all memory.
_LARGEST_BODY = 1 << 30
_LONGEST_NUMBER = 20


class FrameError(Exception):
    """The stream cannot be read any further."""


class FrameReader:
    """Cuts a stream of bytes into message bodies.

    Lines that are not header fields are skipped, so that a stray line before a message does no harm. Names of fields
    may be in any case.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        #: The length in the header that is being read; None before it was found.
        self._announced: int | None = None
        #: The length of the body that is being read; None while a header is being read.
        self._length: int | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yields the bodies that are complete with this piece of the stream.

        Raises:
            FrameError: a header or body is longer than any real one.
        """
        self._buffer += data
        while True:
            if self._length is None:
                self._length = self._header()
            if self._length is None or len(self._buffer) < self._length:
                return
            body = bytes(self._buffer[: self._length])
            del self._buffer[: self._length]
            self._length = None
            yield body

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
