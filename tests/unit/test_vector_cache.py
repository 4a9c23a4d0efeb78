"""The cache of vectors: what it keeps, what it gives up, and that nothing that befalls its file is anyone's error."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from conexus.embedding.transformer.vector_cache import RememberedEmbedder, VectorCache
from conexus.embedding.unit_vectors import Vectors

MODEL, DIMENSIONS = "model-1", 32


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data" / "vectors"


@pytest.fixture
def cache(directory: Path) -> Iterator[VectorCache]:
    with closing(VectorCache(directory, MODEL, DIMENSIONS)) as opened:
        yield opened


def texts(first: int, last: int) -> list[str]:
    return [f"text {number}" for number in range(first, last)]


def vectors(first: int, last: int) -> Vectors:
    """What belongs to ``texts``: different for each, and not exact in 16 bits."""
    return np.array([np.sin(np.arange(DIMENSIONS) + number) for number in range(first, last)], np.float32)


def put(cache: VectorCache, first: int, last: int) -> None:
    cache.put_many(texts(first, last), vectors(first, last))


def known(cache: VectorCache, first: int, last: int) -> list[int]:
    """The numbers of the texts that are known; what is known of them is right."""
    found = cache.get_many(texts(first, last))
    expected = vectors(first, last).astype(np.float16).astype(np.float32)
    numbers = []
    for number, text in enumerate(texts(first, last), first):
        if text in found:
            np.testing.assert_array_equal(found[text], expected[number - first])
            numbers.append(number)
    return numbers


def test_what_was_put_is_known_also_to_other_caches_of_the_model(directory: Path, cache: VectorCache) -> None:
    put(cache, 0, 1200)
    assert known(cache, 0, 1300) == list(range(1200))
    found = cache.get_many(texts(0, 1))["text 0"]
    assert (found.dtype, found.shape) == (np.float32, (DIMENSIONS,))
    with closing(VectorCache(directory, MODEL, DIMENSIONS)) as second:
        assert known(second, 0, 1300) == list(range(1200))
        put(second, 1200, 1210)
        assert known(cache, 1195, 1215) == list(range(1195, 1210))
    with closing(VectorCache(directory, "model-2", DIMENSIONS)) as other:
        assert known(other, 0, 1300) == []
    with closing(VectorCache(directory, MODEL, 2 * DIMENSIONS)) as other:
        assert other.get_many(texts(0, 1300)) == {}


def test_it_is_private_whatever_the_umask(directory: Path) -> None:
    former = os.umask(0)
    try:
        with closing(VectorCache(directory, MODEL, DIMENSIONS)) as cache:
            put(cache, 0, 10)
            modes = {path.stat().st_mode & 0o777 for path in directory.iterdir()}
    finally:
        os.umask(former)
    assert modes == {0o600}
    assert directory.stat().st_mode & 0o777 == 0o700


def test_the_least_recently_used_are_given_up(directory: Path) -> None:
    with closing(VectorCache(directory, MODEL, DIMENSIONS, least=1000)) as cache:
        put(cache, 0, 900)
        put(cache, 900, 1800)
        assert known(cache, 0, 300) == list(range(300))  # used again
        cache.collect({"/folder": 100})
        assert known(cache, 0, 900) == list(range(300))
        assert len(known(cache, 900, 1800)) == 700


def test_twice_the_live_chunks_of_all_processes_folders_are_kept(directory: Path) -> None:
    with closing(VectorCache(directory, MODEL, DIMENSIONS, least=10)) as cache:
        put(cache, 0, 500)
        cache.collect({"/one": 100})
        assert len(known(cache, 0, 500)) == 200
        with closing(VectorCache(directory, MODEL, DIMENSIONS, least=10)) as other:
            put(other, 0, 500)
            other.collect({"/two": 50})
            assert len(known(other, 0, 500)) == 300
            other.collect({"/two": 0})
            assert len(known(other, 0, 500)) == 200


def test_use_is_remembered_by_the_next_process(directory: Path) -> None:
    with closing(VectorCache(directory, MODEL, DIMENSIONS, least=100)) as cache:
        put(cache, 0, 100)
        put(cache, 100, 200)
    with closing(VectorCache(directory, MODEL, DIMENSIONS, least=100)) as cache:
        assert known(cache, 0, 50) == list(range(50))
    with closing(VectorCache(directory, MODEL, DIMENSIONS, least=100)) as cache:
        cache.collect({})
        assert known(cache, 0, 100) == list(range(50))
        assert len(known(cache, 100, 200)) == 50


def test_the_file_does_not_grow_with_what_was_given_up(directory: Path) -> None:
    with closing(VectorCache(directory, MODEL, DIMENSIONS, least=1000)) as cache:
        put(cache, 0, 1000)
    full = sum(path.stat().st_size for path in directory.iterdir())
    with closing(VectorCache(directory, MODEL, DIMENSIONS, least=1000)) as cache:
        for start in range(1000, 20_000, 1000):
            put(cache, start, start + 1000)
            cache.collect({})
        assert len(known(cache, 0, 20_000)) == 1000
    assert sum(path.stat().st_size for path in directory.iterdir()) < 3 * full


def garbage(path: Path) -> None:
    path.write_bytes(b"this is no database " * 1000)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def other_pages(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[16384:] = bytes(len(content) - 16384)
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 16384 + 100])


def database(directory: Path) -> Path:
    """The only database that is there."""
    (path,) = directory.glob("*.sqlite3")
    return path


@pytest.mark.parametrize("damage", [garbage, emptied, other_pages, cut])
def test_a_damaged_file_is_made_anew(
    directory: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    with closing(VectorCache(directory, MODEL, DIMENSIONS)) as cache:
        put(cache, 0, 1000)
    path = database(directory)
    damage(path)
    with closing(VectorCache(directory, MODEL, DIMENSIONS)) as cache:
        assert known(cache, 0, 1000) == []
        put(cache, 0, 1000)
        put(cache, 0, 1000)
        assert known(cache, 0, 1000) == list(range(1000))
        assert (database(directory) == path) == (damage is emptied)
    assert caplog.text.count("is damaged") == (damage is not emptied)


def test_a_file_that_is_damaged_while_it_is_used_is_made_anew(directory: Path, cache: VectorCache) -> None:
    put(cache, 0, 1000)
    path = database(directory)
    with closing(VectorCache(directory, MODEL, DIMENSIONS)) as other:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        with path.open("r+b") as file:
            file.write(b"\xff" * path.stat().st_size)
        assert known(other, 0, 1000) == []
        put(other, 0, 1000)
        assert known(other, 0, 1000) == list(range(1000))
        assert database(directory) != path
        # The first may still have everything in memory. What it does is no error and harms no new database.
        put(cache, 1000, 1010)
        known(cache, 0, 1010)
        cache.close()
        put(other, 1010, 1020)
        assert set(known(other, 0, 1020)) >= {*range(1000), *range(1010, 1020)}
    with closing(VectorCache(directory, MODEL, DIMENSIONS)) as third:
        assert set(known(third, 0, 1020)) >= {*range(1000), *range(1010, 1020)}


def test_a_flipped_bit_in_a_vector_is_noticed(directory: Path) -> None:
    with closing(VectorCache(directory, MODEL, DIMENSIONS)) as cache:
        put(cache, 0, 3)
    body = vectors(1, 2).astype(np.float16).tobytes()
    path = database(directory)
    content = path.read_bytes()
    assert content.count(body) == 1
    path.write_bytes(content.replace(body, body[:-1] + bytes([body[-1] ^ 1])))
    with closing(VectorCache(directory, MODEL, DIMENSIONS)) as cache:
        assert known(cache, 0, 3) == [0, 2]
        put(cache, 0, 3)
        assert known(cache, 0, 3) == [0, 1, 2]


def test_a_directory_that_cannot_be_used_costs_nothing_but_the_cache(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory.parent.mkdir()
    directory.write_text("in the way", encoding="utf-8")
    with closing(VectorCache(directory, MODEL, DIMENSIONS)) as cache:
        put(cache, 0, 10)
        cache.collect({"/folder": 1})
        assert known(cache, 0, 10) == []
    assert caplog.text.count("cannot be used") == 1


def test_a_full_disk_costs_nothing_but_what_would_be_written(
    cache: VectorCache, caplog: pytest.LogCaptureFixture
) -> None:
    put(cache, 0, 100)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        put(cache, 100, 10_000)
        put(cache, 100, 10_000)
        cache.collect({})
        assert known(cache, 0, 10_000) == list(range(100))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caplog.text.count("cannot be used") == 1
    cache.close()


def test_a_read_waits_for_no_writer(directory: Path, cache: VectorCache) -> None:
    put(cache, 0, 10)
    with closing(sqlite3.connect(database(directory), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writer = threading.Thread(target=put, args=(cache, 10, 20))
        writer.start()
        assert known(cache, 0, 20) == list(range(10))
        assert writer.is_alive()
        other.execute("ROLLBACK")
        writer.join()
    assert known(cache, 0, 20) == list(range(20))


def test_nothing_happens_after_closing(cache: VectorCache) -> None:
    put(cache, 0, 10)
    cache.close()
    put(cache, 10, 20)
    cache.collect({})
    assert known(cache, 0, 20) == []
    cache.close()


#: The scripts import the tests' own modules.
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]),
}
SCRIPT = """
import sys
from pathlib import Path
from tests.unit.test_vector_cache import DIMENSIONS, MODEL, VectorCache, known, put
first = int(sys.argv[2])
cache = VectorCache(Path(sys.argv[1]), MODEL, DIMENSIONS, least=100_000)
for start in range(first, first + 1000, 20):
    put(cache, start, start + 20)
    assert known(cache, first, start + 20) == list(range(first, start + 20))
    cache.collect({"/folder": start})
