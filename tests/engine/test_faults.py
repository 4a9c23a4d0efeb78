"""Full disks, read-only and damaged indexes, clocks that jump, hostile workspaces: said, survived, repaired."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import pytest

from conexus.indexing import write_behind as persistence
from conexus.indexing.folder_index import FolderIndex
from conexus.indexing.write_behind import WriteBehind, _Outcome
from conexus.storage.folder_store import FolderStore
from conexus.storage.lance.process import LanceProcess
from conexus.values import Place, Position, Status, TextRange
from tests.disks import enlarge, fill, read_only, small_disk
from tests.faults import (
    assert_for_users,
    assert_none_left,
    assert_stored,
    damage,
    difference,
    fresh_rows,
    holds,
    hurry,
    index_files,
    seeded,
    server,
    until,
)
from tests.lsp.raw import server_environment
from tests.workspaces import PATIENCE, Row, rows, running, snapshot_of, write
from tests.workspaces import OneClient as Engine

FIXTURE = """
//- /app/session.py
class SessionStore:
    '''Keeps the sessions of signed-in users.'''

    def renew(self, token):
        return self.expiry_of(token)

    def expiry_of(self, token):
        return lookup_table[token]
//- /app/mail.py
def send_newsletter(recipients):
    for each in recipients:
        deliver(each)
//- /README.md
# Example

