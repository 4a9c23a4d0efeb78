"""The memory of this process is told in bytes on every system."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from conexus.processes import memory


@pytest.mark.parametrize(
    ("platform", "peak", "in_bytes"), [("darwin", 7 << 20, 7 << 20), ("freebsd", 7 << 10, 7 << 20)]
)
def test_without_proc_the_peak_is_told_in_bytes(
    monkeypatch: pytest.MonkeyPatch, platform: str, peak: int, in_bytes: int
) -> None:
    def missing(process: int | None = None) -> list[int]:
        raise FileNotFoundError

    monkeypatch.setattr(memory, "_statm", missing)
    monkeypatch.setattr(sys, "platform", platform)
    usage = SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda who: SimpleNamespace(ru_maxrss=peak))
    monkeypatch.setitem(sys.modules, "resource", usage)
    assert memory.resident_bytes() == in_bytes
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert memory.resident_bytes() == 0
