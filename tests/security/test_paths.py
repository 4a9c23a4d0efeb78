"""Nothing outside a workspace is opened, whatever a path, a URI, a link or a special file says."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conexus import audit
from conexus.config import Settings
from conexus.workspace.ignore import IgnoreRules
from conexus.workspace.inside import Inside, OutsideWorkspace, resolve_in_workspace
from conexus.workspace.paths import relative_path
from conexus.workspace.read import Skipped, Text, read_current, read_text, state_of
from conexus.workspace.scan import scan

BY_PARTS = pytest.mark.parametrize("by_parts", [True, False])


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    events: list[dict[str, object]] = []
    monkeypatch.setattr(audit, "record", lambda event, **details: events.append({"event": event, **details}))
    return events


@pytest.mark.parametrize(
    ("given_path", "expected"),
    [
        ("a.py", "a.py"),
        ("a/./b/../c.py", "a/c.py"),
        ("", ""),
        (".", ""),
        ("/ws", ""),
        ("/ws/", ""),
        ("//ws/a", "a"),
        ("/ws//a/", "a"),
        ("/ws/a/../../ws/b", "b"),
        ("file:///ws/a%20b.py", "a b.py"),
        ("FILE://localhost/ws/a.py", "a.py"),
        ("file:///ws/%2e%2e/ws/a.py", "a.py"),
        ("...", "..."),
        ("a\nb", "a\nb"),
        ("c:/x", "c:/x"),
        ("..", None),
        ("../ws2/a", None),
        ("a/../../etc/passwd", None),
        ("/etc/passwd", None),
        ("/ws2", None),
        ("/ws2/a", None),
        ("/WS/a", None),
        ("/", None),
        ("a\0b", None),
        ("file:///ws2/a", None),
        ("file:///ws/../etc/passwd", None),
        ("file:///ws/%2e%2e%2fetc/passwd", None),
        ("file:///ws/a%00", None),
        ("file:///ws/%FF", None),
        ("file://host/ws/a", None),
        ("file:a", None),
        ("http://ws/a", None),
        ("vscode-remote://ssh/ws/a", None),
    ],
)
def test_what_others_write_is_below_the_root_or_rejected(given_path: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(OutsideWorkspace):
            resolve_in_workspace(["/ws"], given_path, windows=False)
    else:
        assert resolve_in_workspace(["/ws"], given_path, windows=False) == [("/ws", expected)]


@pytest.mark.parametrize(
    ("given_path", "expected"),
    [
        ("a.py", "a.py"),
        ("a\\b/c.py", "a/b/c.py"),
        ("C:\\ws\\a.py", "a.py"),
        ("c:/WS/A.py", "A.py"),
        ("C:\\WS", ""),
        ("C:\\ws\\x\\..\\a.py", "a.py"),
        ("file:///c%3A/ws/a.py", "a.py"),
        ("C:\\ws\\console.py", "console.py"),
        ("C:\\ws\\.git\\a", ".git/a"),
        ("..\\ws2\\a", None),
        ("C:\\ws2\\a", None),
        ("D:\\ws\\a", None),
        ("C:a.py", None),
        ("C:", None),
        ("\\ws\\a", None),
        ("\\\\server\\share\\a", None),
        ("\\\\?\\C:\\ws\\a", None),
        ("file://server/ws/a", None),
        ("file:////server/ws/a", None),
        ("CON", None),
        ("a\\nul.txt", None),
        ("com1", None),
        ("LPT¹.log", None),
        ("COM1 .x", None),
        ("conin$", None),
        ("a.py:stream", None),
        ("a.py.", None),
        ("a.py ", None),
        ("a\x01b", None),
        ("a?b", None),
        ("a\0b", None),
    ],
)
def test_what_others_write_on_windows_is_below_the_root_or_rejected(given_path: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(OutsideWorkspace):
            resolve_in_workspace(["C:\\ws"], given_path, windows=True)
    else:
        assert resolve_in_workspace(["C:\\ws"], given_path, windows=True) == [("C:\\ws", expected)]


def test_a_root_of_everything_and_a_network_share_are_roots() -> None:
    assert resolve_in_workspace(["/"], "/etc/x", windows=False) == [("/", "etc/x")]
    share = "\\\\server\\share"
    assert resolve_in_workspace([share], "file://server/share/a.py", windows=True) == [(share, "a.py")]


def test_a_path_relative_to_any_root_is_one_of_each_and_an_absolute_one_of_its_own() -> None:
    assert resolve_in_workspace(["/a", "/b"], "x", windows=False) == [("/a", "x"), ("/b", "x")]
    assert resolve_in_workspace(["/a", "/b"], "/b/x", windows=False) == [("/b", "x")]


def test_a_rejected_path_is_recorded_without_its_text(recorded: list[dict[str, object]]) -> None:
    with pytest.raises(OutsideWorkspace) as refused:
        resolve_in_workspace(["/ws"], "/home/secret/x", windows=False)
    with pytest.raises(OutsideWorkspace):
        resolve_in_workspace([], "x", windows=False)
    assert recorded == [
        {"event": "pathRejected", "source": "client", "folder": "ws", "reason": "a path outside the folder"},
        {"event": "pathRejected", "source": "client", "folder": "", "reason": "no folder is open"},
    ]
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("path", ["/ws/../etc", "/ws/a/../b", "/ws//a", "/ws/./a", "/ws/a/", "/ws2/a"])
def test_a_path_that_is_not_normal_is_in_no_folder(path: str) -> None:
    assert relative_path("/ws", path, windows=False) is None


@given(st.text(), st.booleans())
def test_no_text_leads_out(text: str, windows: bool) -> None:
    root = "C:\\ws" if windows else "/ws"
    for each in (text, "file://" + text, f"{root}/{text}"):
        try:
            ((_, path),) = resolve_in_workspace([root], each, windows=windows)
        except OutsideWorkspace:
            continue
        assert not {"..", "."} & set(path.split("/"))
        assert not path.startswith("/")
        assert "\0" not in path


# --- opening ---


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tree(tmp_path)


def tree(base: Path) -> Path:
    """Makes a workspace with links out of it, and returns its root."""
    outside = base / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "secret.py").write_text("secret")
    (outside / "deep" / "secret.py").write_text("secret")
    root = base / "ws"
    (root / "sub" / "inner").mkdir(parents=True)
    for name in ("a.py", "sub/b.py", "sub/inner/c.py"):
        (root / name).write_text("mine")
    (root / "link").symlink_to(outside)
    (root / "sub" / "link").symlink_to(outside / "deep")
    (root / "secret.py").symlink_to(outside / "secret.py")
    (root / "loop").symlink_to(".")
    return root


@BY_PARTS
def test_files_are_read_wherever_they_are_below_the_root(root: Path, by_parts: bool) -> None:
    with Inside(root, by_parts=by_parts) as inside:
        for name in ("sub/inner/c.py", "a.py", "sub/b.py", "sub/inner/c.py", "sub/b.py", "a.py"):
            read = read_text(inside, name, 100)
            assert isinstance(read, Text)
            assert read.text == "mine"
            assert inside.stat(name).st_size == 4
        assert stat.S_ISDIR(inside.stat("").st_mode)
        assert stat.S_ISDIR(inside.stat("sub/inner").st_mode)
        assert stat.S_ISLNK(inside.stat("link").st_mode)
        for directory, names in (("", 5), ("sub", 3), ("sub/inner", 1)):
            with inside.listed(directory) as entries:
                assert len([entry.stat(follow_symlinks=False) for entry in entries]) >= names


@BY_PARTS
@pytest.mark.parametrize(
    "path", ["link/secret.py", "sub/link/secret.py", "secret.py", "link/deep/secret.py", "loop/a.py", "link"]
)
def test_no_link_in_any_part_is_followed(
    root: Path, path: str, by_parts: bool, recorded: list[dict[str, object]]
) -> None:
    with Inside(root, by_parts=by_parts) as inside:
        for _ in range(2):
            assert read_text(inside, path, 100) == Skipped("symbolic link")
    assert recorded == [
        {"event": "pathRejected", "source": "repository", "folder": root.name, "reason": "a symbolic link"}
    ]


@BY_PARTS
def test_what_is_behind_a_link_is_neither_examined_nor_listed(root: Path, by_parts: bool) -> None:
    with Inside(root, by_parts=by_parts) as inside:
        with pytest.raises(OSError, match="symbolic links"):
            inside.stat("link/secret.py")
        for directory in ("link", "link/deep", "loop"):
            with pytest.raises(OSError, match="symbolic links"), inside.listed(directory):
                pass
    assert state_of(str(root), "link/secret.py") is None
    assert read_current(str(root), "link/secret.py", 100) == Skipped("symbolic link")


@BY_PARTS
@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../outside/secret.py",
        "sub/../../outside/secret.py",
        "/etc/passwd",
        "a.py/x",
        ".",
        "",
        "sub/",
        "sub//b.py",
    ],
)
def test_no_path_leads_out_when_it_is_opened(root: Path, path: str, by_parts: bool) -> None:
    with Inside(root, by_parts=by_parts) as inside:
        assert isinstance(read_text(inside, path, 100), Skipped)


@BY_PARTS
def test_special_files_are_never_opened(root: Path, by_parts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(root / "socket"))
    names = ["pipe", "socket", "sub"]
    if os.geteuid() == 0:
        os.mknod(root / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        names.append("device")
    opened: list[object] = []
    real = os.open

    def noted(path: str, flags: int, *arguments: int, **options: int) -> int:
        opened.append(path)
        return real(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", noted)
    with Inside(root, by_parts=by_parts) as inside:
        for name in names:
            read = read_text(inside, name, 100)
            assert isinstance(read, Skipped)
            assert read.reason == "not a regular file"
    assert not {str(path).rpartition("/")[2] for path in opened} & set(names)


@BY_PARTS
def test_a_file_that_becomes_something_else_meanwhile_is_not_read(
    root: Path, by_parts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is replaced after it was examined and before it is opened."""
    real = os.open

    def replaced(by: Callable[[Path], None]) -> None:
        def late(path: str, flags: int, *arguments: int, **options: int) -> int:
            if str(path).endswith("a.py"):
                (root / "a.py").unlink(missing_ok=True)
                by(root / "a.py")
            return real(path, flags, *arguments, **options)

        monkeypatch.setattr(os, "open", late)

    with Inside(root, by_parts=by_parts) as inside:
        replaced(os.mkfifo)
        read = read_text(inside, "a.py", 100)
        assert isinstance(read, Skipped)
        (root / "a.py").unlink()
        (root / "a.py").write_text("mine")
        replaced(lambda path: path.symlink_to(root.parent / "outside" / "secret.py"))
        assert read_text(inside, "a.py", 100) == Skipped("symbolic link")


