"""The audit log: what was done to it is found, and nothing is lost without a count."""

from __future__ import annotations

import ast
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

import conexus as package
from conexus import audit
from conexus.audit import chain, events, writer
from conexus.audit.chain import HEAD_FILE, LOCK_FILE, LOG_FILE, append, lines_of, log_files, verify
from conexus.audit.events import EVENTS, FIELDS, Entry, Event, bounded, problem
from conexus.audit.writer import Place, Writer
from conexus.cli import checks
from conexus.config import Settings, audit_place, record_changes
from conexus.own_files import Untrusted
from tests.cli.conftest import Conexus, conexus, environment, shop
from tests.disks import fill, read_only, small_disk
from tests.lsp.raw import raw_client

__all__ = ["conexus", "environment", "shop"]

DAY = 24 * 3600.0


def limit_reached(times: int, at: float | None = None) -> Entry:
    return Entry(time.time() if at is None else at, "limitReached", {"limit": "disk", "times": times})


def kinds(directory: Path) -> list[str]:
    return [line.value["event"] for line in lines_of(directory)]


def times(directory: Path) -> list[int]:
    return [line.value["details"]["times"] for line in lines_of(directory) if line.value["event"] == "limitReached"]


def lost(directory: Path) -> dict[str, int]:
    found = [line.value["details"] for line in lines_of(directory) if line.value["event"] == "eventsLost"]
    return {each["reason"]: each["count"] for each in found}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "data" / "audit", "test", 1, 90)


@pytest.fixture
def log(place: Place) -> Path:
    """A log of four lines."""
    for number in range(4):
        append(place, [limit_reached(number)])
    assert verify(place.directory).problems == ()
    return place.directory