How to run it.
"""

FULL = "full|no space|room"
READ_ONLY = "read-only|cannot be (written|used)"

#: How many damaged indexes each of the tests at random makes.
ROUNDS = int(os.environ.get("CONEXUS_FAULT_ROUNDS", "4"))
SEED = os.environ.get("CONEXUS_FAULT_SEED", "0")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


def settle(engine: Engine) -> list[Row]:
    """What is searchable once all is."""
    assert engine.wait(PATIENCE), engine.status()
    return rows(snapshot_of(engine))


def change(engine: Engine, root: Path, path: str, text: str) -> None:
    """Save a file, and find what was saved."""
    write(root, {path: text})
    engine.hint([root / path])
    settle(engine)
    name = text.split("(", maxsplit=1)[0].rsplit(maxsplit=1)[-1]
    assert name in [hit.symbol for hit in engine.search(name).hits]


def until_stored(engine: Engine, data: Path) -> None:
    """Until something of an index is on disk."""
    until(lambda: index_files(data) and engine.status().index_bytes, engine.status)


def assert_ends_as_fresh(engine: Engine, root: Path, data: Path, tmp_path: Path) -> None:
    """Searchable is what a fresh index has, and so is what a proper end leaves behind."""
    expected = fresh_rows(root, tmp_path / "fresh")
    found = settle(engine)
    assert found == expected, difference(found, expected)
    engine.close()
    assert_stored(root, data, expected)


def healthy(engine: Engine) -> None:
    until(lambda: engine.status().health == "ok", engine.status)


# --- no room ---


def test_a_disk_that_is_full_from_the_start(root: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "16m") as disk:
        filler = fill(disk)
        with running(root, disk / "data") as engine:
            until(lambda: engine.status().health == "warning", engine.status)
            change(engine, root, "app/new.py", "def giraffe_neck():\n    pass\n")
            message = engine.status()
            filler.unlink()
            healthy(engine)
            assert_ends_as_fresh(engine, root, disk / "data", tmp_path)
            assert_for_users(message, FULL)


def test_a_disk_that_fills_up_while_running(root: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "16m") as disk, running(root, disk / "data") as engine:
        until_stored(engine, disk / "data")
        filler = fill(disk)
        for number in range(3):
            change(engine, root, f"app/new_{number}.py", f"def giraffe_{number}():\n    pass\n")
        until(lambda: engine.status().health == "warning", engine.status)
        message = engine.status()
        filler.unlink()
        healthy(engine)
        assert_ends_as_fresh(engine, root, disk / "data", tmp_path)
        assert_for_users(message, FULL)


def test_a_disk_that_fills_up_within_a_batch(root: Path, tmp_path: Path) -> None:
    write(root, {f"many/module_{n}.py": f"def function_{n}():\n    return {n}\n" for n in range(120)})
    with small_disk(tmp_path / "disk", "96k") as disk, running(root, disk / "data") as engine:
        until(lambda: engine.status().health == "warning", engine.status)
        change(engine, root, "app/new.py", "def giraffe_neck():\n    pass\n")
        message = engine.status()
        enlarge(disk, size="32m")
        healthy(engine)
        assert_ends_as_fresh(engine, root, disk / "data", tmp_path)
        assert_for_users(message, FULL)


def test_a_disk_that_is_full_when_the_engine_ends(root: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "16m") as disk:
        with running(root, disk / "data") as engine:
            until_stored(engine, disk / "data")
            change(engine, root, "app/new.py", "def giraffe_neck():\n    pass\n")
            filler = fill(disk)
            change(engine, root, "app/mail.py", "def zebra_crossing():\n    pass\n")
        filler.unlink()
        with running(root, disk / "data") as engine:
            assert_ends_as_fresh(engine, root, disk / "data", tmp_path)


def test_a_scratch_directory_that_is_full(root: Path, tmp_path: Path) -> None:
    write(root, {f"many/module_{n}.py": f"def function_{n}():\n    return {n}\n" for n in range(120)})
    data = tmp_path / "data"
    with small_disk(tmp_path / "scratch", "64k") as scratch:
        fill(scratch)
        client = server(data, TMPDIR=str(scratch))
        client.initialize(root)
        status = client.wait_until_quiescent()
        assert (status["files"], status["health"]) == (123, "ok")
        assert client.shut_down() == 0
    assert_none_left(data)
    assert_stored(root, data, fresh_rows(root, tmp_path / "fresh"))


# --- an index that may not be written ---


def test_an_index_that_is_read_only_from_the_start(root: Path, data: Path, tmp_path: Path) -> None:
    with running(root, data):
        pass
    write(root, {"app/new.py": "def okapi_stripes():\n    pass\n"})
    with read_only(data), running(root, data) as engine:
        assert settle(engine) == fresh_rows(root, tmp_path / "fresh")
        until(lambda: engine.status().health == "warning", engine.status)
        change(engine, root, "app/newer.py", "def giraffe_neck():\n    pass\n")
        assert_for_users(engine.status(), READ_ONLY)
    with running(root, data) as engine:
        assert_ends_as_fresh(engine, root, data, tmp_path)


def test_an_index_that_becomes_writable_while_running(root: Path, data: Path, tmp_path: Path) -> None:
    with running(root, data):
        pass
    with ExitStack() as stack:
        with read_only(data):
            engine = stack.enter_context(running(root, data))
            until(lambda: engine.status().health == "warning", engine.status)
        healthy(engine)
        until(lambda: engine.status().role == "writer", engine.status)
        change(engine, root, "app/new.py", "def giraffe_neck():\n    pass\n")
        assert_ends_as_fresh(engine, root, data, tmp_path)


def test_an_index_that_becomes_read_only_while_running(root: Path, data: Path, tmp_path: Path) -> None:
    with running(root, data) as engine:
        until_stored(engine, data)
        with read_only(data):
            change(engine, root, "app/new.py", "def giraffe_neck():\n    pass\n")
            until(lambda: engine.status().health == "warning", engine.status)
            message = engine.status()
        healthy(engine)
        assert_ends_as_fresh(engine, root, data, tmp_path)
        assert_for_users(message, READ_ONLY)


def test_a_directory_and_a_file_that_may_not_be_touched(root: Path, data: Path) -> None:
    write(root, {"secret.py": "def secret_of_another():\n    pass\n"})
    (root / "secret.py").chmod(0)
    data.mkdir()
    data.chmod(0o500)
    said = _subject_to_modes(
        root,
        data,
        "while session.status().health == 'ok': time.sleep(0.01)\n"
        "print(json.dumps([session.search('renew the session').hits[0].symbol, asdict(session.status())]))\n",
    )
    symbol, status = json.loads(said)
    assert (symbol, status["files"]) == ("renew", 3)
    assert status["folders"][0]["skipped"] == {"unreadable": 1}
    assert status["message"] == "work: the index directory cannot be used: Permission denied"


def _subject_to_modes(root: Path, data: Path, body: str) -> str:
    """The output of a program with an engine, run by someone whom the modes of files stop, as root they do not."""
    script = (
        "import json, sys, time; from dataclasses import asdict; from pathlib import Path\n"
        "from conexus.engine import Engine; from conexus.config import Settings\n"
        "engine = Engine(Settings(watcher='off'), data_directory=Path(sys.argv[2]))\n"
        "session = engine.open_session(); session.set_folders([Path(sys.argv[1])])\n"
        f"assert engine.wait({PATIENCE})\n{body}engine.close()\n"
    )
    command = [sys.executable, "-c", script, str(root), str(data)]
    if os.geteuid() == 0:
        drop = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"]
        if shutil.which("setpriv") is None or subprocess.run([*drop, "true"], check=False).returncode != 0:
            pytest.skip("root is stopped by no mode, and its privileges cannot be dropped here")
        command = [*drop, *command]
    environment = server_environment(data)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- damage ---


def test_the_index_directory_deleted_while_running(root: Path, data: Path, tmp_path: Path) -> None:
    with running(root, data) as engine:
        until_stored(engine, data)
        shutil.rmtree(data)
        for number in range(3):
            change(engine, root, "app/new.py", f"def giraffe_{number}():\n    pass\n")
        found = settle(engine)
    with running(root, data) as engine:
        assert settle(engine) == found
        assert_ends_as_fresh(engine, root, data, tmp_path)


def test_a_deleted_index_is_made_anew_by_the_one_writer(root: Path, data: Path, tmp_path: Path) -> None:
    with running(root, data) as engine:
        until_stored(engine, data)
        shutil.rmtree(data)
        change(engine, root, "app/new.py", "def giraffe_neck():\n    pass\n")
        expected = fresh_rows(root, tmp_path / "fresh")
        until(lambda: data.exists() and holds(root, data, expected, tmp_path / "copy"), engine.status)
        healthy(engine)
        with running(root, data) as other:  # the lock file went with the directory
            assert [engine.status().role, other.status().role] == ["writer", "reader"]


def test_the_data_directory_is_a_file(root: Path, data: Path, tmp_path: Path) -> None:
    data.write_text("in the way")
    with running(root, data) as engine:
        until(lambda: engine.status().health == "warning", engine.status)
        assert_for_users(engine.status(), "index directory cannot be used")
        change(engine, root, "app/new.py", "def giraffe_neck():\n    pass\n")
        data.unlink()
        healthy(engine)
        assert_ends_as_fresh(engine, root, data, tmp_path)


def test_the_data_directory_becomes_a_file_while_running(root: Path, data: Path, tmp_path: Path) -> None:
    with running(root, data) as engine:
        until_stored(engine, data)
        data.rename(tmp_path / "elsewhere")
        data.write_text("in the way")
        change(engine, root, "app/new.py", "def giraffe_neck():\n    pass\n")
        until(lambda: engine.status().health == "warning", engine.status)
        message = engine.status()
        data.unlink()
        change(engine, root, "app/newer.py", "def okapi_stripes():\n    pass\n")
        healthy(engine)
        assert_ends_as_fresh(engine, root, data, tmp_path)
        assert_for_users(message, "index")


@pytest.mark.parametrize("how", ["delete", "truncate", "empty", "garbage", "directory"])
def test_files_of_the_index_damaged_while_nobody_runs(root: Path, data: Path, tmp_path: Path, how: str) -> None:
    _damaged_at_rest(root, data, tmp_path, how)


def test_a_bit_that_flips_in_each_large_file_of_the_index(root: Path, data: Path, tmp_path: Path) -> None:
    random = seeded(f"flip {SEED}")
    expected = fresh_rows(root, tmp_path / "fresh")
    for _ in range(ROUNDS):
        with running(root, data):
            pass
        for path in index_files(data):
            if path.stat().st_size > 1000:
                damage(path, "flip", random)
        with running(root, data) as engine:
            found = settle(engine)
            assert found == expected, difference(found, expected)
            healthy(engine)
        assert_stored(root, data, expected)


def test_any_file_of_the_index_may_be_a_directory(root: Path, data: Path, tmp_path: Path) -> None:
    expected = fresh_rows(root, tmp_path / "fresh")
    with running(root, data, stored=True):
        pass
    for path in [path for path in index_files(data) if path.parent.parent.name == "indexes"]:
        damage(path, "directory", seeded(SEED))
        with running(root, data) as engine:
            assert settle(engine) == expected
            healthy(engine)
        assert_stored(root, data, expected)


def _damaged_at_rest(root: Path, data: Path, tmp_path: Path, how: str) -> None:
    random = seeded(f"{how} {SEED}")
    expected = fresh_rows(root, tmp_path / "fresh")
    for number in range(ROUNDS):
        with running(root, data, stored=True) as engine:  # several batches, of which there are several files
            for path in ("app/new.py", "app/newer.py"):
                change(engine, root, path, f"def giraffe_{number}():\n    pass\n")
                (root / path).unlink()
                engine.hint([root / path])
        files = [path for path in index_files(data) if how != "directory" or path.parent.parent.name != "indexes"]
        hit = random.sample(files, random.choice((1, 2, len(files) // 2)))
        for path in hit:
            damage(path, how, random)
        with running(root, data) as engine:
            found = settle(engine)
            assert found == expected, f"{how} {_names(hit, data)}: {difference(found, expected)}"
            healthy(engine)
        try:
            assert_stored(root, data, expected)
        except AssertionError as error:
            raise AssertionError(f"{how} {_names(hit, data)}") from error


def test_all_files_of_the_index_deleted_while_running(root: Path, data: Path, tmp_path: Path) -> None:
    with running(root, data) as engine:
        until_stored(engine, data)
        for path in index_files(data):
            path.unlink()
        change(engine, root, "app/new.py", "def giraffe_neck():\n    pass\n")
        expected = fresh_rows(root, tmp_path / "fresh")
        until(lambda: holds(root, data, expected, tmp_path / "copy"), engine.status, PATIENCE / 3)
        healthy(engine)
        assert_ends_as_fresh(engine, root, data, tmp_path)


@pytest.mark.parametrize("how", ["truncate", "garbage"])
def test_all_files_of_the_index_damaged_while_running(root: Path, data: Path, tmp_path: Path, how: str) -> None:
    random = seeded(f"all {how} while running {SEED}")
    with running(root, data) as engine:
        until_stored(engine, data)
        for path in index_files(data):
            damage(path, how, random)
        for number in range(3):
            change(engine, root, "app/new.py", f"def giraffe_{number}():\n    pass\n")
        assert settle(engine) == fresh_rows(root, tmp_path / "fresh")
    with running(root, data) as engine:  # what nobody reads, nobody can see; the next start does
        assert_ends_as_fresh(engine, root, data, tmp_path)


def _names(paths: list[Path], data: Path) -> list[str]:
    return [str(path.relative_to(data)) for path in paths]


@pytest.mark.parametrize("how", ["delete", "truncate", "garbage"])
def test_files_of_the_index_damaged_while_running(root: Path, data: Path, tmp_path: Path, how: str) -> None:
    random = seeded(f"{how} while running {SEED}")
    with running(root, data) as engine:
        until_stored(engine, data)
        for number in range(ROUNDS):
            # The engine may be about to make all of it anew.
            until(lambda: index_files(data), engine.status)
            damaged = random.choice(index_files(data))
            damage(damaged, how, random)
            for path in ("app/new.py", "app/mail.py"):
                change(engine, root, path, f"def giraffe_{number}():\n    pass\n")
        assert settle(engine) == fresh_rows(root, tmp_path / "fresh")
    with running(root, data) as engine:
        assert_ends_as_fresh(engine, root, data, tmp_path)


def _overwrite_segments(data: Path, how: str, *, secretly: bool = False) -> None:
    """Damage what an engine that is not the first one has mapped. ``secretly``: the files' times do not tell of it."""
    segments = [path for path in index_files(data) if path.suffix == ".segment"]
    assert segments
    for path in segments:
        facts = path.stat()
        damage(path, how, seeded(SEED))
        if secretly:
            os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


