"""Killed at any moment, the index ends equal to one that is made afresh, row by row, and nobody is left behind.

Each kind of moment is one test of ``CONEXUS_CRASH_ROUNDS`` rounds (a few, where nothing is said), whose random numbers
begin with ``CONEXUS_CRASH_SEED``. The data directory goes on from round to round, with whatever a kill left in it; what
a start makes of it is looked at in a copy.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults import (
    assert_equal_to_fresh,
    assert_none_left,
    assert_stored,
    changes_of,
    difference,
    fresh_rows,
    kill,
    kill_server,
    processes_of,
    seeded,
    server,
    until,
)
from tests.lsp.raw import RawClient
from tests.workspaces import rows, running, snapshot_of, write

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

ROUNDS = int(os.environ.get("CONEXUS_CRASH_ROUNDS", "0"))
SEED = os.environ.get("CONEXUS_CRASH_SEED", "0")

#: Longer than anything that a kill is to hit takes; a kill that waits so long comes then.
_LONGEST = 5.0
#: Longer than the files of one batch are apart.
_BATCH = 0.5


def rounds(few: int) -> range:
    return range(ROUNDS or few)


class World:
    """A workspace that is edited at random, a data directory, and the servers that work on them."""

    def __init__(self, directory: Path, kind: str) -> None:
        self.root, self.data, self.copy = directory / "work", directory / "data", directory / "copy"
        self.scratch = directory / "fresh"
        self.root.mkdir()
        self.random = seeded(f"{kind} {SEED}")
        self.servers: list[RawClient] = []
        self._number = 0
        for _ in range(8):
            self.edit()

    # --- the workspace ---

    def text(self) -> str:
        """A file's text, like no other."""
        self._number += 1
        names = [f"{self.random.choice(WORDS)}_{self.random.choice(WORDS)}_{self._number}" for _ in range(3)]
        return "\n\n".join(f"def {name}(value):\n    return {name[::-1]}(value)\n" for name in names)

    def edit(self) -> Path:
        """Change something on disk; returns where."""
        files = sorted(path for path in self.root.rglob("*") if path.is_file())
        match self.random.randrange(8):
            case 0 if len(files) > 4:
                path = self.random.choice(files)
                path.unlink()
            case 1 if files:
                path = self.random.choice(files)
                path.replace(path.with_name(f"moved_{self._number}.py"))
                path = path.parent
            case 2 | 3 | 4 if files:
                path = self.random.choice(files)
                path.write_text(self.text(), encoding="utf-8")
            case _:
                path = self.root / self.random.choice(("", "a", "a/b")) / f"module_{self._number}.py"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(self.text(), encoding="utf-8")
        return path

    def many(self, count: int) -> None:
        """So many files that worker processes read them."""
        write(self.root, {f"many/module_{number}.py": self.text() for number in range(count)})

    # --- servers ---

    def start(self) -> RawClient:
        client = server(self.data)
        self.servers.append(client)
        client.initialize(self.root)
        return client

    def edit_through(self, client: RawClient) -> None:
        """Change something and say so to a server."""
        changed = self.edit()
        client.notify("workspace/didChangeWatchedFiles", {"changes": [{"uri": changed.as_uri(), "type": 2}]})

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Until something is so, or long enough that it will not be."""
        deadline = time.monotonic() + _LONGEST
        while not condition() and time.monotonic() < deadline:
            threading.Event().wait(0.002)

    def wait_until_quiet(self, changes: Callable[[], int]) -> None:
        """Until the last batch is written: nothing has changed for longer than one takes."""
        seen, since = changes(), time.monotonic()

        def quiet() -> bool:
            nonlocal seen, since
            if changes() != seen:
                seen, since = changes(), time.monotonic()
            return time.monotonic() - since > _BATCH

        self.wait_until(quiet)

    def let_time_pass(self, most: float) -> None:
        """The moment of a kill: any."""
        threading.Event().wait(self.random.random() * most)

    def after_kill(self) -> None:
        """Nobody is left, and the next start makes of what is left a fresh index."""
        assert_none_left(self.data)
        shutil.copytree(self.data, self.copy)
        try:
            assert_equal_to_fresh(self.root, self.copy, self.scratch)
        finally:
            shutil.rmtree(self.copy)

    def at_the_end(self) -> None:
        assert_equal_to_fresh(self.root, self.data, self.scratch)


WORDS = (
    "renew",
    "session",
    "parse",
    "header",
    "retry",
    "socket",
    "invoice",
    "matrix",
    "token",
    "cache",
    "walk",
    "tree",
)


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(tmp_path, request.node.name)
    try:
        yield made
    finally:
        for client in made.servers:
            client.process.kill()
        for pid in processes_of(made.data):
            kill(pid)
        for client in made.servers:
            client.wait()


def test_a_kill_during_the_first_index(world: World) -> None:
    for number in rounds(2):
        shutil.rmtree(world.data, ignore_errors=True)
        world.many(world.random.randrange(45, 90))
        client = world.start()
        if number % 2:
            changes, wanted = changes_of(world.data), world.random.randrange(1, 12)
            world.wait_until(lambda: changes() >= wanted)  # noqa: B023  called in this round alone
        else:
            files = world.random.randrange(80)
            world.wait_until(lambda: client.request("conexus/status")["files"] >= files)  # noqa: B023
        kill_server(client)
        world.after_kill()
    world.at_the_end()


def test_a_kill_during_edits(world: World) -> None:
    for _ in rounds(2):
        client = world.start()
        client.wait_until_quiescent()
        for _ in range(world.random.randrange(1, 6)):
            world.edit_through(client)
            world.let_time_pass(0.1)
        kill_server(client)
        world.after_kill()
    world.at_the_end()


def test_a_kill_during_a_flush(world: World) -> None:
    for _ in rounds(2):
        client = world.start()
        client.wait_until_quiescent()
        changes, wanted = changes_of(world.data), world.random.randrange(1, 25)
        deadline = time.monotonic() + _LONGEST
        while changes() < wanted and time.monotonic() < deadline:
            world.edit_through(client)
            seen = changes()
            world.wait_until(lambda: changes() > seen)  # noqa: B023
        world.let_time_pass(0.01)
        kill_server(client)
        world.after_kill()
    world.at_the_end()


def test_a_kill_during_maintenance(world: World) -> None:
    for _ in rounds(1):
        shutil.rmtree(world.data, ignore_errors=True)  # old versions stay for minutes, and are looked through
        client = world.start()
        client.wait_until_quiescent()
        changes = changes_of(world.data)
        for _ in range(110):  # two or three of them are a batch, and forty batches are worth maintenance
            world.edit_through(client)
            seen = changes()
            world.wait_until(lambda: changes() > seen)  # noqa: B023
        world.wait_until_quiet(changes)
        wanted = changes() + world.random.randrange(1, 14)
        world.wait_until(lambda: changes() >= wanted)  # noqa: B023
        world.let_time_pass(0.005)
        kill_server(client)
        world.after_kill()
    world.at_the_end()


def test_a_kill_during_a_takeover(world: World) -> None:
    for _ in rounds(1):
        first = world.start()
        first.wait_until_quiescent()
        until(lambda: first.request("conexus/status")["role"] == "writer")  # noqa: B023
        second = world.start()
        second.wait_until_quiescent()
        for client in (first, second, first):
            world.edit_through(client)
        world.let_time_pass(0.3)
        kill_server(first)
        until(lambda: len(processes_of(world.data)) >= 1)
        changes, wanted = changes_of(world.data), world.random.randrange(12)
        world.wait_until(lambda: changes() >= wanted)  # noqa: B023
        world.let_time_pass(0.02)
        kill_server(second)
        world.after_kill()
    world.at_the_end()


def test_a_killed_child_is_replaced(world: World) -> None:
    for _ in rounds(1):
        world.many(world.random.randrange(100, 200))
        client = world.start()
        for _ in range(world.random.randrange(1, 4)):
            world.wait_until(lambda: bool(_children(world.data, client)))  # noqa: B023
            world.let_time_pass(0.3)
            children = _children(world.data, client)
            if children:
                kill(world.random.choice(children))
            world.edit_through(client)
        status = client.wait_until_quiescent()
        expected = fresh_rows(world.root, world.scratch)
        assert status["chunks"] == len(expected), status
        assert status["folders"][0]["skipped"] == {}, status
        assert client.shut_down() == 0
        assert_none_left(world.data)
        with running(world.root, world.data) as engine:
            found = rows(snapshot_of(engine))
            assert found == expected, difference(found, expected)
        assert_stored(world.root, world.data, expected)


def _children(data: Path, client: RawClient) -> list[int]:
    """All processes below a server, and so whatever it delegates work to."""
    found = []
    for pid in processes_of(data):
        ancestor = pid
        with suppress(OSError):
            while ancestor > 1 and ancestor != client.process.pid:
                ancestor = int(Path(f"/proc/{ancestor}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            if ancestor == client.process.pid != pid:
                found.append(pid)
    return found
