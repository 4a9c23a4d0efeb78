"""Disks for tests: small, full and read-only ones. Where none can be mounted, the test is skipped."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A disk at a place, of a size as ``mount`` takes it (``16m``)."""
    place.mkdir()
    with _mounted(place, "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs"):
        yield place


def enlarge(disk: Path, size: str) -> None:
    """Give a small disk more room."""
    _mount("-o", f"remount,size={size}", disk)


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    """Nothing at a place can be written, by root neither: modes would not stop it.

    What was opened before stays as it was.
    """
    with _mounted(place, "--bind", place):
        _mount("-o", "remount,bind,ro", place)
        yield


def fill(disk: Path) -> Path:
    """Leave no byte on a disk. Returns the file to delete for that to end."""
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            while True:  # what does not fit is cut, until nothing fits
                file.write(bytes(4096))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    return filler


@contextmanager
def _mounted(place: Path, *arguments: str | Path) -> Iterator[None]:
    _mount(*arguments, place)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=False)


def _mount(*arguments: str | Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not possible here: {done.stderr.strip()}")
