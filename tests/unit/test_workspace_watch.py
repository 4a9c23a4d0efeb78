"""The watcher on real files. Tests wait for what they expect and never for a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conexus.workspace.ignore import IgnoreRules
from conexus.workspace.watcher import Watcher

PATIENCE = 30.0


class Heard:
    """What a watcher said so far."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.losses: list[str] = []
        self._changed = threading.Condition()

    def on_paths(self, paths: set[str]) -> None:
        with self._changed:
            self.paths |= paths
            self._changed.notify_all()

    def on_lost(self, reason: str) -> None:
        with self._changed:
            self.losses.append(reason)
            self._changed.notify_all()

    def wait(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE), (self.paths, self.losses)

    def has(self, *paths: str) -> None:
        self.wait(lambda: self.paths >= set(paths))

    def forget(self) -> None:
        with self._changed:
            self.paths.clear()
            self.losses.clear()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "sub").mkdir(parents=True)
    (tmp_path / "root" / "sub" / "old.py").touch()
    subprocess.run(["git", "init", "--quiet", "--initial-branch=one"], cwd=tmp_path / "root", check=True)
    return tmp_path / "root"


@pytest.fixture
def watcher(root: Path, heard: Heard) -> Iterator[Watcher]:
    rules = IgnoreRules(root, exclude=["*.tmp", "ignored/"])
    watcher = Watcher(root, heard.on_paths, heard.on_lost, rules.allows)
    watcher.start()
    heard.wait(lambda: heard.losses == ["watching began"])
    yield watcher
    watcher.stop()


@pytest.mark.usefixtures("watcher")
def test_changes_are_reported_relative_to_the_folder(root: Path, heard: Heard) -> None:
    (root / "new.py").write_text("x")
    (root / "sub" / "old.py").write_text("y")
    heard.has("new.py", "sub/old.py")
    heard.forget()
    (root / "new.py").unlink()
    heard.has("new.py")
    (root / "sub").rename(root / "moved")
    heard.has("sub", "moved")
    heard.forget()
    shutil.rmtree(root / "moved")
    heard.has("moved")
    assert heard.losses == []


@pytest.mark.usefixtures("watcher")
def test_a_new_tree_shows_by_its_top_at_least(root: Path, heard: Heard) -> None:
    (root / "a/b/c").mkdir(parents=True)
    (root / "a/b/c/x.py").touch()
    heard.has("a")


@pytest.mark.usefixtures("watcher")
def test_what_is_ignored_is_not_reported_but_ignore_files_are(root: Path, heard: Heard) -> None:
    (root / "ignored").mkdir()
    (root / "ignored" / "x.py").touch()
    (root / "x.tmp").touch()
    (root / "sub" / ".gitignore").touch()
    (root / "last.py").touch()
    heard.has("last.py", "sub/.gitignore")
    assert not {path for path in heard.paths if "ignored/" in path or path.endswith(".tmp")}


@pytest.mark.usefixtures("watcher")
def test_a_branch_switch_is_a_loss_and_gits_own_files_are_no_news(root: Path, heard: Heard) -> None:
    subprocess.run(["git", "symbolic-ref", "HEAD", "refs/heads/two"], cwd=root, check=True)
    heard.wait(lambda: "branch switched" in heard.losses)
    (root / "last.py").touch()
    heard.has("last.py")
    assert not {path for path in heard.paths if path.startswith(".git/")}


@pytest.mark.usefixtures("watcher")
def test_a_name_that_is_not_utf8_costs_no_more_than_a_restart(root: Path, heard: Heard) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe.py")).touch()
    heard.wait(lambda: "the watcher failed and was restarted" in heard.losses)
    (root / "after.py").touch()
    heard.has("after.py")


@pytest.mark.usefixtures("watcher")
def test_a_folder_that_was_replaced_is_watched_again(root: Path, heard: Heard) -> None:
    root.rename(root.with_name("aside"))
    root.mkdir()
    heard.wait(lambda: "the folder was moved or replaced" in heard.losses)
    heard.wait(lambda: "the folder is watched again" in heard.losses)
    (root / "after.py").touch()
    heard.has("after.py")


