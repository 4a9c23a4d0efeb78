"""Files of ours: private, made exclusively, and never where another user may decide what is read or written."""

from __future__ import annotations

import os
import pickle
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conexus import own_files
from conexus.lsp import results_page
from conexus.own_files import Untrusted
from tests.faults import until
from tests.lsp.raw import server_environment
from tests.workspaces import PATIENCE, running, write

FOREIGN = 12345

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    former = os.umask(request.param)
    yield request.param
    os.umask(former)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "above" / "data"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    write(folder, {"a.py": "def giraffe_neck():\n    return 1\n", "b.py": "def okapi_stripes():\n    return 2\n"})
    return folder


def entries(directory: Path) -> dict[str, int]:
    """The modes of all files and directories below a directory, and its own."""
    paths = [directory, *directory.rglob("*")]
    return {str(path.relative_to(directory)): stat.S_IMODE(path.lstat().st_mode) for path in paths}


def assert_private(directory: Path) -> None:
    for path in [directory, *directory.rglob("*")]:
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600) or not mode & 0o077, (path, oct(mode))
        assert mode & 0o400, (path, oct(mode))


def content(directory: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None for path in directory.rglob("*")
    }


# --- a whole life ---


def test_everything_that_a_life_makes_is_private_whatever_the_umask(
    root: Path, data: Path, umask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONEXUS_DATA_DIR", str(data))
    with running(root, data, stored=True) as engine:
        assert_private(data.parent)
        before = os.umask(0o022)  # the workspace's own files are not the subject
        write(root, {"c.py": "def zebra_back():\n    return 3\n"})
        os.umask(before)
        engine.hint([root / "c.py"])
        assert engine.wait(PATIENCE)
        engine.clear()
        assert engine.wait(PATIENCE)
        assert engine.engine.store(PATIENCE)
        results_page.write("page")
        assert_private(data.parent)
    assert_private(data.parent)
    names = {path.name for path in data.rglob("*")}
    assert {"segments.json", "folder.json", "writer.lock", "results"} <= names
    assert any(name.endswith(".segment") for name in names)
    assert any(name.endswith(".lance") for name in names)


def test_the_cache_of_a_model_is_private_whatever_the_umask(data: Path, umask: int) -> None:
    import numpy as np

    from conexus.embedding.transformer.vector_cache import VectorCache

    cache = VectorCache(data / "vectors", "fingerprint", 4)
    cache.put_many(["text"], np.ones((1, 4), np.float32))
    assert_private(data.parent)
    assert list(cache.get_many(["text"])) == ["text"]
    cache.close()


# --- what is refused ---


def link(path: Path) -> None:
    """Another user's link in the place of something of ours, to a directory of the victim's own."""
    victim = path.with_name("victim")
    if path.exists():
        path.rename(victim)
    else:
        victim.mkdir()
    path.symlink_to(victim)


def open_to_group(path: Path) -> None:
    path.chmod(path.stat().st_mode | 0o020)


def open_to_all(path: Path) -> None:
    path.chmod(path.stat().st_mode | 0o002)


def open_to_all_but_sticky(path: Path) -> None:
    path.chmod(path.stat().st_mode | 0o1002)


def of_another(path: Path) -> None:
    os.chown(path, FOREIGN, FOREIGN, follow_symlinks=False)


HOW: list[tuple[Callable[[Path], None], str]] = [
    (link, "is a link"),
    (open_to_group, "other users can write"),
    (open_to_all, "other users can write"),
    (open_to_all_but_sticky, "other users can write"),
]
ALL_HOW = [pytest.param(how, says, id=how.__name__) for how, says in HOW]
ALL_HOW.append(pytest.param(of_another, "belongs to another user", id="of_another", marks=needs_root))


@pytest.mark.parametrize(("how", "says"), ALL_HOW)
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_an_index_that_others_may_control_is_neither_read_nor_written(
    root: Path, data: Path, tmp_path: Path, how: Callable[[Path], None], says: str, depth: int
) -> None:
    with running(root, data, stored=True):
        pass
    index = next((data / "indexes").iterdir())
    how([data, data / "indexes", index, index / "segments.json"][depth])
    former = content(tmp_path)
    with running(root, data) as engine:
        assert engine.search("giraffe").hits
        status = engine.status()
        assert status.health == "warning"
        assert says in status.message
        assert status.role == "reader"
        assert str(tmp_path) not in status.message
        write(root, {"c.py": "def zebra_back():\n    return 3\n"})
        engine.hint([root / "c.py"])
        assert engine.wait(PATIENCE)
        assert not engine.engine.store(PATIENCE)
        assert engine.search("zebra").hits
    del (after := content(tmp_path))["work/c.py"]
    assert after == former


@pytest.mark.parametrize("name", ["folder.json", "segments.json", "writer.lock", "files_2.lance", "x.segment"])
def test_what_a_planted_link_leads_to_is_left_alone(root: Path, data: Path, tmp_path: Path, name: str) -> None:
    with running(root, data, stored=True):
        pass
    index = next((data / "indexes").iterdir())
    victim = tmp_path / "victim"
    (victim / "inner").mkdir(parents=True)
    (victim / "inner" / "file").write_text("precious")
    own_files.remove(index / name)
    (index / name).symlink_to(victim if name.endswith(".lance") else victim / "inner" / "file")
    with running(root, data) as engine:
        assert "is a link" in engine.status().message
    assert content(victim) == {"inner": None, "inner/file": b"precious"}


def test_an_index_directory_that_is_a_link_to_a_victims_directory_deletes_nothing(
    root: Path, data: Path, tmp_path: Path
) -> None:
    """The attack of a shared data directory: the victim's own directory in place of the index's."""
    with running(root, data):
        index = next((data / "indexes").iterdir())
    own_files.remove(index)
    victim = tmp_path / "victim"
    for name in ("x.lance", "folder.json", "segments.json"):
        (victim / name).mkdir(parents=True)
        (victim / name / "file").write_text("precious")
    (victim / "thesis.99999999.draft").write_text("precious")
    (victim / "99999999-1-1.segment").write_text("precious")
    former = content(victim)
    index.symlink_to(victim)
    with running(root, data) as engine:
        assert "is a link" in engine.status().message
    assert content(victim) == former


@pytest.mark.parametrize(("how", "says"), ALL_HOW)
@pytest.mark.parametrize("name", ["", "results"])
def test_pages_of_results_are_not_written_where_others_may_control_it(
    data: Path, monkeypatch: pytest.MonkeyPatch, how: Callable[[Path], None], says: str, name: str
) -> None:
    monkeypatch.setenv("CONEXUS_DATA_DIR", str(data))
    results_page.write("page")
    how(data / name)
    with pytest.raises(Untrusted, match=says):
        results_page.write("secret")


def test_an_index_is_used_again_when_others_have_lost_their_right(root: Path, data: Path) -> None:
    with running(root, data, stored=True):
        pass
    data.chmod(0o777)
    with running(root, data) as engine:
        assert engine.status().role == "reader"
        data.chmod(0o700)
        until(lambda: engine.status().role == "writer" and engine.status().health == "ok", engine.status)


# --- what is accepted ---


def test_links_above_the_data_directory_are_fine(root: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "real")
    data = tmp_path / "home" / "data"
    for _ in range(2):
        with running(root, data, stored=True) as engine:
            assert (engine.status().health, engine.status().role) == ("ok", "writer")


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that every user can read, as those of pytest are not."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@needs_root
def test_a_read_only_index_of_root_is_read_by_others(public: Path) -> None:
    """As in the image of a container, whose user is not root."""
    root, data = public / "work", public / "data"
    write(root, {"a.py": "def giraffe_neck():\n    return 1\n"})
    with running(root, data, stored=True):
        pass
    for path in [data, *data.rglob("*"), root, *root.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    if shutil.which("setpriv") is None:
        pytest.skip("there is no program that runs another as somebody else")
    script = (
        "import sys; from pathlib import Path\n"
        "from conexus.engine import Engine; from conexus.config import Settings\n"
        "engine = Engine(Settings(watcher='off'), data_directory=Path(sys.argv[2]))\n"
        "session = engine.open_session(); session.set_folders([Path(sys.argv[1])])\n"
        f"assert engine.wait({PATIENCE})\n"
        "status = session.status()\n"
        "print(status.embedded_chunks, status.role, status.message)\n"
        "engine.close()\n"
    )
    command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", sys.executable, "-c", script]
    former = content(data)
    done = subprocess.run(
        [*command, str(root), str(data)],
        env=server_environment(data),
        capture_output=True,
        text=True,
        check=False,
    )
    if "Permission denied" in done.stderr and "python" in done.stderr:
        pytest.skip("another user cannot run this Python")
    assert done.returncode == 0, done.stderr
    embedded, role, message = done.stdout.strip().split(" ", 2)
    assert (embedded, role) == ("0", "reader")
    assert "the index is read, but it cannot be written" in message
    assert content(data) == former


# --- the module ---


def test_a_missing_directory_is_no_fault(tmp_path: Path) -> None:
    own_files.check_directories(tmp_path / "missing", "indexes", "x")
    (tmp_path / "data").mkdir()
    own_files.check_directories(tmp_path / "data", "indexes", "x")


def test_what_is_no_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        own_files.check_directories(tmp_path / "file")
    with pytest.raises(NotADirectoryError):
        own_files.create(tmp_path / "file" / "x")
    with pytest.raises(NotADirectoryError):
        own_files.make_directories(tmp_path / "file")


def test_directories_below_are_made_private_and_the_data_directory_keeps_its_mode(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "indexes").mkdir(parents=True)
    data.chmod(0o755)
    (data / "indexes").chmod(0o755)
    own_files.make_directories(data, "indexes", "x")
    modes = entries(data)
    assert modes == {".": 0o755, "indexes": 0o700, "indexes/x": 0o700}
    (data / "indexes" / "x").chmod(0o500)
    own_files.make_directories(data, "indexes", "x")
    assert entries(data)["indexes/x"] == 0o500


def test_a_file_in_the_place_of_a_directory_stays(tmp_path: Path) -> None:
    own_files.make_directories(tmp_path / "data")
    (tmp_path / "data" / "indexes").write_text("in the way")
    with pytest.raises(NotADirectoryError):
        own_files.make_directories(tmp_path / "data", "indexes")


def test_a_directory_that_another_process_makes_meanwhile_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Path.mkdir

    def make_first(path: Path, mode: int = 0o777) -> None:
        make(path, mode)
        make(path, mode)

    monkeypatch.setattr(Path, "mkdir", make_first)
    own_files.make_directories(tmp_path / "above" / "data", "indexes")
    assert (tmp_path / "above" / "data" / "indexes").is_dir()


def test_an_entry_that_vanishes_while_it_is_checked_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Entry:
        name = "gone"

        def stat(self, *, follow_symlinks: bool) -> os.stat_result:
            raise FileNotFoundError

    class Entries(list[Entry]):
        def __enter__(self) -> Entries:
            return self

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(os, "scandir", lambda path: Entries([Entry()]))
    own_files.check_entries(tmp_path)


def test_nothing_is_overwritten_and_no_link_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    (tmp_path / "dangling").symlink_to(tmp_path / "new")
    for name in ("precious", "link", "dangling"):
        with pytest.raises(FileExistsError):
            own_files.create(tmp_path / name)
    with own_files.replacing(tmp_path / "link") as file:
        file.write(b"ours")
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "link").is_symlink()
    assert not (tmp_path / "new").exists()


def test_a_draft_that_someone_planted_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / f"file.{os.getpid()}.draft").symlink_to(tmp_path / "precious")
    with own_files.replacing(tmp_path / "file") as file:
        file.write(b"ours")
    assert content(tmp_path) == {"precious": b"precious", "file": b"ours"}


