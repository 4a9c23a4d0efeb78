"""Faults for tests: processes that are killed, index files that are damaged. Disks are in tests/disks.py.

Of an index nothing is known here but that it is files below the data directory, and that an engine which leaves the
workspace's files alone (it is paused) answers from them.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from conexus.config import Settings
from conexus.values import Status
from tests.lsp.raw import RawClient, server_environment
from tests.workspaces import PATIENCE, Row, rows, running, snapshot_of
from tests.workspaces import OneClient as Engine

#: What makes a user's server gentle would make a test of it long: seconds between batches, before the first one, before
#: another try, before the tables are compacted. The only names of the index's inside that these tests know.
HURRY: Mapping[str, Mapping[str, float]] = {
    "conexus.indexing.write_behind": {
        "FLUSH_SECONDS": 0.05,
        "_FIRST_REST_SECONDS": 0.1,
        "_LONGEST_REST_SECONDS": 0.3,
        "LIST_SECONDS": 0.1,
        "_LOCK_RETRY_SECONDS": 0.1,
    },
    "conexus.indexing.maintenance": {"_MAINTENANCE_IDLE_SECONDS": 0.3, "_WORKERS_IDLE_SECONDS": 0.1},
}

_HURRIED_COMMAND = """
import importlib, json, sys
for module, values in json.loads(sys.argv.pop(1)).items():
    for name, value in values.items():
        assert hasattr(importlib.import_module(module), name), f"{module}.{name}: see tests/faults.py"
        setattr(sys.modules[module], name, value)
from conexus.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the engines of this process as impatient as ``HURRY`` says."""
    for module, values in HURRY.items():
        for name, value in values.items():
            monkeypatch.setattr(importlib.import_module(module), name, value)


def hurried(*arguments: str) -> list[str]:
    """The command ``conexus``, in a hurry."""
    return [sys.executable, "-c", _HURRIED_COMMAND, json.dumps(HURRY), *arguments]


def seeded(name: str) -> Random:
    """Chance that is the same in every run."""
    return Random(name)  # noqa: S311  nothing is kept secret with it


def until(
    condition: Callable[[], object], explain: Callable[[], object] = lambda: "", patience: float = PATIENCE
) -> None:
    """Wait for a condition that nobody announces. ``explain`` says what was there instead."""
    deadline = time.monotonic() + patience
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, explain()
        pause.wait(0.01)


# --- what an index holds ---


def fresh_rows(root: Path, scratch: Path) -> list[Row]:
    """What an index that is made afresh holds; ``scratch`` is a directory for it, removed again."""
    try:
        with running(root, scratch) as engine:
            return rows(snapshot_of(engine))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def assert_stored(root: Path, data: Path, expected: list[Row], patience: float = PATIENCE / 3) -> None:
    """An engine that is not let at the workspace's files finds these rows, and so they are in the index on disk."""
    engine = Engine(Settings(watcher="off"), data_directory=data)
    engine.pause()
    try:
        engine.start([root])
        found: list[list[Row]] = [[]]

        def same() -> bool:
            found[0] = rows(snapshot_of(engine))
            return found[0] == expected

        until(same, lambda: f"stored: {difference(found[0], expected)} {engine.status()}", patience)
    finally:
        engine.close()


def holds(root: Path, data: Path, expected: list[Row], copy: Path) -> bool:
    """Whether an index that is in use holds these rows on disk: a copy of it is looked at, removed again."""
    try:
        shutil.copytree(data, copy)
        assert_stored(root, copy, expected, patience=1.0)
    except (shutil.Error, OSError, AssertionError):  # it is being written, or not yet
        return False
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    return True


def difference(found: list[Row], expected: list[Row]) -> str:
    """Two lists of rows compared, in words that fit on a screen."""
    missing = [row for row in expected if row not in found]
    extra = [row for row in found if row not in expected]
    return (
        f"{len(found)} rows, {len(expected)} expected; missing {len(missing)}: {_named(missing)}; "
        f"extra {len(extra)}: {_named(extra)}"
    )


