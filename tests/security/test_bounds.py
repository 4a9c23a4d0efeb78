"""What a repository or a client can make us do is bounded: chunks, memory, processor time, files and events."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conexus.chunking import MOST_CHUNKS, TooManyChunks, chunk_text
from conexus.cli.status_text import status_lines
from conexus.config import Settings
from conexus.indexing.commands import Verify
from conexus.indexing.folder_budget import BEYOND_CHUNKS, BEYOND_SIZE, within_size
from conexus.indexing.memory_limits import MemoryLimits
from conexus.indexing.refresh import _MOST_HINTS
from conexus.indexing.worker_tasks import NO_WORKER, TOO_MANY_CHUNKS
from conexus.processes.memory import available_mib
from conexus.storage.lance.process import LanceProcess, NeedsMemory
from conexus.storage.lance.requests import OpenTables
from conexus.workspace.ignore import IgnoreRules
from conexus.workspace.scan import Entry, scan
from conexus.workspace.watcher_process import _Tree
from tests.faults import until
from tests.workspaces import PATIENCE, Call, OneClient, running, write

SECTIONS = "# a\n" * (MOST_CHUNKS + 10_000)
#: Statements that the grammar of bash gives many nodes, and the query many matches: 555 MB without a limit.
BASH = "a\r" * 500_000
#: The most that reading one file of 1 MB may take.
MOST_MIB = 256


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    write(root, {"app.py": "def renew_session():\n    return 1\n"})
    return root


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def settle(engine: OneClient) -> None:
    assert engine.wait(PATIENCE), engine.status()


def symbols(engine: OneClient, query: str) -> list[str]:
    return [hit.symbol for hit in engine.search(query).hits]


def skipped(engine: OneClient) -> dict[str, int]:
    found: dict[str, int] = engine.status().folders[0].skipped
    return found


# --- chunks ---


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("markdown", SECTIONS),
        ("c", "int a(){}\n" * 25_000),
        ("go", "func a(){}\n" * 25_000),
    ],
)
def test_a_file_of_too_many_definitions_stays_searchable_in_runs_of_lines(language: str, text: str) -> None:
    chunks = chunk_text(text, language)
    assert len(chunks) < MOST_CHUNKS // 10
    assert "".join(chunk.code for chunk in chunks) == text


def test_a_file_of_too_many_lines_is_refused() -> None:
    with pytest.raises(TooManyChunks):
        chunk_text("word\n" * 500, "text", most=3)


def test_a_file_of_too_many_chunks_is_left_out_by_reason_and_found_when_it_shrinks(root: Path, data: Path) -> None:
    write(root, {"long.txt": "giraffe neck\n" * 500})
    with running(root, data, max_file_chunks=3) as engine:
        assert skipped(engine) == {TOO_MANY_CHUNKS: 1}
        write(root, {"long.txt": "giraffe neck\n"})
        engine.hint([root / "long.txt"])
        settle(engine)
        assert skipped(engine) == {}


def test_a_limit_of_chunks_that_is_raised_or_lowered_applies_to_files_that_did_not_change(
    root: Path, data: Path
) -> None:
    write(root, {"long.txt": "giraffe neck\n" * 500})
    with running(root, data, stored=True) as engine:
        assert skipped(engine) == {}
    with running(root, data, max_file_chunks=3) as engine:
        assert skipped(engine) == {TOO_MANY_CHUNKS: 1}
        engine.configure(Settings(watcher="off"))
        settle(engine)
        assert skipped(engine) == {}


def test_the_files_with_the_most_chunks_are_beyond_the_folder_s_limit_whatever_the_order(
    root: Path, data: Path, tmp_path: Path
) -> None:
    def text(number: int) -> str:
        return "".join(f"def function_{number}_{n}():\n    return {n}\n\n\n" for n in range(number))

    write(root, {f"many/f{number}.py": text(number) for number in range(1, 11)})
    with running(root, data, max_folder_chunks=25) as engine:
        kept = {hit.document for hit in engine.search("function", limit=100).hits}
        assert skipped(engine) == {BEYOND_CHUNKS: 4}
        assert engine.status().chunks == 22  # 1 + 1 + … + 6
        assert engine.status().limits["chunksOfFolder"] > 0
        assert not any(f"f{number}.py" in document for document in kept for number in range(7, 11))
        for number in range(1, 5):
            (root / f"many/f{number}.py").unlink()
        engine.hint([root / "many"])
        settle(engine)
        # 1 + 5 + 6 are there, so that 7 fits, and 8 does not.
        until(lambda: skipped(engine) == {BEYOND_CHUNKS: 3}, engine.status)
        settle(engine)
        assert engine.status().chunks == 19
    with running(root, tmp_path / "fresh", max_folder_chunks=25) as engine:
        assert (skipped(engine), engine.status().chunks) == ({BEYOND_CHUNKS: 3}, 19)


def test_the_largest_files_are_beyond_the_folder_s_size() -> None:
    entries = [Entry("b", 5, 0), Entry("a", 5, 0), Entry("c", 1, 0), Entry("d", 9, 0)]
    assert within_size(entries, 20) == (entries, 0)
    assert within_size(entries, 7) == ([Entry("c", 1, 0), Entry("a", 5, 0)], 2)


def test_files_beyond_the_folder_s_size_are_found_when_others_go(root: Path, data: Path) -> None:
    words = "lorem ipsum dolor sit amet\n"
    write(root, {"half.txt": words * 25_000, "more.txt": "zebra " + words * 30_000})
    with running(root, data, max_folder_mib=1) as engine:
        assert skipped(engine) == {BEYOND_SIZE: 1}
        (root / "half.txt").unlink()
        engine.hint([root / "half.txt"])
        until(lambda: skipped(engine) == {}, engine.status)
        settle(engine)
        write(root, {"half.txt": words * 25_000})
        engine.hint([root / "half.txt"])
        until(lambda: skipped(engine) == {BEYOND_SIZE: 1}, engine.status)


# --- paths ---


@pytest.mark.parametrize("empty", [False, True])
def test_a_folder_whose_paths_are_too_long_together_needs_consent(
    root: Path, monkeypatch: pytest.MonkeyPatch, empty: bool
) -> None:
    monkeypatch.setattr("conexus.workspace.scan._MOST_BYTES_OF_PATHS", 3_000)
    assert scan(root, IgnoreRules(root), Settings()).refused is None
    for number in range(10):
        deep = root / f"{number}{'d' * 200}" / ("e" * 200)
        deep.mkdir(parents=True)
        if not empty:
            (deep / "a.py").touch()
    refused = scan(root, IgnoreRules(root), Settings()).refused
    assert refused == "The paths of this folder's files are too long together. Set `allowLargeFolders` to index it."
    assert scan(root, IgnoreRules(root), Settings(allow_large_folders=True)).refused is None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system watches whole trees")
def test_the_paths_of_watched_directories_are_limited(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conexus.workspace.watcher_process._MOST_CHARACTERS", 2_000)
    for number in range(10):
        (root / f"{number}{'d' * 100}").mkdir()
    tree = _Tree(str(root), lenient=False, most=100)
    tree.add([""])
    assert not tree.limited
    # A directory that is listed again costs nothing more.
    tree.add([""])
    assert not tree.limited
    for number in range(10):
        (root / f"{number}{'d' * 100}" / ("e" * 100)).mkdir()
    tree.add([f"{number}{'d' * 100}" for number in range(10)])
    assert tree.limited


# --- memory ---


def test_chunking_a_bomb_takes_little_memory() -> None:
    code = (
        "import sys\n"
        "from conexus.chunking import chunk_text\n"
        "text = sys.stdin.buffer.read().decode()\n"
        "chunk_text('x = 1', 'bash')\n"
        "def used(name): return int(open('/proc/self/status').read().split(name + ':')[1].split()[0]) // 1024\n"
        "before = used('VmRSS')\n"
        "print(len(chunk_text(text, 'bash')), used('VmHWM') - before)\n"
    )
    if sys.platform != "linux":
        pytest.skip("the memory of a process is read from /proc")
    done = subprocess.run([sys.executable, "-P", "-c", code], input=BASH.encode(), capture_output=True, check=True)
    chunks, grown = map(int, done.stdout.split())
    assert chunks > 1000
    assert grown < MOST_MIB


def test_a_process_may_grow_no_further_than_its_limit() -> None:
    if sys.platform != "linux":
        pytest.skip("elsewhere the process ends itself")
    code = (
        "from conexus.processes.memory import OwnLimit\n"
        "limit = OwnLimit()\n"
        "limit.set(32 << 20)\n"
        "kept = bytearray(16 << 20)\n"
        "try:\n    bytearray(96 << 20)\n"
        "except MemoryError:\n    print('refused')\n"
        "limit.set(128 << 20)\n"
        "print(len(bytearray(64 << 20)) >> 20)\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["refused", "64"]


@pytest.mark.parametrize("others", [0, 60])
def test_a_file_that_needs_more_than_a_worker_may_use_is_quarantined_until_it_changes(
    root: Path, data: Path, others: int
) -> None:
    write(root, {f"many/module_{n}.py": f"def function_{n}():\n    return {n}\n" for n in range(others)})
    heavy = "".join(f"# title {n}\n{' '.join(f'w{n}x{m}' for m in range(20))}\n" for n in range(15_000))
    write(root, {"heavy.md": heavy})
    with running(root, data, workers=2, worker_memory_mib=128, max_file_bytes=1 << 22) as engine:
        status = engine.status()
        assert (status.files, status.folders[0].quarantined) == (others + 1, ("heavy.md",))
        assert any("heavy.md" in line for line in status_lines(status))
        # Its document is searched in runs of lines: no grammar parses it in this process.
        engine.open_document(str(root / "heavy.md"), "# giraffe\nneck\n# okapi\nstripes\n", 1, "markdown")
        settle(engine)
        assert symbols(engine, "giraffe")[0] == ""
        engine.close_document(str(root / "heavy.md"))
        write(root, {"heavy.md": "# giraffe\n\nneck\n"})
        engine.hint([root / "heavy.md"])
        settle(engine)
        assert engine.status().folders[0].quarantined == ()
        assert symbols(engine, "giraffe")[0] == "giraffe"


def test_where_no_worker_can_run_large_files_wait_and_health_says_so(
    root: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, {f"many/module_{n}.py": f"def function_{n}():\n    return {n}\n" for n in range(60)})
    write(root, {"large.txt": "giraffe neck\n" * 10_000})
    real = sys.executable
    monkeypatch.setattr("multiprocessing.spawn._python_exe", os.fsencode("/bin/false"))
    with running(root, data, workers=2) as engine:
        status = engine.status()
        assert (status.files, skipped(engine)) == (61, {NO_WORKER: 1})
        assert status.health == "warning"
        assert "worker processes cannot run here" in status.message
        monkeypatch.setattr("multiprocessing.spawn._python_exe", os.fsencode(real))
        until(lambda: engine.status().files == 62, engine.status)
        assert skipped(engine) == {}
        until(lambda: engine.status().health == "ok", engine.status)


def test_a_server_that_uses_too_much_memory_indexes_no_files_and_goes_on_later(root: Path, data: Path) -> None:
    with running(root, data, server_memory_mib=1) as engine:
        status = engine.status()
        assert (status.files, status.health) == (0, "warning")
        assert "1 MiB" in status.message
        assert status.limits["serverMemory"] > 0
        engine.open_document(str(root / "typed.py"), "def giraffe_neck():\n    pass\n", 1, "python")
        until(lambda: "giraffe_neck" in symbols(engine, "giraffe"), engine.status)
        engine.configure(Settings(watcher="off"))
        until(lambda: engine.status().health == "ok", engine.status)
        until(lambda: "renew_session" in symbols(engine, "renew session"), engine.status)


def test_a_store_process_that_uses_too_much_memory_is_ended(tmp_path: Path) -> None:
    process = LanceProcess()
    process.memory_mib = 1
    try:
        with pytest.raises(NeedsMemory, match="storeMemoryMib"):
            process.ask(OpenTables(tmp_path, 256))
        assert not process.running
        process.memory_mib = 4096
        assert process.ask(OpenTables(tmp_path, 256)).files == {}
    finally:
        process.close()


def test_where_the_store_process_may_use_too_little_memory_health_says_so(root: Path, data: Path) -> None:
    with running(root, data, store_memory_mib=1) as engine:
        assert not engine.store(PATIENCE)
        status = engine.status()
        assert status.health == "warning"
        assert "storeMemoryMib" in status.message
        assert "renew_session" in symbols(engine, "renew session")
        engine.configure(Settings(watcher="off"))
        until(lambda: engine.status().health == "ok", engine.status)
        assert engine.store(PATIENCE)


def test_limits_shrink_to_shares_of_a_smaller_control_group(tmp_path: Path) -> None:
    assert available_mib(tmp_path) is None
    write(tmp_path, {"proc/self/cgroup": "0::/user/app\n", "sys/fs/cgroup/user/app/memory.max": "max\n"})
    assert available_mib(tmp_path) is None
    write(tmp_path, {"sys/fs/cgroup/user/memory.max": str(1 << 30)})
    assert available_mib(tmp_path) == 1024
    settings = Settings()
    assert MemoryLimits.of(settings, 1024) == MemoryLimits(512, 256, 512, 512)
    assert MemoryLimits.of(settings, 1 << 20) == MemoryLimits(4096, 512, 4096, 4096)


# --- documents and events ---


def test_a_document_that_is_larger_than_a_file_may_be_is_searched_as_it_is_on_disk(root: Path, data: Path) -> None:
    with running(root, data, max_file_bytes=1000) as engine:
        engine.open_document(str(root / "app.py"), "def giraffe_neck():\n    pass\n" * 100, 1, "python")
        engine.open_document("untitled:one", "def okapi_stripes():\n    pass\n" * 100, 1, "python")
        settle(engine)
        assert engine.status().chunks == 1
        assert engine.status().limits["fileSize"] >= 2
        hit = engine.search("renew session").hits[0]
        assert (hit.symbol, hit.range.start.line) == ("renew_session", 0)


def test_a_flood_of_events_is_one_scan(root: Path, data: Path) -> None:
    with running(root, data) as engine:
        sync = engine.engine.indexer
        write(root, {"gone/deep/new.py": "def giraffe_neck():\n    pass\n"})
        paths = [str(root / f"gone/deep/{n}.py") for n in range(3 * _MOST_HINTS)]
        waiting: list[int] = []

        def flood() -> None:
            sync._refresher.hint([*paths, str(root / "gone/deep/new.py")])
            waiting.append(sync._refresher.pending)

        sync._loop.post(Verify(Call(flood)))
        settle(engine)
        assert waiting[0] <= _MOST_HINTS
        assert "giraffe_neck" in symbols(engine, "giraffe")