def test_what_fails_leaves_the_former_file(tmp_path: Path) -> None:
    with own_files.replacing(tmp_path / "file") as file:
        file.write(b"one")

    def fail() -> None:
        with own_files.replacing(tmp_path / "file") as file:
            file.write(b"two")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert content(tmp_path) == {"file": b"one"}


def test_only_regular_files_are_opened_and_nothing_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for path in (tmp_path / "pipe", tmp_path / "link", tmp_path, Path("/dev/null")):
        with pytest.raises(Untrusted, match="no regular file"):
            own_files.open_regular(path)
        assert not own_files.is_regular(path)
    with own_files.open_regular(tmp_path / "link", follow=True) as file:
        assert file.read() == b"text"
    assert own_files.is_regular(tmp_path / "file")
    assert not own_files.is_regular(tmp_path / "missing")


def test_a_file_that_turns_into_a_pipe_while_it_is_opened_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("text")
    really_open = os.open

    def swap(path: Path, flags: int) -> int:
        path.unlink()
        os.mkfifo(path)
        return really_open(path, flags)

    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(Untrusted, match="no regular file"):
        own_files.open_regular(tmp_path / "file")


def test_a_file_is_read_up_to_a_size(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert own_files.read(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OSError, match="too large"):
        own_files.read(tmp_path / "file", 4)


def test_removing_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "file").write_text("precious")
    (tmp_path / "ours" / "deep").mkdir(parents=True)
    (tmp_path / "ours" / "deep" / "link").symlink_to(tmp_path / "victim")
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    (tmp_path / "file").write_text("")
    for name in ("ours", "link", "file", "missing", "missing/too"):
        own_files.remove(tmp_path / name)
    assert content(tmp_path) == {"victim": None, "victim/file": b"precious"}


