"""Disks that are small, full or cannot be written. Only root can have them."""

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
def small_disk(place: Path, *, size: int) -> Iterator[Path]:
    """A disk at a place, of a size in bytes. Raises NoFileSystem."""
    _mount("-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(place))
    try:
        yield place
    finally:
        _unmount(place)


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
    filler = place / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            while True:  # what does not fit is cut, until nothing fits
                file.write(bytes(2**16))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    try:
        yield
    finally:
        filler.unlink()


def _mount(*arguments: str) -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise NoFileSystem("mounting a file system needs Linux and root")
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoFileSystem(f"mounting is not possible here: {done.stderr.strip()}")


def _unmount(place: Path) -> None:
    subprocess.run(["umount", "--lazy", str(place)], check=False)