def test_a_process_that_is_killed_is_started_anew(root: Path, heard: Heard, watcher: Watcher) -> None:
    assert watcher._process is not None
    watcher._process.kill()
    heard.wait(lambda: "the watcher failed and was restarted" in heard.losses)
    (root / "after.py").touch()
    heard.has("after.py")


def test_the_process_ends_with_the_watcher_and_with_who_started_it(root: Path, heard: Heard, watcher: Watcher) -> None:
    former = watcher._process
    assert former is not None
    assert former.stdin is not None
    former.stdin.close()  # as if this process had been killed
    assert former.wait(PATIENCE) == 0
    heard.wait(lambda: "the watcher failed and was restarted" in heard.losses)
    latter = watcher._process
    assert latter is not None
    watcher.stop()
    watcher.wait()
    assert latter.poll() is not None


@pytest.mark.usefixtures("watcher")
def test_a_storm_is_one_loss(root: Path, heard: Heard) -> None:
    for number in range(5000):
        (root / f"{number}.py").touch()
    (root / "last.py").touch()
    heard.wait(lambda: "last.py" in heard.paths or "many files changed at once" in heard.losses)


def test_a_folder_reached_through_a_link_is_watched(root: Path, heard: Heard) -> None:
    link = root.with_name("link")
    link.symlink_to(root)
    watcher = Watcher(link, heard.on_paths, heard.on_lost)
    watcher.start()
    heard.wait(lambda: bool(heard.losses))
    (root / "sub" / "x.py").touch()
    heard.has("sub/x.py")
    watcher.stop()


def test_a_folder_that_is_not_there_yet_is_watched_once_it_is(tmp_path: Path, heard: Heard) -> None:
    watcher = Watcher(tmp_path / "later", heard.on_paths, heard.on_lost)
    watcher.start()
    (tmp_path / "later").mkdir()
    heard.wait(lambda: bool(heard.losses))
    known = len(heard.losses)
    (tmp_path / "later" / "x.py").touch()
    # Where the folder came while the watcher looked, it takes it for another one, and asks for a scan once more.
    heard.wait(lambda: "x.py" in heard.paths or len(heard.losses) > known)
    watcher.stop()


def test_a_stopped_watcher_is_silent_and_stops_twice(root: Path, heard: Heard) -> None:
    watcher = Watcher(root, heard.on_paths, heard.on_lost)
    watcher.stop()  # before it started
    watcher = Watcher(root, heard.on_paths, heard.on_lost)
    watcher.start()
    heard.wait(lambda: bool(heard.losses))
    watcher.stop()
    watcher.stop()
    watcher.wait()
    assert not any(thread.name == "conexus-watcher" for thread in threading.enumerate())
    heard.forget()
    (root / "x.py").touch()
    assert heard.paths == set()


def test_a_callback_may_stop_the_watcher(root: Path) -> None:
    done = threading.Event()

    def stop(_reason: str) -> None:
        watcher.stop()
        done.set()

    watcher = Watcher(root, lambda _paths: None, stop)
    watcher.start()
    assert done.wait(PATIENCE)


LIMITED = """
import sys, threading
from pathlib import Path
from conexus.workspace.watcher import Watcher
began, seen = threading.Event(), threading.Event()
watcher = Watcher(Path(sys.argv[1]), lambda paths: seen.set(), lambda reason: began.set())
watcher.start()
if sys.argv[2] == "watches":
    assert began.wait(30)
    Path(sys.argv[1], "x.py").touch()
    assert seen.wait(30)
else:
    while watcher.degraded is None:
        threading.Event().wait(0.01)
print(watcher.degraded)
watcher.stop()
"""