def test_what_cannot_be_removed_does_not_keep_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / "ours" / name).mkdir(parents=True)
    remove = os.rmdir

    def stubborn(name: str, **where: int) -> None:
        if name == "b":
            raise PermissionError(13, "no")
        if name == "c":
            remove(name, **where)
            raise FileNotFoundError(2, "gone already")
        remove(name, **where)

    monkeypatch.setattr(os, "rmdir", stubborn)
    with pytest.raises(PermissionError):
        own_files.remove(tmp_path / "ours")
    assert [path.name for path in (tmp_path / "ours").iterdir()] == ["b"]


@pytest.mark.parametrize(("how", "says"), ALL_HOW)
def test_nothing_is_made_or_removed_in_a_directory_that_others_may_control(
    tmp_path: Path, how: Callable[[Path], None], says: str
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "file").write_text("precious")
    how(place)
    former = content(tmp_path)
    for action in (
        lambda: own_files.create(place / "new"),
        lambda: own_files.remove(place / "file"),
        lambda: own_files.rename(place / "file", "other"),
        lambda: own_files.replacing(place / "file").__enter__(),
    ):
        with pytest.raises(Untrusted, match=says):
            action()
    assert content(tmp_path) == former


def test_a_file_gets_another_name_in_its_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("ours")
    own_files.rename(tmp_path / "file", "other")
    assert content(tmp_path) == {"other": b"ours"}


def test_a_refusal_keeps_its_words_between_processes() -> None:
    error = pickle.loads(pickle.dumps(Untrusted("a sentence")))  # noqa: S301  made here
    assert (type(error), error.strerror) == (Untrusted, "a sentence")


def test_a_system_without_owners_does_the_same_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_files, "_POSIX", False)
    own_files.make_directories(tmp_path / "data", "indexes")
    own_files.make_directories(tmp_path / "data", "indexes")
    (tmp_path / "data" / "indexes").chmod(0o777)
    own_files.check_directories(tmp_path / "data", "indexes")
    path = tmp_path / "data" / "file"
    with own_files.replacing(path) as file:
        file.write(b"ours")
    own_files.rename(path, "other")
    assert own_files.read(path.with_name("other"), 10) == b"ours"
    own_files.remove(path.with_name("other"))
    own_files.remove(tmp_path / "data" / "indexes")
    assert content(tmp_path / "data") == {}
    (tmp_path / "data" / "indexes").symlink_to(tmp_path)
    with pytest.raises(Untrusted, match="is a link"):
        own_files.check_directories(tmp_path / "data", "indexes")
