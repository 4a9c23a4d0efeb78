"""Disks for tests and benchmarks: small ones, full ones, and some that cannot be written. Only root can have them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NoFileSystem(RuntimeError):
    """A file system of its own cannot be had here; the message says why."""


@contextmanager
def small_disk(place: Path, *, size: int | str) -> Iterator[Path]:
    """A disk at a place; ``size``: in bytes, or as ``mount`` takes it (``16m``). Raises NoFileSystem."""
    place.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(place))
    try:
        yield place
    finally:
        _unmount(place)


def enlarge(place: Path, *, size: int | str) -> None:
    """Give a small disk more room."""
    _mount("-o", f"remount,size={size}", str(place))


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    """Nothing at a place can be written, by root neither: modes would not stop it. Raises NoFileSystem.

    What was opened before stays as it was.
    """
    _mount("--bind", str(place), str(place))
    try:
        _mount("-o", "remount,bind,ro", str(place))
        yield
    finally:
        _unmount(place)


@contextmanager
def full(place: Path) -> Iterator[None]:
    """No byte is left on the disk that a directory lies on."""
    filler = fill(place)
    try:
        yield
    finally:
        filler.unlink()


def fill(place: Path) -> Path:
    """Leave no byte on the disk that a directory lies on. Returns the file to delete for that to end."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (2**20, 4096, 1):
            _fill(file.fileno(), size)
    return filler


def _fill(descriptor: int, size: int) -> None:
    """Write blocks until one does not fit as a whole."""
    try:
        while os.write(descriptor, b"\0" * size) == size:
            pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def _mount(*arguments: str) -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise NoFileSystem("mounting a file system needs Linux and root")
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoFileSystem(f"mounting is not possible here: {done.stderr.strip()}")


def _unmount(place: Path) -> None:
    subprocess.run(["umount", "--lazy", str(place)], check=False)