@pytest.mark.parametrize("limit", ["watches", "instances"])
def test_the_systems_limit_is_told_with_what_to_do(root: Path, limit: str) -> None:
    for number in range(30):
        (root / str(number)).mkdir()
    unshare = ["unshare", "--user", "--map-root-user", "sh", "-c"]
    allowed = 5 if limit == "watches" else 0
    setting = f"echo {allowed} > /proc/sys/user/max_inotify_{limit}"
    if shutil.which("unshare") is None or subprocess.run([*unshare, setting], check=False).returncode:
        pytest.skip("needs user namespaces")
    script = f'{setting} && exec "$0" -c "$1" "$2" {limit}'
    answer = subprocess.run(
        [*unshare, script, sys.executable, LIMITED, root],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert f"fs.inotify.max_user_{limit}=" in answer.stdout, answer.stderr


# --- links ---


def watched_numbers(watcher: Watcher) -> set[int]:
    """The inode numbers of what a watcher's process watches."""
    assert watcher._process is not None
    found = set()
    for file in Path(f"/proc/{watcher._process.pid}/fdinfo").iterdir():
        for line in file.read_text().splitlines():
            if line.startswith("inotify "):
                found.add(int(line.split("ino:")[1].split()[0], 16))
    return found


def numbers(*directories: Path) -> set[int]:
    return {directory.stat().st_ino for directory in directories}


needs_inotify = pytest.mark.skipif(not Path("/proc/self/fdinfo").is_dir(), reason="counts inotify watches")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A tree of directories outside the folder."""
    for number in range(5):
        (tmp_path / "outside" / str(number) / "deep").mkdir(parents=True)
    return tmp_path / "outside"


def all_below(top: Path) -> set[int]:
    return numbers(top, *(path for path in top.rglob("*") if path.is_dir()))


@needs_inotify
def test_links_of_directories_add_no_watch(root: Path, outside: Path, heard: Heard) -> None:
    (root / "link").symlink_to(outside)
    (root / "sub" / "loop").symlink_to(root)
    watcher = Watcher(root, heard.on_paths, heard.on_lost)
    watcher.start()
    heard.wait(lambda: bool(heard.losses))
    assert not watched_numbers(watcher) & all_below(outside)
    assert numbers(root, root / "sub", root / ".git", root / ".git/info") == watched_numbers(watcher)
    (root / "late").symlink_to(outside)
    (root / "sub" / "new").mkdir()
    (root / "sub" / "new" / "link").symlink_to(outside)
    heard.has("late", "sub/new")
    (root / "sub" / "new" / "x.py").touch()
    heard.has("sub/new/x.py")
    assert not watched_numbers(watcher) & all_below(outside)
    watcher.stop()


@needs_inotify
def test_a_directory_that_is_swapped_for_a_link_is_not_watched_through_it(
    root: Path, outside: Path, heard: Heard, watcher: Watcher
) -> None:
    (root / "sub").rename(root / "aside")
    (root / "sub").symlink_to(outside)
    heard.has("sub", "aside")
    (outside / "0" / "x.py").touch()
    (root / "aside" / "x.py").touch()
    heard.has("aside/x.py")
    assert "sub/0/x.py" not in heard.paths
    assert not watched_numbers(watcher) & all_below(outside)
    (root / "sub").unlink()
    (root / "aside").rename(root / "sub")
    heard.forget()
    heard.wait(lambda: (root / "sub" / "again.py").write_text("x") > 0 and "sub/again.py" in heard.paths)


@pytest.mark.usefixtures("watcher")
def test_what_changes_in_new_moved_and_replaced_directories_is_reported(root: Path, heard: Heard) -> None:
    for number in range(40):
        (root / "tree" / str(number) / "a" / "b").mkdir(parents=True)
    heard.has("tree")
    heard.wait(lambda: _written(root / "tree/39/a/b/x.py") and "tree/39/a/b/x.py" in heard.paths)
    (root / "tree").rename(root / "sub" / "moved")
    heard.has("sub/moved")
    heard.wait(lambda: _written(root / "sub/moved/7/a/y.py") and "sub/moved/7/a/y.py" in heard.paths)
    shutil.rmtree(root / "sub")
    heard.has("sub")
    heard.forget()
    (root / "sub" / "moved" / "7").mkdir(parents=True)
    heard.has("sub")
    heard.wait(lambda: _written(root / "sub/moved/7/z.py") and "sub/moved/7/z.py" in heard.paths)
    assert heard.losses == []


def _written(file: Path) -> bool:
    file.write_text("x")
    return True


@needs_inotify
def test_more_directories_than_are_allowed_are_told(root: Path, heard: Heard) -> None:
    for number in range(30):
        (root / str(number)).mkdir()
    watcher = Watcher(root, heard.on_paths, heard.on_lost, most_directories=10)
    watcher.start()
    heard.wait(lambda: bool(heard.losses))
    assert "maxWatchedDirectories" in str(watcher.degraded)
    assert len(watched_numbers(watcher)) == 10
    (root / "x.py").touch()
    heard.has("x.py")
    watcher.stop()
