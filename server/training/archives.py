"""Reads the files of source archives without unpacking them: tar, zip, wheels, and Debian's binary packages."""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_LARGEST_FILE = 400_000


def texts(archive: Path) -> Iterator[tuple[str, str]]:
    """(path within the archive, text) of its UTF-8 files up to 400 kB, in the archive's order."""
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as zipped:
            for item in zipped.infolist():
                if not item.is_dir() and item.file_size <= _LARGEST_FILE:
                    yield from _decoded(item.filename, zipped.read(item))
        return
    with archive.open("rb") as file:
        stream = _data_of_deb(file) if archive.suffix == ".deb" else file
        with tarfile.open(fileobj=stream, mode="r|*") as tar:
            for member in tar:
                if member.isfile() and member.size <= _LARGEST_FILE:
                    content = tar.extractfile(member)
                    if content is not None:
                        yield from _decoded(member.name.removeprefix("./"), content.read())


def _decoded(path: str, data: bytes) -> Iterator[tuple[str, str]]:
    if b"\0" in data[:1000]:
        return
    try:
        yield path, data.decode("utf-8")
    except UnicodeDecodeError:
        return


def _data_of_deb(file: IO[bytes]) -> IO[bytes]:
    """The data archive in a .deb, which is an ``ar`` archive of three members."""
    file.seek(8)
    while header := file.read(60):
        size = int(header[48:58])
        content = file.read(size + size % 2)
        if re.match(rb"data\.tar", header):
            return io.BytesIO(content[:size])
    raise tarfile.ReadError("no data in the package")
