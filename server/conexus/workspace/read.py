"""Reads files as text. Never raises for anything that a file system may hold."""

from __future__ import annotations

import codecs
import errno
import hashlib
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path

from conexus.workspace.inside import Inside

_AT_ONCE = 2**20


def read_bytes(inside: Inside, path: str, most: int) -> tuple[os.stat_result, bytes]:
    """Returns the status of a file just before reading, and its first ``most`` bytes.

    Returns no bytes of anything but a regular file. Raises OSError if the file cannot be opened or read, or ValueError
    for a name that no file can have.
    """
    descriptor, facts = inside.open(path)
    if descriptor is None:
        return facts, b""
    try:
        parts: list[bytes] = []
        # One byte more than the file had, to notice that it grew. Most files are read at once, into a buffer that is no
        # larger than needed.
        size = facts.st_size + 1
        while most > 0 and (part := os.read(descriptor, min(most, size, _AT_ONCE))):
            parts.append(part)
            most -= len(part)
            size = _AT_ONCE
        return facts, b"".join(parts)
    finally:
        os.close(descriptor)


def read_bytes_of(path: str | Path, most: int) -> tuple[os.stat_result, bytes]:
    """Does what ``read_bytes`` does for a file of no workspace, by its own path. Its directory may be a link."""
    directory, name = os.path.split(path)
    with Inside(directory or os.curdir) as inside:
        return read_bytes(inside, name, most)


#: The reasons why a file is left out, in the words that users read.
BINARY = "binary"
NOT_REGULAR = "not a regular file"
NOT_UTF8 = "not UTF-8"
NOT_UTF8_NAME = "name is not UTF-8"
SYMLINK = "symbolic link"
TOO_LARGE = "larger than maxFileBytes"
UNREADABLE = "unreadable"
VANISHED = "vanished"

#: Number of bytes at the beginning of a file among which a zero byte marks it as binary, as in git (xdiff-interface.c).
_BINARY_PROBE_BYTES = 8000
_UTF16_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


@dataclass(frozen=True, slots=True)
class Text:
    """The text of a file. Size and time were taken before the file was read, so that a later change shows."""

    #: The text without a byte order mark, which editors do not show and columns do not count.
    text: str
    #: Size on disk, in bytes.
    size: int
    mtime_ns: int
    #: Hash of the bytes on disk, 32 hex digits.
    digest: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is left out, and the reason."""

    reason: str
    #: Size and time before the file was read, as in ``Text``; None if the file could not be opened.
    state: tuple[int, int] | None = None


def read_text(inside: Inside, path: str, max_bytes: int) -> Text | Skipped:
    """Returns the text of a regular file, or the reason why the file is left out.

    The file may have at most ``max_bytes`` bytes, of UTF-8, or of UTF-16 with a byte order mark.
    """
    read = _read(inside, path, max_bytes)
    if isinstance(read, Skipped):
        return read
    facts, content = read
    text = decode(content)
    if isinstance(text, Skipped):
        return replace(text, state=(facts.st_size, facts.st_mtime_ns))
    return Text(text, facts.st_size, facts.st_mtime_ns, hashlib.blake2b(content, digest_size=16).hexdigest())


def read_current(root: str, path: str, max_bytes: int) -> str | Skipped:
    """Returns the text alone of a file that ``read_text`` would read, or the reason why the file is left out."""
    with Inside(root) as inside:
        read = _read(inside, path, max_bytes)
    return read if isinstance(read, Skipped) else decode(read[1])


def state_of(root: str, path: str) -> os.stat_result | None:
    """Returns the state of a path below a folder, without following a link; None if nothing is there."""
    try:
        with Inside(root) as inside:
            return inside.stat(path)
    except (OSError, ValueError):
        return None


def _read(inside: Inside, path: str, max_bytes: int) -> tuple[os.stat_result, bytes] | Skipped:
    try:
        facts, content = read_bytes(inside, path, max_bytes + 1)
    except (OSError, ValueError) as error:
        return Skipped(reason_of(error))
    state = facts.st_size, facts.st_mtime_ns
    if not stat.S_ISREG(facts.st_mode):
        return Skipped(NOT_REGULAR, state)
    return Skipped(TOO_LARGE, state) if len(content) > max_bytes else (facts, content)


def decode(content: bytes) -> str | Skipped:
    """Returns bytes as text without its byte order mark, or the reason why they are not text."""
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return Skipped(NOT_UTF8)
    encoding = _UTF16_MARKS.get(content[:2])
    if encoding is None:
        encoding = "utf-8-sig"
        if b"\0" in content[:_BINARY_PROBE_BYTES]:
            return Skipped(BINARY)
    else:
        content = content[2:]
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return Skipped(NOT_UTF8)


def reason_of(error: Exception) -> str:
    """Returns the reason why a file or directory could not be opened."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return VANISHED
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return SYMLINK
    return UNREADABLE
