"""What a server leaves on disk: its data directory and its log."""

from __future__ import annotations

import contextlib
import time
from itertools import takewhile
from pathlib import Path

_STILL_SECONDS = 10.0
_LEAST_BYTES = 100_000
_TROUBLE = ("Traceback", " ERROR ", " CRITICAL ")
_MOST_TROUBLE = 20
_CUT_SHORT = ("EOFError", "_pickle.UnpicklingError: pickle data was truncated")


def trouble(log: Path) -> list[str]:
    """The lines of a server's log that tell of an error, the first few of them; of a traceback its last line, too."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    found = []
    for number, line in enumerate(lines):
        if line.startswith("Traceback"):
            frames = list(takewhile(lambda each: each.startswith(" "), lines[number + 1 :]))
            error = "".join(lines[number + 1 + len(frames) :][:1])
            # A child process that was being started when the server was killed: it is gone, too.
            if "in spawn_main" not in "".join(frames) or not error.startswith(_CUT_SHORT):
                found.append(f"{line} {error}")
        elif any(word in line for word in _TROUBLE):
            found.append(line)
    return found[:_MOST_TROUBLE]


def size_of(folder: Path) -> tuple[int, int]:
    """Bytes and number of the files below a folder, which may be changing."""
    total = count = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file():
                total += path.stat().st_size
                count += 1
    return total, count


def wait_until_stored(data: Path, *, patience: float = 300.0) -> float:
    """Wait until nothing in a data directory has changed for some seconds; returns how long it took to get there.

    An index that is complete is in memory; it is written a little later. Raises TimeoutError.
    """
    began = changed = time.monotonic()
    before = (0, 0)
    while time.monotonic() - began < patience:
        now = size_of(data)
        if now != before:
            before, changed = now, time.monotonic()
        # A lock file and the like are there from the start.
        elif now[0] > _LEAST_BYTES and time.monotonic() - changed > _STILL_SECONDS:
            return changed - began
        time.sleep(0.1)
    raise TimeoutError(f"the index was not stored within {patience:.0f} s")