cache.close()
"""


def test_several_processes_and_threads_write_at_once(directory: Path, cache: VectorCache) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", SCRIPT, str(directory), str(first)], env=ENVIRONMENT)
        for first in range(0, 3000, 1000)
    ]
    starts = range(3000, 4000, 250)
    threads = [threading.Thread(target=put, args=(cache, start, start + 250)) for start in starts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert known(cache, 0, 4100) == list(range(4000))


def test_a_second_cache_of_a_process_takes_no_lock_from_the_first(directory: Path, cache: VectorCache) -> None:
    put(cache, 0, 10)
    script = """
import sys
from pathlib import Path
from tests.unit.test_vector_cache import DIMENSIONS, MODEL, VectorCache, known
cache = VectorCache(Path(sys.argv[1]), MODEL, DIMENSIONS)
assert known(cache, 0, 100) == list(range(int(sys.argv[2])))
cache.close()
"""
    with closing(VectorCache(directory, MODEL, DIMENSIONS)):
        # If the locks were gone, the other process would delete the log that this one goes on writing to.
        subprocess.run([sys.executable, "-c", script, str(directory), "10"], env=ENVIRONMENT, check=True)
        put(cache, 10, 20)
        subprocess.run([sys.executable, "-c", script, str(directory), "20"], env=ENVIRONMENT, check=True)


def test_a_killed_process_damages_nothing(directory: Path) -> None:
    script = SCRIPT.replace("cache.close()", "").replace("cache.collect", "print('going', flush=True); cache.collect")
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(directory), "0"], env=ENVIRONMENT, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.wait()
    process.stdout.close()
    with closing(VectorCache(directory, MODEL, DIMENSIONS)) as cache:
        assert known(cache, 0, 20) == list(range(20))
        put(cache, 2000, 2010)
        assert known(cache, 2000, 2010) == list(range(2000, 2010))


class Model:
    """Embeds ``texts`` and notes which."""

    name, dimensions, fingerprint = "model", DIMENSIONS, MODEL

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed_documents(self, some: Sequence[str]) -> Vectors:
        self.asked += some
        return np.concatenate([vectors(number, number + 1) for number in map(int, (text.split()[1] for text in some))])

    def embed_query(self, text: str) -> Vectors:
        return self.embed_documents([text])[0]

    def close(self) -> None: ...


def test_no_text_is_embedded_twice(cache: VectorCache) -> None:
    model = Model()
    embedder = RememberedEmbedder(model, cache)
    assert not embedder.known(texts(0, 3)).any()
    expected = vectors(0, 150).astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(
        embedder.embed_documents(texts(0, 100) + texts(50, 150)), expected[[*range(100), *range(50, 150)]]
    )
    assert sorted(model.asked) == sorted(texts(0, 150))
    assert [len(text) for text in model.asked] == sorted(len(text) for text in model.asked)
    np.testing.assert_array_equal(embedder.embed_documents(texts(0, 150)), expected)
    np.testing.assert_array_equal(embedder.known([*texts(3, 5), "another"]), [*expected[3:5], np.zeros(DIMENSIONS)])
    assert embedder.embedded == len(model.asked) == 150
    assert embedder.embed_documents([]).shape == (0, DIMENSIONS)


def test_a_model_whose_cache_cannot_be_used_embeds_all_the_same(cache: VectorCache) -> None:
    model = Model()
    embedder = RememberedEmbedder(model, cache)
    cache.close()
    for _ in range(2):
        expected = vectors(0, 10).astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(embedder.embed_documents(texts(0, 10)), expected)
    assert model.asked == texts(0, 10) * 2