def test_without_descriptors_of_directories_a_swap_shows_afterwards(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way of Windows: the file that was opened must be the one that the path names without a link."""
    (root / "sub" / "secret.py").write_text("mine")
    real = os.open

    def late(path: str, flags: int, **_options: int | None) -> int:
        (root / "sub").rename(root / "aside")
        (root / "sub").symlink_to(root.parent / "outside")
        descriptor = real(path, flags)
        (root / "sub").unlink()
        (root / "aside").rename(root / "sub")
        return descriptor

    monkeypatch.setattr(os, "open", late)
    with Inside(root, by_parts=False) as inside:
        assert read_text(inside, "sub/secret.py", 100) == Skipped("symbolic link")


@pytest.mark.skipif(os.open not in os.supports_dir_fd, reason="two swaps at the right moments deceive what is left")
def test_a_directory_that_is_swapped_for_a_link_all_the_time_is_never_read_through_it(root: Path) -> None:
    (root / "sub" / "secret.py").write_text("mine")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (root / "sub").rename(root / "aside")
            (root / "sub").symlink_to(root.parent / "outside")
            (root / "sub").unlink()
            (root / "aside").rename(root / "sub")

    thread = threading.Thread(target=swap)
    thread.start()
    seen: set[str] = set()
    try:
        while not {"mine", "symbolic link"} <= seen:
            read = read_current(str(root), "sub/secret.py", 100)
            seen.add(read.reason if isinstance(read, Skipped) else read)
        for _ in range(300):
            read = read_current(str(root), "sub/secret.py", 100)
            seen.add(read.reason if isinstance(read, Skipped) else read)
            found = scan(root, IgnoreRules(root), Settings())
            assert not [entry.path for entry in found.entries if entry.path.startswith("sub/deep")]
    finally:
        stop.set()
        thread.join()
    assert seen <= {"mine", "symbolic link", "vanished"}


def test_without_descriptors_of_directories_the_names_of_windows_are_refused(root: Path) -> None:
    with Inside(root, by_parts=False) as inside:
        for name in ("NUL", "sub/con.py", "a.py:stream", "sub\\b.py", "a.py "):
            with pytest.raises(OutsideWorkspace):
                inside.open(name)


def test_descriptors_are_closed(root: Path) -> None:
    before = sorted(Path("/proc/self/fd").iterdir())
    inside = Inside(root)
    for _ in range(3):
        for path in ("a.py", "sub/b.py", "sub/inner/c.py", "link/x", "sub/link/x", "sub/gone/x/y", "gone", "a.py/b/c"):
            read_text(inside, path, 10)
        with inside.listed(""), pytest.raises(RuntimeError), inside.listed("sub"):
            raise RuntimeError
        inside.close()
        inside.close()
        assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_a_root_may_be_reached_by_a_link(root: Path) -> None:
    home = root.with_name("home")
    home.symlink_to(root)
    assert read_current(str(home), "sub/b.py", 100) == "mine"
    assert len(scan(home, IgnoreRules(home), Settings()).entries) == 3


def test_a_path_too_long_for_other_programs_is_not_opened(root: Path) -> None:
    with Inside(root) as inside, pytest.raises(OSError, match="too long"):
        inside.stat("/".join(["d" * 100] * 41))


PARTS = st.sampled_from(["..", ".", "", "sub", "inner", "link", "loop", "a.py", "b.py", "secret.py", "deep", "x\0"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree(tmp_path_factory.mktemp("made"))


@given(st.lists(PARTS, max_size=6).map("/".join), st.booleans())
def test_whatever_is_opened_is_below_the_root(made: Path, path: str, by_parts: bool) -> None:
    with Inside(made, by_parts=by_parts) as inside:
        try:
            descriptor, _ = inside.open(path)
        except (OSError, ValueError):
            return
        if descriptor is not None:
            try:
                real = Path(f"/proc/self/fd/{descriptor}").readlink()
            finally:
                os.close(descriptor)
            assert real.is_relative_to(made.resolve())
            assert real == made.resolve() / path