@pytest.fixture
def rotated(place: Place, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of three files, of two lines each."""
    monkeypatch.setattr(chain, "_SHARE", 1 << 11)
    for number in range(6):
        append(place, [limit_reached(number)])
    assert [path.name for path in log_files(place.directory)] == [
        "audit.000000000002.jsonl",
        "audit.000000000004.jsonl",
        LOG_FILE,
    ]
    assert verify(place.directory).problems == ()
    return place.directory


# --- what is found ---


@pytest.mark.parametrize("name", [LOG_FILE, HEAD_FILE])
def test_each_flipped_byte_is_found(log: Path, name: str) -> None:
    file = log / name
    content = file.read_bytes()
    for position in range(len(content)):
        changed = bytearray(content)
        # The case of a letter means nothing in some formats, and must mean something here.
        changed[position] ^= 32 if chr(content[position]).isalpha() else 1
        file.write_bytes(changed)
        assert verify(log).problems, position
    file.write_bytes(content)
    assert verify(log).problems == ()


def test_a_line_without_end_is_found_and_not_read_whole(log: Path) -> None:
    with (log / "audit.jsonl").open("r+b") as file:
        file.truncate(1 << 30)  # a hole: the file takes no space
    tracemalloc.start()
    assert verify(log).problems
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()


def test_each_cut_end_is_found(log: Path) -> None:
    file = log / LOG_FILE
    content = file.read_bytes()
    for length in range(len(content)):
        file.write_bytes(content[:length])
        assert verify(log).problems, length


def test_each_removed_repeated_and_swapped_line_is_found(rotated: Path) -> None:
    for file in log_files(rotated):
        content = file.read_bytes()
        lines = content.splitlines(keepends=True)
        for number in range(len(lines)):
            file.write_bytes(b"".join(lines[:number] + lines[number + 1 :]))
            assert verify(rotated).problems, f"removed {number}"
            file.write_bytes(b"".join(lines[: number + 1] + lines[number:]))
            assert verify(rotated).problems, f"repeated {number}"
        file.write_bytes(b"".join(lines[::-1]))
        assert verify(rotated).problems
        file.write_bytes(content)
    assert verify(rotated).problems == ()


def test_each_removed_file_is_found(rotated: Path) -> None:
    for file in [*log_files(rotated), rotated / HEAD_FILE]:
        content = file.read_bytes()
        file.unlink()
        assert verify(rotated).problems, file.name
        file.write_bytes(content)
    assert verify(rotated).problems == ()
    for file in log_files(rotated):
        file.unlink()
    assert verify(rotated).problems == ("lines 1 to 6 are missing at the end",)


def test_swapped_files_are_found(rotated: Path) -> None:
    first, second, _ = log_files(rotated)
    first.rename(rotated / "kept")
    second.rename(first)
    (rotated / "kept").rename(second)
    assert verify(rotated).problems


def forged(line: chain.Line, **changes: Any) -> bytes:
    """A changed line with the hash that belongs to it."""
    value = {**line.value, **changes}
    del value["hash"]
    return chain._sealed(value) + b"\n"


def test_a_line_replaced_by_one_with_a_right_hash_is_found(log: Path) -> None:
    file = log / LOG_FILE
    content = file.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(list(lines_of(log))):
        changed = forged(line, details={"limit": "disk", "times": 99})
        file.write_bytes(b"".join([*content[:number], changed, *content[number + 1 :]]))
        assert verify(log).problems, number
    first = next(lines_of(log))
    file.write_bytes(forged(first, previous="f" * 64) + b"".join(content[1:]))
    assert any("does not follow" in each for each in verify(log).problems)


@pytest.mark.parametrize(
    "value",
    [b"[1]", b'{"seq":"1"}', b"[" * 100_000, b'{"seq":' + b"9" * 5000 + b"}", b"\xff", b"{}"],
    ids=["list", "types", "deep", "digits", "bytes", "empty"],
)
def test_lines_and_heads_of_another_form_are_found(log: Path, value: bytes) -> None:
    import hashlib

    sealed = value[:-1] + b',"hash":"' + hashlib.sha256(value).hexdigest().encode() + b'"}'
    with (log / LOG_FILE).open("ab") as file:
        file.write(sealed + b"\n")
    assert verify(log).problems
    (log / LOG_FILE).write_bytes(b"".join((log / LOG_FILE).read_bytes().splitlines(keepends=True)[:-1]))
    assert verify(log).problems == ()
    (log / HEAD_FILE).write_bytes(sealed)
    assert verify(log).problems


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_change_of_the_bytes_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    directory = tmp_path_factory.mktemp("log") / "audit"
    append(Place(directory, "test", 1, 90), [limit_reached(number) for number in range(5)])
    file = directory / LOG_FILE
    content = file.read_bytes()
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, len(content)))
    changed = content[:start] + data.draw(st.binary(max_size=40)) + content[end:]
    file.write_bytes(changed)
    # What is added without an end of line looks as if a crash had torn it, and is no line.
    harmless = changed == content or (changed.startswith(content) and b"\n" not in changed[len(content) :])
    assert bool(verify(directory).problems) is not harmless


# --- what is no fault ---


def test_lines_beyond_the_head_are_right_if_they_continue_the_chain(log: Path, place: Place) -> None:
    head = (log / HEAD_FILE).read_bytes()
    append(place, [limit_reached(4), limit_reached(5)])
    (log / HEAD_FILE).write_bytes(head)  # as a crash leaves it
    assert verify(log).problems == ()
    append(place, [limit_reached(6)])
    assert times(log) == list(range(7))
    assert verify(log).problems == ()
    assert "eventsLost" not in kinds(log)


def test_a_line_that_a_crash_tore_is_counted(log: Path, place: Place) -> None:
    whole = (log / LOG_FILE).read_bytes()
    for length in (1, 50, 200):
        with (log / LOG_FILE).open("ab") as file:
            file.write(whole[:length].removesuffix(b"\n"))
        assert verify(log).problems == ()
        append(place, [limit_reached(9)])
    assert kinds(log).count("eventsLost") == 3
    assert lost(log) == {"crash": 1}
    assert verify(log).problems == ()


def test_a_crash_in_the_middle_of_a_rotation_is_no_fault(log: Path, place: Place) -> None:
    (log / LOG_FILE).rename(log / "audit.000000000004.jsonl")
    assert verify(log).problems == ()
    append(place, [limit_reached(4)])
    assert times(log) == list(range(5))
    assert verify(log).problems == ()


def test_a_crash_in_the_middle_of_a_removal_is_no_fault(rotated: Path, place: Place) -> None:
    oldest = log_files(rotated)[0]
    content = oldest.read_bytes()
    os.utime(oldest, (0, 0))
    append(place, [limit_reached(6)])
    assert oldest not in log_files(rotated)
    assert verify(rotated).problems == ()
    oldest.write_bytes(content)
    assert verify(rotated).problems == ()
    os.utime(oldest, (0, 0))
    append(place, [limit_reached(7)])
    assert oldest not in log_files(rotated)
    assert verify(rotated).problems == ()


# --- what a process does with a log that was changed ---


@pytest.mark.parametrize("cut", [1, 30, 10_000])
def test_a_process_that_finds_a_cut_end_says_so_and_goes_on(log: Path, place: Place, cut: int) -> None:
    content = (log / LOG_FILE).read_bytes()
    (log / LOG_FILE).write_bytes(content[:-cut])
    append(place, [limit_reached(7)])
    assert kinds(log)[-2:] == ["logDamaged", "limitReached"]
    append(place, [limit_reached(8)])
    assert kinds(log).count("logDamaged") == 1
    assert any("damage was found" in each for each in verify(log).problems)


def test_a_process_that_finds_a_strange_line_says_so_and_goes_on(log: Path, place: Place) -> None:
    with (log / LOG_FILE).open("ab") as file:
        file.write(b"strange\n")
    append(place, [limit_reached(7)])
    append(place, [limit_reached(8)])
    assert kinds(log)[-3:] == ["logDamaged", "limitReached", "limitReached"]
    problems = verify(log).problems
    assert len(problems) == 2
    assert "was changed" in problems[0]


@pytest.mark.parametrize("head", [None, b"", b"{}"])
def test_a_process_that_finds_no_head_says_so_and_goes_on(log: Path, place: Place, head: bytes | None) -> None:
    (log / HEAD_FILE).unlink()
    if head is not None:
        (log / HEAD_FILE).write_bytes(head)
    append(place, [limit_reached(7)])
    assert kinds(log)[-2:] == ["logDamaged", "limitReached"]
    (found,) = verify(log).problems
    assert "the head file is missing or damaged" in found


def test_a_log_of_which_nothing_can_be_read_is_continued(rotated: Path, place: Place) -> None:
    for file in log_files(rotated):
        file.write_bytes(b"nothing\n")
    (rotated / HEAD_FILE).unlink()
    append(place, [limit_reached(7)])
    assert [line.seq for line in lines_of(rotated)] == [5, 6]
    assert verify(rotated).problems


# --- rotation ---


def test_the_log_stays_within_its_size(place: Place) -> None:
    text = "x" * events.LONGEST_TEXT
    for _ in range(40):
        append(place, [Entry(time.time(), "modelRefused", {"model": text, "reason": text})] * 200)
        size = sum(path.stat().st_size for path in log_files(place.directory))
        assert size < 1.2 * 2**20
    report = verify(place.directory)
    assert report.problems == ()
    assert report.files > 3
    assert next(lines_of(place.directory)).seq > 1


def test_files_are_rotated_and_removed_by_age(log: Path, place: Place) -> None:
    head = chain.read_head(log)
    assert head is not None
    chain._write_head(log, replace(head, begun=time.time() - 12 * DAY))
    append(place, [limit_reached(4)])
    old, _ = log_files(log)
    assert len(old.read_bytes().splitlines()) == 4
    os.utime(old, (time.time() - 89 * DAY,) * 2)
    append(place, [limit_reached(5)])
    assert old in log_files(log)
    os.utime(old, (time.time() - 91 * DAY,) * 2)
    append(place, [limit_reached(6)])
    assert times(log) == [4, 5, 6]
    assert verify(log).problems == ()


def test_a_removed_oldest_file_is_found_after_others_were_removed_by_age(rotated: Path, place: Place) -> None:
    oldest, second, _ = log_files(rotated)
    os.utime(oldest, (0, 0))
    append(place, [limit_reached(6)])
    assert verify(rotated).problems == ()
    second.unlink()
    assert verify(rotated).problems


def test_a_damaged_oldest_file_is_removed_all_the_same(rotated: Path, place: Place) -> None:
    oldest = log_files(rotated)[0]
    oldest.write_bytes(b"damaged\n")
    os.utime(oldest, (0, 0))
    append(place, [limit_reached(6)])
    assert oldest not in log_files(rotated)
    assert verify(rotated).problems == ()


def test_a_file_in_the_way_of_a_rotation_is_left_alone(
    log: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "_SHARE", 1 << 20)
    (log / "audit.000000000004.jsonl").write_text("mine", encoding="ascii")
    append(place, [limit_reached(4)])
    assert (log / "audit.000000000004.jsonl").read_text(encoding="ascii") == "mine"
    assert times(log) == list(range(5))


# --- where it is written ---


def test_only_the_user_can_read_the_log_whatever_the_umask(place: Place) -> None:
    former = os.umask(0)
    try:
        append(place, [limit_reached(1)])
    finally:
        os.umask(former)
    assert place.directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in place.directory.iterdir()} == {0o600}
    (place.directory / LOG_FILE).chmod(0o644)
    place.directory.chmod(0o755)
    append(place, [limit_reached(2)])
    assert (place.directory / LOG_FILE).stat().st_mode & 0o777 == 0o600
    assert place.directory.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", [LOG_FILE, HEAD_FILE, LOCK_FILE])
@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_a_link_or_a_pipe_in_the_place_of_a_file_is_refused(
    log: Path, place: Place, tmp_path: Path, name: str, kind: str
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes((log / name).read_bytes())
    (log / name).unlink()
    if kind == "link":
        (log / name).symlink_to(victim)
    elif kind == "pipe":
        os.mkfifo(log / name)
    else:
        (log / name).mkdir()
    before = victim.read_bytes()
    with pytest.raises(OSError, match=r".+"):
        append(place, [limit_reached(5)])
    assert victim.read_bytes() == before
    assert bool(verify(log).problems) is (name != LOCK_FILE)


def test_a_link_in_the_place_of_the_draft_is_not_followed(log: Path, place: Place, tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    (log / f"{HEAD_FILE}.draft").symlink_to(tmp_path / "victim")
    append(place, [limit_reached(5)])
    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert verify(log).problems == ()


def test_a_directory_that_others_can_change_is_refused(tmp_path: Path) -> None:
    open_ = tmp_path / "open"
    open_.mkdir()
    open_.chmod(0o777)
    with pytest.raises(Untrusted, match="other users can write"):
        append(Place(open_ / "audit", "test", 1, 90), [limit_reached(1)])
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o700)
    (mine / "audit").symlink_to(open_)
    with pytest.raises(Untrusted, match="is a link"):
        append(Place(mine / "audit", "test", 1, 90), [limit_reached(1)])


def test_a_full_disk_loses_nothing_that_was_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "256k") as disk:
        place = Place(disk / "audit", "test", 1, 90)
        append(place, [limit_reached(0)])
        filler = fill(disk)
        with pytest.raises(OSError, match="No space"):
            append(place, [limit_reached(number) for number in range(1, 200)])
        assert verify(place.directory).problems == ()
        assert times(place.directory) == [0]
        filler.unlink()
        append(place, [limit_reached(200)])
        assert times(place.directory) == [0, 200]
        assert verify(place.directory).problems == ()


def test_lines_are_there_although_the_head_cannot_be_written(
    log: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("full")

    with monkeypatch.context() as patched:
        patched.setattr(chain, "_write_head", full)
        append(place, [limit_reached(4)])
    append(place, [limit_reached(5)])
    assert times(log) == list(range(6))
    assert verify(log).problems == ()


def test_a_read_only_disk_can_be_verified_and_shown(log: Path, place: Place) -> None:
    with read_only(log.parent):
        assert verify(log).problems == ()
        with pytest.raises(OSError, match="Read-only"):
            append(place, [limit_reached(5)])


# --- several processes ---

_WRITE = """
import sys, time
from pathlib import Path
from conexus.audit.chain import append
from conexus.audit.events import Entry
from conexus.audit.writer import Place
place = Place(Path(sys.argv[1]), "test", 1, 90)
print("begun", flush=True)
for number in range(int(sys.argv[2])):
    append(place, [Entry(time.time(), "limitReached", {"limit": "disk", "times": number}) for _ in range(3)])
"""


def start_writer(directory: Path, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-c", _WRITE, str(directory), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_that_write_at_once_share_one_chain(place: Place) -> None:
    running = [start_writer(place.directory, 30) for _ in range(3)]
    for each in running:
        each.communicate(timeout=60)
        assert each.returncode == 0
    report = verify(place.directory)
    assert report.problems == ()
    assert report.lines == 270
    assert len({line.value["process"] for line in lines_of(place.directory)}) == 3


def test_processes_killed_at_any_moment_leave_a_log_without_fault(place: Place) -> None:
    for round_ in range(8):
        with start_writer(place.directory, 1_000_000) as running:
            assert running.stdout is not None
            assert running.stdout.readline() == "begun\n"
            file = place.directory / LOG_FILE
            before = file.stat().st_size if file.exists() else 0
            while not file.exists() or file.stat().st_size < before + 1000 * (round_ + 1):
                assert running.poll() is None
            running.kill()
        assert running.returncode == -signal.SIGKILL
        assert verify(place.directory).problems == ()
    append(place, [limit_reached(1)])
    assert verify(place.directory).problems == ()
    assert "logDamaged" not in kinds(place.directory)


# --- the writer ---


@pytest.fixture
def recorder() -> Iterator[Writer]:
    made = Writer()
    yield made
    made.close()


def reached(recorder: Writer, number: int) -> None:
    recorder.record("limitReached", limit="disk", times=number)


def test_events_before_the_log_is_kept_wait_for_it(recorder: Writer, place: Place) -> None:
    reached(recorder, 1)
    assert not place.directory.exists()
    recorder.keep(place)
    reached(recorder, 2)
    recorder.close()
    assert times(place.directory) == [1, 2]


def test_first_events_of_several_threads_start_one_thread(recorder: Writer, place: Place) -> None:
    recorder.keep(place)
    threads = [threading.Thread(target=reached, args=(recorder, number)) for number in range(20)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    recorder._begin()  # as in a thread that found none
    assert sum(each is recorder._thread for each in threading.enumerate()) == 1
    recorder.close()
    assert sorted(times(place.directory)) == list(range(20))
    assert verify(place.directory).problems == ()


def test_nothing_is_made_where_nothing_happens(recorder: Writer, place: Place) -> None:
    recorder.keep(place)
    recorder.close()
    assert not place.directory.exists()


def test_nothing_is_kept_while_the_log_is_off(recorder: Writer, place: Place) -> None:
    reached(recorder, 1)
    recorder.keep(None)
    reached(recorder, 2)
    recorder.keep(place)
    reached(recorder, 3)
    recorder.keep(None)
    reached(recorder, 4)
    recorder.keep(place._replace(command="other"))
    reached(recorder, 5)
    recorder.close()
    assert times(place.directory) == [3, 5]
    assert [line.value["command"] for line in lines_of(place.directory)] == ["test", "other"]


def test_record_never_waits_for_a_disk_and_counts_what_is_lost(recorder: Writer, place: Place) -> None:
    recorder.keep(place)
    place.directory.mkdir(parents=True, mode=0o700)
    with FileLock(str(place.directory / LOCK_FILE)):  # as a hanging process would
        for number in range(writer.MOST_WAITING + 500):
            reached(recorder, number)
    recorder.close(60)
    written = times(place.directory)
    assert written == list(range(len(written)))
    assert lost(place.directory) == {"queueFull": writer.MOST_WAITING + 500 - len(written)}
    assert len(written) < writer.MOST_WAITING + 500


def test_a_failing_disk_is_logged_once_and_what_is_lost_is_counted(
    recorder: Writer, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.directory.parent.mkdir(mode=0o700)
    place.directory.write_text("in the way", encoding="ascii")
    recorder.keep(place)
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            reached(recorder, number)
            while not recorder._waiting.empty():
                time.sleep(0)
        recorder.close()
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "cannot be written" in caplog.text
        place.directory.unlink()
        recorder.keep(place)
        reached(recorder, 5)
        recorder.close()
    assert lost(place.directory) == {"notWritten": 5}
    assert times(place.directory) == [5]


def test_a_close_does_not_wait_for_a_dead_disk(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hanging, release = Writer(), threading.Event()
    monkeypatch.setattr(chain, "append", lambda *_: release.wait())
    hanging.keep(place)
    reached(hanging, 1)
    thread = hanging._thread
    assert thread is not None
    with caplog.at_level(logging.WARNING):
        hanging.close(0.01)
    assert "could not be written in time" in caplog.text
    release.set()
    thread.join()


def test_an_event_that_the_table_does_not_have_is_an_error_in_tests_and_counted_elsewhere(
    recorder: Writer, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong: Any = "limitReachd"
    with pytest.raises(TypeError, match="no event"):
        recorder.record(wrong)
    monkeypatch.setattr(writer, "_CHECKED", False)
    recorder.record(wrong)
    recorder.keep(place)
    reached(recorder, 1)
    recorder.close()
    assert lost(place.directory) == {"unknown": 1}


# --- the events ---


def test_the_table_is_whole() -> None:
    assert set(get_args(Event)) == set(EVENTS)
    used = {name for kind in EVENTS.values() for name in (*kind.fields, *kind.optional)}
    assert used == set(FIELDS)


def test_every_event_is_recorded_as_the_table_says() -> None:
    found = set()
    for path in sorted(Path(package.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "audit.record":
                (event,) = node.args
                assert isinstance(event, ast.Constant), f"{path.name}:{node.lineno}"
                kind = EVENTS[str(event.value)]
                names = {str(each.arg) for each in node.keywords}
                assert set(kind.fields) <= names <= {*kind.fields, *kind.optional}, f"{path.name}:{node.lineno}"
                found.add(event.value)
    of_the_log = {"eventsLost", "logDamaged"}
    assert set(EVENTS) - of_the_log - found == set()


@pytest.mark.parametrize(
    ("event", "details", "words"),
    [
        ("limitReached", {"limit": "disk"}, "needs 'times'"),
        ("limitReached", {"limit": "disk", "times": 1, "code": 1}, "has no 'code'"),
        ("limitReached", {"limit": "disk", "times": "1"}, "must be int"),
        ("limitReached", {"limit": "disk", "times": 1}, ""),
        ("pathRejected", {"source": "client", "reason": "x", "path": "a"}, ""),
    ],
)
def test_events_are_checked(event: str, details: dict[str, Any], words: str) -> None:
    found = problem(event, details)
    assert words in found
    assert bool(found) is bool(words)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"path": "src/a.py"}, {"path": "src/a.py"}),
        ({"path": "/home/me/secret/a.py"}, {"path": "…/a.py"}),
        ({"path": "src/../../secret/a.py"}, {"path": "…/a.py"}),
        ({"path": "C:\\Users\\me\\a.py"}, {"path": "…/a.py"}),
        ({"path": "file:///home/me/a.py"}, {"path": "…/a.py"}),
        ({"path": "~/a.py/"}, {"path": "…/a.py"}),
        ({"path": "a\nb\x1b[31m"}, {"path": "a\\nb\\x1b[31m"}),
        ({"model": "/home/me/models/mine"}, {"model": "…/mine"}),
        ({"folder": "/home/me/shop"}, {"folder": "…/shop"}),
        ({"model": "org/model"}, {"model": "org/model"}),
        ({"reason": "cannot open /home/me/my file"}, {"reason": "cannot open …"}),
        ({"reason": "'C:\\Users' is full"}, {"reason": "'…"}),
        ({"reason": "either/or 1/2"}, {"reason": "either/or 1/2"}),
        ({"reason": "x" * 300}, {"reason": "x" * 200 + "…"}),
        ({"times": 5, "value": True}, {"times": 5, "value": True}),
    ],
)
def test_texts_are_bounded_and_name_nothing_outside_a_folder(given: dict[str, Any], kept: dict[str, Any]) -> None:
    assert bounded(given) == kept


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=300), number=st.integers())
def test_every_text_and_number_can_be_written_and_verified(
    tmp_path_factory: pytest.TempPathFactory, text: str, number: int
) -> None:
    directory = tmp_path_factory.mktemp("log") / "audit"
    details = {"setting": text, "source": text, "value": number % 10**400}
    append(Place(directory, "test", 1, 90), [Entry(time.time(), "settingsChanged", details)] * 2)
    assert verify(directory).problems == ()
    assert verify(directory).lines == 2


def test_a_setting_is_recorded_with_its_source_and_without_the_values_of_texts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(audit, "record", lambda event, **details: found.append(details))
    layers: list[tuple[str, object]] = [
        ("conexus.toml", {"maxFiles": 5, "exclude": ["*.key"]}),
        ("client", None),
        ("client", {"maxFiles": 5, "model": "/home/me/mine", "audit": False, "workers": True}),
    ]
    now = Settings(max_files=5, exclude=("*.key",), model="/home/me/mine", audit=False, watcher="server", workers=1)
    record_changes(Settings(max_documents=7), now, layers)
    assert sorted(found, key=lambda each: str(each["setting"])) == [
        {"setting": "audit", "source": "client", "value": False},
        {"setting": "exclude", "source": "conexus.toml"},
        {"setting": "maxDocuments", "source": "default", "value": 10_000},
        {"setting": "maxFiles", "source": "client", "value": 5},
        {"setting": "model", "source": "client"},
    ]


def test_there_is_no_log_without_a_directory_or_if_it_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise OSError("no home")

    assert audit_place(Settings(audit=False), "test") is None
    monkeypatch.setattr("conexus.config.default_data_directory", none)
    assert audit_place(Settings(), "test") is None


# --- commands ---


def test_the_commands_verify_and_show_the_log(
    conexus: Conexus, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no audit log" in conexus("audit", "verify", expect=1).stderr
    assert "no audit log" in conexus("audit", "show", expect=1).stderr
    directory = Path(environment["CONEXUS_DATA_DIR"], "audit")
    place = Place(directory, "test", 1, 90)
    old = Entry(time.time() - 5 * DAY, "fileQuarantined", {"reason": "memory", "path": "a\x1b]0;x\x07.py"})
    append(place, [old, *(limit_reached(number) for number in range(3))])
    assert conexus("audit", "verify").stdout == "4 lines in 1 file: nothing was changed or removed\n"
    shown = conexus("audit", "show").stdout.splitlines()
    assert len(shown) == 4
    assert "fileQuarantined  reason=memory path=a\\x1b" in shown[0]
    assert len(conexus("audit", "show", "--since", "2h").stdout.splitlines()) == 3
    assert len(conexus("audit", "show", "--since", "2026-01-01").stdout.splitlines()) == 4
    none = conexus("audit", "show", "--since", "9999-01-01", expect=1)
    assert (none.stdout, none.stderr) == ("", "conexus: the audit log has no such event\n")
    assert "must be a time such as 2026-01-31" in conexus("audit", "show", "--since", "soon", expect=2).stderr
    values = json.loads(conexus("audit", "show", "--json", "--event", "limitReached", "--last", "2").stdout)
    assert [value["details"]["times"] for value in values] == [1, 2]
    assert "limitReached" in conexus("audit", "show", "--event", "limit", expect=2).stderr
    monkeypatch.setenv("CONEXUS_DATA_DIR", environment["CONEXUS_DATA_DIR"])
    assert checks._audit().level == "OK"

    with (directory / LOG_FILE).open("ab") as file:
        first = next(lines_of(directory))
        file.write(forged(first, time="never\x1b[2J"))
    result = conexus("audit", "verify", expect=1)
    assert "line 1 of the log follows line 4" in result.stdout
    assert "the log was changed (2 faults)" in result.stderr
    assert "never\\x1b[2J" in conexus("audit", "show", "--since", "1h").stdout.replace("\\\\", "\\")
    assert checks._audit().level == "WARN"


def test_the_doctor_says_where_there_is_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise OSError("no home")

    monkeypatch.setenv("CONEXUS_DATA_DIR", str(tmp_path))
    assert checks._audit().found == "nothing was recorded yet"
    monkeypatch.setattr("conexus.config.default_data_directory", none)
    assert checks._audit().level == "WARN"


def test_a_command_records_settings_and_what_becomes_of_the_index(
    conexus: Conexus, environment: dict[str, str], shop: Path
) -> None:
    (shop / "conexus.toml").write_text('maxFiles = 100\nmodel = "mine"\n', encoding="utf-8")
    conexus("index", shop, "--max-file-bytes", "5000000")
    conexus("index", shop, "--rebuild")
    directory = Path(environment["CONEXUS_DATA_DIR"], "audit")
    found = [(line.value["command"], line.value["event"], line.value["details"]) for line in lines_of(directory)]
    index = next(details["index"] for _, event, details in found if event == "indexMade")
    assert index.startswith("shop-project-")
    setting = {"setting": "maxFiles", "source": "conexus.toml", "value": 100}
    assert ("index", "settingsChanged", setting) in found
    setting = {"setting": "maxFileBytes", "source": "commandLine", "value": 5_000_000}
    assert ("index", "settingsChanged", setting) in found
    assert ("index", "indexCleared", {"index": index}) in found
    refused = {"reason": "conexus.toml: a repository cannot set `model`"}
    assert ("index", "settingRefused", refused) in found
    assert str(shop.parent) not in json.dumps(found)
    assert conexus("audit", "verify").returncode == 0


@pytest.mark.parametrize("action", ["verify", "show"])
def test_a_log_that_others_may_control_is_not_read(
    conexus: Conexus, environment: dict[str, str], shop: Path, action: str
) -> None:
    conexus("index", shop)
    directory = Path(environment["CONEXUS_DATA_DIR"], "audit")
    directory.chmod(0o777)
    refused = conexus("audit", action, expect=3)
    assert "other users" in refused.stderr
    directory.rename(directory.with_name("elsewhere"))
    directory.symlink_to("elsewhere")
    refused = conexus("audit", action, expect=3)
    assert "is a link" in refused.stderr


def test_a_server_records_its_life_and_its_settings(tmp_path: Path, workspace: Path) -> None:
    with raw_client(tmp_path / "data") as client:
        client.initialize(workspace, initializationOptions={"maxDocuments": 77, "model": "static"})
        client.wait_until_quiescent()
        assert client.shut_down() == 0
    directory = tmp_path / "data" / "audit"
    found = [(line.value["event"], line.value["details"]) for line in lines_of(directory)]
    assert found[0][0] == "serverStarted"
    assert found[-1] == ("serverStopped", {"code": 0})
    assert ("settingsChanged", {"setting": "maxDocuments", "source": "client", "value": 77}) in found
    assert verify(directory).problems == ()


def test_a_server_whose_client_wants_no_log_keeps_none(tmp_path: Path, workspace: Path) -> None:
    with raw_client(tmp_path / "data") as client:
        client.initialize(workspace, initializationOptions={"audit": False})
        client.wait_until_quiescent()
        assert client.shut_down() == 0
    assert not (tmp_path / "data" / "audit").exists()


def test_a_refused_folder_is_recorded(tmp_path: Path, workspace: Path) -> None:
    with raw_client(tmp_path / "data") as client:
        client.initialize(workspace, initializationOptions={"maxFiles": 1})
        client.wait_until_quiescent()
        assert client.shut_down() == 0
    lines = [line.value for line in lines_of(tmp_path / "data" / "audit")]
    assert [line["details"]["reason"] for line in lines if line["event"] == "indexRefused"] == [
        "needs allowLargeFolders"
    ]
    assert [line["details"]["limit"] for line in lines if line["event"] == "limitReached"] == ["files"]


def test_a_folder_that_goes_is_recorded_as_unreadable(tmp_path: Path, workspace: Path) -> None:
    with raw_client(tmp_path / "data") as client:
        client.initialize(workspace)
        client.wait_until_quiescent()
        workspace.rename(tmp_path / "elsewhere")
        client.request("conexus/reindex", {})
        while "cannot be read" not in client.wait_until_quiescent()["message"]:
            pass
        assert client.shut_down() == 0
    lines = [line.value for line in lines_of(tmp_path / "data" / "audit")]
    assert [line["details"]["reason"] for line in lines if line["event"] == "indexRefused"] == ["unreadable"]
