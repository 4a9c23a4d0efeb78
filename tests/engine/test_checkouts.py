"""`git checkout A; git checkout B`, again and again, at any moment: no ghost stays and no file is lost."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conexus.config import Settings
from conexus.indexing.commands import Rescan
from tests.repositories import changed_between, commit, git
from tests.workspaces import PATIENCE, Row, lexical, rows, running, snapshot_of, stored_rows, write
from tests.workspaces import OneClient as Engine

BRANCHES = ("one", "two", "three")


def function(name: str, answer: object = 0) -> str:
    return f"def {name}():\n    '''Says {answer}.'''\n    return {answer!r}\n"


def clear(root: Path) -> None:
    git(root, "rm", "-r", "--quiet", "--force", "--ignore-unmatch", ".")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three branches between which everything happens that git can do to a folder."""
    folder = tmp_path / "work"
    write(folder, {"steady/unchanged.py": function("unchanged"), "package/common.py": function("common", 1)})
    git(folder, "init", "--quiet", "--initial-branch", "one")

    write(folder, {f"package/module_{number}.py": function(f"module_{number}", 1) for number in range(120)})
    write(
        folder,
        {
            "Reader.py": function("reader"),  # renamed in nothing but case
            "docs/Guide/Start.md": "# Start\n\nHow to begin.\n",
            "tool.py": function("tool"),  # becomes a directory
            "plugin.py/inner.py": function("inner"),  # becomes a file
            "script.sh": "start() {\n  echo started\n}\n",  # becomes executable
            "link.py": function("no_link"),  # becomes a link
            "picture.txt": "The picture in words.\n",  # becomes binary
            "deep/er/and/deeper/still.py": function("still"),  # vanishes with its folders
            "ünïcode/späße.py": function("spaesse"),
            ".gitignore": "ignored/\n",
        },
    )
    commit(folder, "one")

    git(folder, "checkout", "--quiet", "-b", "two")
    clear(folder)
    write(folder, {"steady/unchanged.py": function("unchanged"), "package/common.py": function("common", 2)})
    write(folder, {f"package/module_{number}.py": function(f"module_{number}", 2) for number in range(0, 120, 2)})
    write(folder, {f"package/sub/new_{number}.py": function(f"new_{number}") for number in range(60)})
    write(
        folder,
        {
            "reader.py": function("reader"),
            "docs/guide/start.md": "# Start\n\nHow to begin.\n",
            "tool.py/core.py": function("core"),
            "tool.py/more/parts.py": function("parts"),
            "plugin.py": function("plugin"),
            "script.sh": "start() {\n  echo started\n}\n",
            "picture.txt": "The picture \0 in bytes.\n",
            ".gitignore": "local/\n",
        },
    )
    (folder / "script.sh").chmod(0o755)
    (folder / "link.py").symlink_to("reader.py")
    commit(folder, "two")

    git(folder, "checkout", "--quiet", "--orphan", "three")
    clear(folder)
    write(folder, {"steady/unchanged.py": function("unchanged"), "package": "A file of this name.\n"})
    commit(folder, "three")
    git(folder, "checkout", "--quiet", "one")
    # No branch's files; each is ignored in some of the branches.
    write(folder, {"ignored/mine.py": function("mine"), "local/draft.py": function("draft")})
    return folder


def until_equal(engine: Engine, expected: list[Row]) -> None:
    """An event may still be under way when everything that was heard of is done."""
    deadline = time.monotonic() + PATIENCE
    while True:
        assert engine.wait(PATIENCE), engine.status()
        found = rows(snapshot_of(engine))
        if found == expected:
            return
        if time.monotonic() > deadline:
            assert paths(found) == paths(expected)
            assert found == expected
        threading.Event().wait(0.05)


def paths(found: list[Row]) -> list[object]:
    return sorted({row[0] for row in found}, key=str)


def fresh(root: Path, data: Path) -> tuple[list[Row], dict[str, dict[str, float]]]:
    with running(root, data) as engine:
        return rows(snapshot_of(engine)), lexical(snapshot_of(engine))


def checkouts(root: Path, seed: int, number: int, hint: Callable[[str, str], None]) -> None:
    """Random branches at random moments; ``hint`` gets the names of the former and the new one."""
    chance = random.Random(seed)  # noqa: S311  repeatable, not secret
    now = "one"
    for _ in range(number):
        former, now = now, chance.choice([branch for branch in BRANCHES if branch != now])
        git(root, "checkout", "--quiet", now)
        hint(former, now)
        threading.Event().wait(chance.choice([0, 0, 0.03, 0.1, 0.4]))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("watcher", ["server", "off"])
@pytest.mark.parametrize("waits", [True, False], ids=["indexed before", "during the first index"])
def test_the_index_ends_equal_to_a_fresh_one(root: Path, data: Path, seed: int, watcher: str, waits: bool) -> None:
    engine = Engine(Settings(watcher=watcher), data_directory=data)  # type: ignore[arg-type]

    def hint(former: str, now: str) -> None:
        if watcher == "off":  # the client watches, and reports each file
            engine.hint([root / path for path in changed_between(root, former, now)])

    try:
        engine.start([root])
        if waits:
            assert engine.wait(PATIENCE), engine.status()
        checkouts(root, seed, 10, hint)
        expected, words = fresh(root, data.with_name("fresh"))
        until_equal(engine, expected)
        assert lexical(snapshot_of(engine)) == words
        assert engine.store(PATIENCE), engine.status()
    finally:
        engine.close()
    assert stored_rows(engine) == expected


def test_hints_of_each_file_suffice(root: Path, data: Path) -> None:
    """Without a watcher, and before any scan, the index is right as soon as it says so."""
    expected = {}
    for branch in BRANCHES:
        git(root, "checkout", "--quiet", branch)
        expected[branch], _ = fresh(root, data.with_name(f"fresh {branch}"))
    now = BRANCHES[-1]
    with running(root, data) as engine:
        for branch in (*BRANCHES, *reversed(BRANCHES)):
            git(root, "checkout", "--quiet", branch)
            engine.hint([root / path for path in changed_between(root, now, branch)])
            now = branch
            assert engine.wait(PATIENCE), engine.status()
            found = rows(snapshot_of(engine))
            assert paths(found) == paths(expected[branch]), branch
            assert found == expected[branch], branch


@pytest.mark.parametrize("told", ["hint", "scan"])
@pytest.mark.parametrize("change", ["deleted", "rewritten"])
def test_a_directory_that_changes_while_workers_read_it(tmp_path: Path, change: str, told: str) -> None:
    """One hint for the whole directory, or one scan: what workers read of its files before does not count."""
    root = tmp_path / "work"
    write(root, {f"package/module_{number}.py": function(f"f_{number}") * 150 for number in range(200)})
    engine = Engine(Settings(watcher="off", workers=2), data_directory=tmp_path / "data")
    try:
        engine.start([root])
        sync, deadline = engine.engine.indexer, time.monotonic() + PATIENCE
        while not (sync._bulk._answered and sync._bulk._flying) and time.monotonic() < deadline:
            threading.Event().wait(0.001)
        shutil.rmtree(root / "package")
        if change == "rewritten":
            write(root, {f"package/module_{number}.py": function(f"g_{number}") for number in range(200)})
        if told == "hint":
            engine.hint([root / "package"])
        else:
            sync._loop.post(Rescan(str(root), "a test"))
        assert engine.wait(PATIENCE), engine.status()
        found = rows(snapshot_of(engine))
        assert engine.store(PATIENCE), engine.status()
    finally:
        engine.close()
    assert found == stored_rows(engine) == fresh(root, tmp_path / "fresh")[0]
