"""Scanning and reading real, odd files."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conexus import limits
from conexus.config import Settings
from conexus.workspace.ignore import IgnoreRules
from conexus.workspace.inside import Inside
from conexus.workspace.read import Skipped, Text, read_text
from conexus.workspace.scan import Scan, scan

SETTINGS = Settings()


def scan_of(root: Path, settings: Settings = SETTINGS, below: str = "") -> Scan:
    return scan(root, IgnoreRules(root, exclude=settings.exclude), settings, below=below)


def paths_of(found: Scan) -> list[str]:
    return sorted(entry.path for entry in found.entries)


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Path]:
    """A folder with one ordinary file among all that can stand in its way."""
    root = tmp_path / "odd"
    root.mkdir()
    (root / "plain.py").write_text("x = 1\n")
    (root / "new\nline.py").write_text("y = 1\n")
    (root / "loop").symlink_to(".")
    (root / "link.py").symlink_to("plain.py")
    (root / "broken").symlink_to("nowhere")
    (root / "circle").symlink_to("circle")
    os.mkfifo(root / "pipe")
    (root / "large.txt").write_bytes(b"x" * 5000)
    (Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe.py"))).write_text("z")
    (Path(os.fsdecode(os.fsencode(root) + b"/dir\xff"))).mkdir()
    (Path(os.fsdecode(os.fsencode(root) + b"/dir\xff/x.py"))).write_text("z")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(root / "socket"))
        yield root


def test_odd_files_are_counted_by_reason_and_the_others_found(odd: Path) -> None:
    found = scan_of(odd, Settings(max_file_bytes=4000))
    assert paths_of(found) == ["new\nline.py", "plain.py"]
    assert found.skipped == {
        "symbolic link": 4,
        "not a regular file": 2,
        "larger than maxFileBytes": 1,
        "name is not UTF-8": 2,
    }
    assert found.refused is None


def test_reading_odd_files_gives_the_reason(odd: Path) -> None:
    reasons = {
        "loop": "symbolic link",
        "link.py": "symbolic link",
        "broken": "symbolic link",
        "pipe": "not a regular file",
        "socket": "not a regular file",
        "large.txt": "larger than maxFileBytes",
        "gone.py": "vanished",
        "plain.py/below": "vanished",
        "..": "unreadable",
        "": "unreadable",
        "nul\0": "unreadable",
        "x" * 300: "unreadable",
    }
    read = {name: read_text(Inside(odd), name, 4000) for name in reasons}
    assert {name: each.reason for name, each in read.items() if isinstance(each, Skipped)} == reasons


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_counted(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "closed.py").touch(mode=0)
    found = scan_of(tmp_path)
    assert found.skipped == {"unreadable": 1}
    assert read_text(Inside(tmp_path), "closed.py", 10) == Skipped("unreadable")
    (tmp_path / "closed").chmod(0o700)


def test_a_scan_below_a_path_looks_at_nothing_else(tmp_path: Path) -> None:
    for path in ("a/x.py", "a/b/y.py", "c.py", "skip/z.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    settings = Settings(exclude=("skip/",))
    assert paths_of(scan_of(tmp_path, settings, "a")) == ["a/b/y.py", "a/x.py"]
    assert paths_of(scan_of(tmp_path, settings, "c.py")) == ["c.py"]
    for below in ("skip", "skip/z.py", "gone", "c.py/x", "nul\0"):
        assert scan_of(tmp_path, settings, below) == Scan([], {})


def test_entries_have_size_and_time(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_bytes(b"12345")
    os.utime(file, ns=(0, 1_700_000_000_123_456_000))
    (entry,) = scan_of(tmp_path).entries
    assert entry == ("a.py", 5, 1_700_000_000_123_456_000)
    text = read_text(Inside(tmp_path), "a.py", 5)
    assert isinstance(text, Text)
    assert (text.size, text.mtime_ns) == (entry.size, entry.mtime_ns)


def test_too_many_files_and_special_folders_need_consent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        (tmp_path / f"{number}.py").touch()
    assert scan_of(tmp_path, Settings(max_files=4)).refused is None
    before = limits.counts().get("files", 0)
    refused = scan_of(tmp_path, Settings(max_files=3)).refused
    assert limits.counts()["files"] == before + 1
    assert refused is not None
    assert "more than 3 files" in refused
    assert "allowLargeFolders" in refused
    assert len(scan_of(tmp_path, Settings(max_files=3, allow_large_folders=True)).entries) == 4
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "home directory" in str(scan_of(tmp_path).refused)
    assert scan_of(tmp_path, Settings(allow_large_folders=True)).refused is None


def test_a_folder_that_cannot_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    assert scan_of(tmp_path / "gone").refused is not None
    assert scan_of(tmp_path).refused is None


def test_a_stopped_scan_is_not_a_whole_one(tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    found = scan(tmp_path, IgnoreRules(tmp_path), SETTINGS, stop=lambda: True)
    assert found.refused is not None


def test_a_scan_reads_changed_ignore_files(tmp_path: Path) -> None:
    (tmp_path / "a.log").touch()
    rules = IgnoreRules(tmp_path)
    assert paths_of(scan(tmp_path, rules, SETTINGS)) == ["a.log"]
    (tmp_path / ".gitignore").write_text("*.log\n")
    assert paths_of(scan(tmp_path, rules, SETTINGS)) == [".gitignore"]


def test_a_very_deep_tree_is_no_obstacle(tmp_path: Path) -> None:
    deep = tmp_path / Path(*["d" * 100] * 35)
    deep.mkdir(parents=True)
    (deep / "x.py").touch()
    # Below what the system takes as one path.
    descriptor = os.open(deep, os.O_RDONLY)
    for _ in range(10):
        os.mkdir("d" * 100, dir_fd=descriptor)
        inner = os.open("d" * 100, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    rules = IgnoreRules(tmp_path, left_out=[tmp_path / "data"])
    found = scan(tmp_path, rules, SETTINGS)
    assert len(found.entries) == 1
    assert found.skipped == {"unreadable": 1}


def test_files_that_come_and_go_during_scans_break_nothing(tmp_path: Path) -> None:
    (tmp_path / "kept.py").write_text("kept")
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            for number in range(20):
                directory = tmp_path / f"d{number}"
                directory.mkdir(exist_ok=True)
                (directory / "x.py").write_text("x")
            for number in range(20):
                (tmp_path / f"d{number}" / "x.py").unlink()
                (tmp_path / f"d{number}").rmdir()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(50):
            found = scan_of(tmp_path)
            assert "kept.py" in paths_of(found)
            assert set(found.skipped) <= {"vanished"}
            for entry in found.entries:
                read = read_text(Inside(tmp_path), entry.path, 100)
                assert read == Skipped("vanished") or isinstance(read, Text)
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ""),
        ("é😀\r\n".encode(), "é😀\r\n"),
        (b"\xef\xbb\xbfabc", "abc"),
        ("héllo".encode("utf-16"), "héllo"),
        (b"\xfe\xff" + "héllo".encode("utf-16-be"), "héllo"),
        (b"late" * 3000 + b"\0", "late" * 3000 + "\0"),
    ],
)
def test_text_is_decoded_without_its_mark(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "x").write_bytes(content)
    read = read_text(Inside(tmp_path), "x", 10**6)
    assert isinstance(read, Text)
    assert read.text == expected
    assert read.size == len(content)
    assert len(read.digest) == 32


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"caf\xe9", "not UTF-8"),
        (b"\xff\xfeabc", "not UTF-8"),
        (b"\xff\xfe\x00\xd8", "not UTF-8"),
        ("abc".encode("utf-32"), "not UTF-8"),
        (b"\xed\xa0\x80", "not UTF-8"),
        (b"PNG\0\1\2", "binary"),
    ],
)
def test_what_is_not_text_is_left_out(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x").write_bytes(content)
    status = (tmp_path / "x").stat()
    assert read_text(Inside(tmp_path), "x", 10**6) == Skipped(reason, (status.st_size, status.st_mtime_ns))


def test_the_digest_is_of_the_bytes(tmp_path: Path) -> None:
    texts = []
    for number, content in enumerate([b"abc", b"\xef\xbb\xbfabc", b"abc"]):
        (tmp_path / str(number)).write_bytes(content)
        text = read_text(Inside(tmp_path), str(number), 100)
        assert isinstance(text, Text)
        texts.append(text)
    assert texts[0].digest == texts[2].digest != texts[1].digest
