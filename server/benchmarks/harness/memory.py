"""The memory and the processor time of a process and all its descendants (Linux)."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from benchmarks.harness.background import Background

_EVERY_SECONDS = 0.2


def processes_of(process: int) -> list[int]:
    """A process and its descendants."""
    found = [process]
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in children.read_text(encoding="ascii").split():
                found += processes_of(int(child))
    return found


def proportional_mib(process: int) -> float:
    """Proportional set size, in MiB: what several processes share is counted once."""
    kib = 0
    for each in processes_of(process):
        with contextlib.suppress(OSError):  # it has just ended
            for line in Path(f"/proc/{each}/smaps_rollup").read_text(encoding="ascii").splitlines():
                if line.startswith("Pss:"):
                    kib += int(line.split()[1])
    return kib / 1024


def resident_mib(process: int) -> dict[str, float]:
    """What one process alone holds, in MiB: `VmRSS`, its peak `VmHWM`, and its parts `RssAnon` and `RssFile`.

    Pages of mapped files are in `RssFile`: the system takes them back when it needs them. Raises OSError.
    """
    wanted = ("VmRSS", "VmHWM", "RssAnon", "RssFile")
    lines = (line.split() for line in Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines())
    return {line[0][:-1]: int(line[1]) / 1024 for line in lines if line[0][:-1] in wanted}


def descriptors(process: int) -> int:
    """How many files, sockets and pipes a process and its descendants have open."""
    count = 0
    for each in processes_of(process):
        with contextlib.suppress(OSError):  # it has just ended
            count += sum(1 for _ in Path(f"/proc/{each}/fd").iterdir())
    return count


def cpu_seconds(process: int) -> float:
    """The processor time that a process and its descendants have taken, as far as they still run."""
    ticks = 0
    for each in processes_of(process):
        with contextlib.suppress(OSError):  # it has just ended
            # The name, in brackets, may have blanks in it; user and system time are the 14th and 15th of all fields.
            fields = Path(f"/proc/{each}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def processes_with(name: str, value: str) -> list[int]:
    """The running processes that were started with this variable in their environment, whoever their parent is."""
    wanted = f"{name}={value}".encode()
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # it has just ended, or is another user's
            if process.name.isdecimal() and wanted in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


class PeakMemory(Background):
    """Watches a process in a thread, in a ``with`` statement; ``mib`` is the largest value seen."""

    def __init__(self, process: int) -> None:
        super().__init__(self._watch)
        self.mib = 0.0
        self._process = process

    def _watch(self) -> None:
        while not self.ending.wait(_EVERY_SECONDS):
            self.mib = max(self.mib, proportional_mib(self._process))