def _named(some: list[Row]) -> list[object]:
    return [row[:4] for row in some[:4]]


def assert_equal_to_fresh(root: Path, data: Path, scratch: Path) -> None:
    """The next start on a data directory converges, and what it stores when it ends is a fresh index."""
    expected = fresh_rows(root, scratch)
    with running(root, data) as engine:
        found = rows(snapshot_of(engine))
        assert found == expected, difference(found, expected)
        until(lambda: engine.status().role == "writer", engine.status)
    assert_stored(root, data, expected)


# --- processes ---


def server(data: Path, **environment: str) -> RawClient:
    """The real server, in a hurry."""
    return RawClient({**server_environment(data), **environment}, command=hurried("serve", "--stdio"))


def processes_of(data: Path) -> list[int]:
    """Every process that was started to work on a data directory, with all that those started."""
    mark = f"CONEXUS_DATA_DIR={data}".encode()
    found = []
    for directory in Path("/proc").iterdir():
        if directory.name.isdecimal():
            with suppress(OSError):
                if mark in (directory / "environ").read_bytes().split(b"\0"):
                    found.append(int(directory.name))
    return found


def kill(pid: int) -> None:
    """End a process as no process can see coming; one that has just ended by itself is fine too."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_server(client: RawClient) -> None:
    """``kill -9`` of the server alone: its children must notice."""
    client.process.kill()
    client.wait()


def assert_none_left(data: Path) -> None:
    """No process is left of those that worked on a data directory."""
    until(lambda: not processes_of(data), lambda: [_command(pid) for pid in processes_of(data)])


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


# --- files of the index ---


def index_files(data: Path) -> list[Path]:
    """The files that hold the index, the oldest first: their names may be random."""
    found = []
    for directory, _, names in os.walk(data / "indexes"):
        for name in names:
            path = Path(directory, name)
            with suppress(OSError):  # gone already
                if not name.endswith(".lock"):
                    found.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(found)]


def changes_of(data: Path) -> Callable[[], int]:
    """Counts, since this call, how many files of the index were seen to come or to change."""
    seen = _states(data)
    count = 0

    def look() -> int:
        nonlocal count
        for state in _states(data) - seen:
            seen.add(state)
            count += 1
        return count

    return look


def _states(data: Path) -> set[tuple[str, int, int]]:
    found = set()
    for path in index_files(data):
        with suppress(OSError):
            facts = path.stat()
            found.add((str(path), facts.st_size, facts.st_mtime_ns))
    return found


def damage(path: Path, how: str, random: Random) -> None:
    """Do to a file what a broken disk or a stranger may do."""
    size = path.stat().st_size
    match how:
        case "delete":
            path.unlink()
        case "truncate":
            os.truncate(path, random.randrange(size) if size else 0)
        case "garbage":
            path.write_bytes(random.randbytes(max(size, 16)))
        case "overwrite":  # in place, for who has it mapped
            with path.open("r+b") as file:
                file.write(random.randbytes(size))
        case "zeros":
            with path.open("r+b") as file:
                file.write(bytes(size))
        case "empty":
            path.write_bytes(b"")
        case "flip":
            content = bytearray(path.read_bytes())
            if content:
                content[random.randrange(len(content))] ^= 1 << random.randrange(8)
            path.write_bytes(bytes(content))
        case "directory":
            path.unlink()
            path.mkdir()
        case _:
            raise ValueError(how)


# --- what users are told ---

#: An absolute path inside a sentence.
_ABSOLUTE = re.compile(r"(^|[\s\"'(:=])/[\w.]+/")
#: What a library says to its own makers.
_JARGON = re.compile(r"lance|rust|\.rs\b|os error|errno|traceback|exception", re.IGNORECASE)


def assert_for_users(status: Status, words: str) -> None:
    """A warning in words for a user: some of ``words`` (a pattern), no absolute path, nothing of a library's own."""
    assert status.health == "warning", status
    assert re.search(words, status.message, re.IGNORECASE), status.message
    assert not _ABSOLUTE.search(status.message), status.message
    assert not _JARGON.search(status.message), status.message