@pytest.mark.parametrize("how", ["overwrite", "zeros", "flip", "truncate", "empty"])
def test_files_that_are_searched_damaged_while_running(
    root: Path, data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    expected = fresh_rows(root, tmp_path / "fresh")
    with running(root, data, stored=True):
        pass
    with running(root, data) as engine:
        place = Place(str(root / "app/mail.py"), TextRange(Position(0, 0), Position(0, 0)))
        asked = [partial(each, "renew") for each in (engine.search, engine.symbols)]
        for ask in (*asked, partial(engine.related, place), engine.status):
            settle(engine)
            assert engine.store(PATIENCE)
            caplog.clear()
            engine.pause()
            assert engine.wait(PATIENCE)
            _overwrite_segments(data, how)
            # Answered from what is left: nothing, while files are left alone.
            answer = ask()
            assert isinstance(answer, Status) or (answer.hits, answer.index.complete) == ((), False)
            until(lambda: "were overwritten; it is rebuilt" in caplog.text, engine.status)
            engine.resume()
            found = settle(engine)
            assert found == expected, difference(found, expected)
            # What was made anew is in memory; what is loaded is mapped.
            engine.set_folders([])
            engine.set_folders([root])
        assert_ends_as_fresh(engine, root, data, tmp_path)


def test_files_that_are_searched_touched_while_running(root: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    look = FolderIndex.is_whole
    monkeypatch.setattr(FolderIndex, "is_whole", lambda index: looks.append(index) or look(index))
    with running(root, data, stored=True):
        pass
    with running(root, data) as engine:
        before = engine.search("renew").hits
        for path in index_files(data):
            os.utime(path, (0, 0))
        generation = engine.status().generation
        for _ in range(3):
            assert engine.search("renew").hits == before
            settle(engine)
        # Once for all: what is looked at is known to be whole then.
        assert len(looks) == 1
        assert engine.status().generation == generation


def test_files_that_are_searched_overwritten_secretly(
    root: Path, data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = fresh_rows(root, tmp_path / "fresh")
    with running(root, data, stored=True):
        pass
    with running(root, data) as engine:
        engine.open_document(str(root / "app/mail.py"), (root / "app/mail.py").read_text(), 1, "python")
        for ask in (engine.search, engine.symbols):
            settle(engine)
            assert engine.store(PATIENCE)
            caplog.clear()
            engine.pause()
            _overwrite_segments(data, "overwrite", secretly=True)
            # One error for the question that met it; the next is answered from what is left.
            with pytest.raises((IndexError, ValueError, MemoryError)):
                ask("renew")
            assert engine.wait(PATIENCE)
            answer = ask("renew")
            assert {hit.symbol for hit in answer.hits} <= {"send_newsletter"}
            assert not answer.index.complete
            assert "were overwritten; it is rebuilt" in caplog.text
            engine.resume()
            found = settle(engine)
            assert found == expected, difference(found, expected)
            answer = ask("renew")
            assert (answer.hits[0].symbol, answer.index.complete) == ("renew", True)
            # What was made anew is in memory; what is loaded is mapped.
            engine.set_folders([])
            engine.set_folders([root])
        engine.close_document(str(root / "app/mail.py"))
        assert_ends_as_fresh(engine, root, data, tmp_path)


def test_overwritten_files_are_not_merged_with_others(root: Path, data: Path, tmp_path: Path) -> None:
    with running(root, data):
        pass
    with running(root, data) as engine:
        _overwrite_segments(data, "zeros", secretly=True)  # with which no question fails
        write(root, {"app/new.py": "def giraffe_neck():\n    pass\n"})
        engine.hint([root / "app/new.py"])
        expected = fresh_rows(root, tmp_path / "fresh")
        until(lambda: settle(engine) == expected, engine.status)
        assert_ends_as_fresh(engine, root, data, tmp_path)


def test_a_question_that_fails_with_whole_files_changes_nothing(
    root: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise IndexError("a defect of ours")

    looks = []
    look = FolderIndex.is_whole
    monkeypatch.setattr(FolderIndex, "is_whole", lambda index: looks.append(index) or look(index))
    with running(root, data):
        pass
    with running(root, data) as engine:
        before, indexed = engine.search("renew the session").hits, settle(engine)
        generation = engine.status().generation
        with monkeypatch.context() as patched:
            patched.setattr("conexus.search.pipeline.run", broken)
            for _ in range(3):
                with pytest.raises(IndexError):
                    engine.search("renew the session")
                assert settle(engine) == indexed
        assert len(looks) == 1
        status = engine.status()
        assert (status.generation, status.embedded_chunks, status.health) == (generation, 0, "ok")
        assert engine.search("renew the session").hits == before


# --- clocks ---


def test_other_content_of_the_same_size_and_time_is_read_when_hinted_at(root: Path, data: Path, tmp_path: Path) -> None:
    path = root / "app/mail.py"
    with running(root, data) as engine:
        until_stored(engine, data)
        facts = path.stat()
        path.write_text(path.read_text().replace("newsletter", "screwdrive"))
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        assert path.stat().st_size == facts.st_size
        engine.hint([path])
        settle(engine)
        assert engine.search("send_screwdrive").hits[0].symbol == "send_screwdrive"
        assert_ends_as_fresh(engine, root, data, tmp_path)


@pytest.mark.parametrize("where", ["while running", "while nobody runs"])
def test_a_file_restored_with_its_older_time_is_noticed(root: Path, data: Path, tmp_path: Path, where: str) -> None:
    path = root / "app/mail.py"
    old, facts = path.read_text(), path.stat()
    write(root, {"app/mail.py": old.replace("newsletter", "screwdrive")})
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 10**9))

    def restore() -> None:
        path.write_text(old)
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    with running(root, data) as engine:
        assert engine.search("send_screwdrive").hits[0].symbol == "send_screwdrive"
        if where == "while running":
            restore()
            until(lambda: engine.search("send_newsletter").hits[0].symbol == "send_newsletter", engine.status)
    if where == "while nobody runs":
        restore()
    with running(root, data) as engine:
        assert engine.search("send_newsletter").hits[0].symbol == "send_newsletter"
        assert_ends_as_fresh(engine, root, data, tmp_path)


@pytest.mark.parametrize("seconds", [0, 1, -(10**9), 4 * 10**9, 9 * 10**9])
def test_times_of_files_in_the_far_past_and_future(root: Path, data: Path, tmp_path: Path, seconds: int) -> None:
    for path in root.rglob("*"):
        os.utime(path, (seconds, seconds))
    with running(root, data):
        pass
    with running(root, data) as engine:
        change(engine, root, "app/new.py", "def giraffe_neck():\n    pass\n")
        os.utime(root / "app/new.py", (seconds, seconds))
        engine.hint([root / "app/new.py"])
        assert_ends_as_fresh(engine, root, data, tmp_path)


def test_a_wall_clock_that_jumps(root: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, random = time.time, seeded(SEED)
    monkeypatch.setattr(time, "time", lambda: real() + random.choice((-1, 1)) * random.randrange(10**9))
    with running(root, data) as engine:
        for number in range(5):
            change(engine, root, "app/new.py", f"def giraffe_{number}():\n    pass\n")
        until_stored(engine, data)
        assert_ends_as_fresh(engine, root, data, tmp_path)


# --- hostile workspaces ---


def test_files_that_turn_into_something_else_while_they_are_indexed(root: Path, data: Path, tmp_path: Path) -> None:
    random = seeded(f"hostile {SEED}")
    write(root, {f"many/module_{n}.py": f"def function_{n}():\n    return {n}\n" for n in range(120)})
    stop = threading.Event()

    def harass() -> None:
        for number in range(120):
            path = root / f"many/module_{random.randrange(120)}.py"
            with suppress(OSError):
                _turn_into(path, random.choice(_FORMS), number)
            if stop.is_set():
                return

    hostile = threading.Thread(target=harass)
    hostile.start()
    try:
        with running(root, data, watcher="server") as engine:
            hostile.join()
            engine.hint([root])
            assert_ends_as_fresh(engine, root, data, tmp_path)
    finally:
        stop.set()
        hostile.join()


_FORMS = ("directory", "loop", "outside", "pipe", "socket", "file", "nothing")


def _turn_into(path: Path, form: str, number: int) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    match form:
        case "directory":
            write(path, {f"inner_{number}.py": f"def inner_{number}():\n    pass\n"})
        case "loop":
            path.symlink_to(path.name)
        case "outside":
            path.symlink_to("/etc/hostname")
        case "pipe":
            os.mkfifo(path)
        case "socket":
            os.mknod(path, 0o140600)
        case "file":
            path.write_text(f"def again_{number}():\n    pass\n")
        case _:
            pass


def test_a_large_file_that_grows_while_it_is_read(root: Path, data: Path, tmp_path: Path) -> None:
    path, stop = root / "app/grown.py", threading.Event()
    block = "".join(f"def grown_{n}():\n    return {n}\n\n\n" for n in range(4000))

    def grow() -> None:
        with path.open("a") as file:
            while not stop.is_set() and file.tell() < 5_000_000:
                file.write(block)
                file.flush()

    path.write_text("def grown_first():\n    pass\n")
    grower = threading.Thread(target=grow)
    grower.start()
    try:
        with running(root, data) as engine:
            for _ in range(5):
                engine.hint([path])
                settle(engine)
            grower.join()
            engine.hint([path])
            settle(engine)
            assert engine.status().folders[0].skipped == {"larger than maxFileBytes": 1}
            path.write_text("def grown_small():\n    pass\n")
            engine.hint([path])
            settle(engine)
            assert engine.search("grown_small").hits[0].symbol == "grown_small"
            assert_ends_as_fresh(engine, root, data, tmp_path)
    finally:
        stop.set()
        grower.join()


def test_names_that_are_hostile(root: Path, data: Path, tmp_path: Path) -> None:
    names = [
        "new\nline.py",
        "quo'te\".py",
        "x' OR '1'='1.py",
        "`tick` $(x).py",
        " .py",
        "-rf.py",
        "tab\there.py",
        "ü.py",
    ]
    for number, name in enumerate(names):
        write(root, {f"odd/{name}": f"def odd_{number}():\n    pass\n"})
    (root / os.fsdecode(b"odd/latin-\xe9.py")).write_text("def not_utf8():\n    pass\n")
    with running(root, data, watcher="server") as engine:
        assert {f"odd_{number}" for number in range(len(names))} <= {
            hit.symbol for number in range(len(names)) for hit in engine.search(f"odd_{number}").hits
        }
        assert engine.status().folders[0].skipped == {"name is not UTF-8": 1}
        for name in names[::2]:
            (root / "odd" / name).unlink()
        engine.hint([root / "odd"])
        assert_ends_as_fresh(engine, root, data, tmp_path)


def test_what_cannot_be_written_is_tried_again_soon_and_then_ever_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(persistence, "_FIRST_REST_SECONDS", 1.0)
    monkeypatch.setattr(persistence, "_LONGEST_REST_SECONDS", 30.0)
    stored = FolderStore(tmp_path / "index", str(tmp_path), "1", 8, LanceProcess())

    def fail() -> _Outcome:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def succeed() -> _Outcome:
        return _Outcome()

    def rest_after(work: Callable[[], _Outcome]) -> int:
        writing._begin(work)
        until(lambda: writing._work is not None and writing._work.done())
        writing.collect()
        return round(writing._retry.delay)

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(stored.claim).result()
        writing = WriteBehind(stored, thread)
        assert [rest_after(fail) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
        assert "No space left on device" in (writing.problem or "")
        assert rest_after(succeed) == 0
        assert writing.problem is None
        assert rest_after(fail) == 1
    stored.release()
