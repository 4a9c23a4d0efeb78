"""The memory of processes: how much they use, how much they may use, and how unused memory is returned."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from functools import cache
from pathlib import Path, PurePosixPath

#: Parameter numbers of mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
#: Size in bytes above which a freed array is returned straight to the system. By default glibc raises this threshold to
#: 32 MiB, and holes then stay in the heap.
_LARGE = 4 << 20
#: Free bytes at the end of the heap that the server and its helper processes keep for later allocations. A request
#: allocates and frees some ten MiB.
KEPT, KEPT_BY_HELPERS = 32 << 20, 1 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def limit(kept: int = KEPT) -> None:
    """Limits the unused memory of this process: one heap for all threads, with ``kept`` free bytes at its end.

    Only glibc's allocator needs this.

    One heap suffices: one heap for each thread, the default, makes threads no faster, because they hold Python's lock
    while they allocate.
    """
    for parameter, value in ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, kept)):
        _call("mallopt", parameter, value)


def trim() -> None:
    """Returns free memory to the system."""
    _call("malloc_trim", 0)


def mapped_bytes() -> int:
    """Returns how many bytes of mapped files are in this process's memory; 0 if the system does not report it."""
    try:
        return _statm()[2] * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


def resident_bytes() -> int:
    """Returns the memory of this process, with files that it maps, in bytes.

    Without /proc, returns the most that it ever used; 0 if the system does not report that either.
    """
    try:
        return _statm()[1] * _PAGE
    except (OSError, ValueError, IndexError):
        return _peak_bytes()


def private_bytes(process: int | None = None) -> int:
    """Returns the memory that a process uses, without files that it maps, in bytes. ``process``: its number, or ours.

    Returns 0 for a process that has ended, and on systems that do not report it. On macOS only the most that our own
    process ever used is known, with mapped files.
    """
    try:
        fields = _statm(process)
        return (fields[1] - fields[2]) * _PAGE
    except (OSError, ValueError, IndexError):
        return _peak_bytes() if process is None else 0


#: Exit code of a process that ended itself because it used more memory than it may.
OUT_OF_MEMORY = 77
_WATCH_SECONDS = 0.05
#: Bytes by which the private memory that a process reserved may exceed what it uses, because freed memory between used
#: memory is not given back.
HOLES = 64 << 20


class OwnLimit:
    """Limits how much the memory of this process may grow. A helper process has one, its main thread owns it.

    On Linux the system refuses memory above the limit (RLIMIT_DATA, which counts no mapped files): Python raises
    MemoryError, and native code ends the process. Elsewhere a thread looks, and ends the process.
    """

    def __init__(self) -> None:
        """Measures what the process uses without any work."""
        self._rest = _data_bytes() if sys.platform == "linux" else private_bytes()
        self._most = 0
        if sys.platform != "linux":
            threading.Thread(target=self._watch, name="memory", daemon=True).start()

    def set(self, growth: int) -> None:
        """Lets the process use ``growth`` bytes more than it used without any work."""
        self._most = self._rest + growth + (HOLES if sys.platform == "linux" else 0)
        if sys.platform == "linux":
            import resource

            hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
            soft = self._most if hard == resource.RLIM_INFINITY else min(self._most, hard)
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))

    def _watch(self) -> None:
        pause = threading.Event()
        while not pause.wait(_WATCH_SECONDS):
            if 0 < self._most < private_bytes():
                os._exit(OUT_OF_MEMORY)


def _data_bytes() -> int:
    """Returns what Linux compares with RLIMIT_DATA: the private memory that was reserved, used or not."""
    return _statm()[5] * _PAGE


#: The most that is read of a file of the system's that says what a control group may use.
_LONGEST = 4096


def available_mib(root: Path = Path("/")) -> int | None:
    """Returns the memory that the control group of this process may use, in MiB; None if it has no limit of its own."""
    limits = []
    try:
        groups = _begin_of(root / "proc/self/cgroup").splitlines()
        own = next((line.split(":", 2)[2] for line in groups if line.startswith("0::")), "/")
        group = PurePosixPath(own)
        for each in (group, *group.parents):
            with contextlib.suppress(OSError, ValueError):
                limits.append(int(_begin_of(root / "sys/fs/cgroup" / str(each).lstrip("/") / "memory.max")) >> 20)
    except OSError:
        return None
    return min(limits, default=None)


def _begin_of(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_LONGEST).decode("ascii", "replace")


def _statm(process: int | None = None) -> list[int]:
    """Returns what Linux counts of a process's memory, in pages: the fields of proc_pid_statm(5).

    ``process``: its number, or ours. Raises OSError for a process that has ended, and on other systems.
    """
    with open(f"/proc/{process or 'self'}/statm", "rb") as file:  # noqa: PTH123 - a hot path
        return [int(field) for field in file.read(200).split()]


def _peak_bytes() -> int:
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


def _call(name: str, *arguments: int) -> None:
    library = _libc()
    if library is not None and hasattr(library, name):
        getattr(library, name)(*arguments)


@cache
def _libc() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL("libc.so.6") if sys.platform == "linux" else None
    except OSError:
        return None
