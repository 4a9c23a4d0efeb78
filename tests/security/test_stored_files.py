"""What is read back is checked before it is used: made-up files are refused or harmless, whatever their checksum."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conexus.arrays.file import DamagedFile, load, save
from conexus.embedding.transformer.vector_cache import VectorCache
from conexus.embedding.unit_vectors import to_unit_length
from conexus.segments.build import build_segment
from conexus.segments.file import load_segment, save_segment
from conexus.segments.merge import merge_segments
from conexus.storage import manifest
from conexus.storage.manifest import ManifestEntry
from tests.workspaces import running, write

SCRATCH = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
DIMENSIONS = 40


class Model:
    """A model whose vectors are noise."""

    name, fingerprint, dimensions = "noise", "noise-1", DIMENSIONS

    def embed_documents(self, texts: list[str]) -> Any:
        vectors = np.random.default_rng(7).normal(size=(len(texts), DIMENSIONS)).astype(np.float32)
        to_unit_length(vectors)
        return vectors

    def embed_query(self, text: str) -> Any:
        return self.embed_documents([text])[0]

    def close(self) -> None: ...


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, str]]:
    """The arrays and the metadata of a segment file."""
    from conexus.segments.analysis import FileFacts, analyse

    files = [
        analyse(
            FileFacts(f"src/größe_{number}.py", "python", 10, 20, "00"),
            f"class Größe{number}:\n    def giraffe_{number}(self):\n        return okapi({number})\n",
            Model(),  # type: ignore[arg-type]  # it is an embedder
        )
        for number in range(3)
    ]
    path = tmp_path_factory.mktemp("whole") / "1-1-1.segment"
    save_segment(path, build_segment(files, "noise-1", DIMENSIONS), "1|noise-1")
    arrays, metadata, _ = load(path, verify=True)
    return {name: array.copy() for name, array in arrays.items()}, metadata


def use(path: Path) -> None:
    """Uses each part of a segment, as searching, merging and writing it do."""
    segment, _ = load_segment(path, verify=True)
    for number, facts in enumerate(segment.files):
        assert ".." not in facts.path
        rows = segment.file_rows(number)
        segment.vectors_by_digest(number)
        for row in rows:
            assert segment.start_lines[row] <= segment.end_lines[row]
            segment.kind(row), segment.symbols[row], segment.containers[row], segment.tokens.row(row).tolist()
    list(segment.lexicon.words), list(segment.containers), segment.containers.depths, segment.has_symbol
    for postings in (segment.body, segment.names, segment.references, segment.definitions):
        for word in postings.vocabulary():
            segment.lexicon.number(word)
            segment.file_of[postings.rows_with(word)[0]]
        postings.words_in_rows(np.arange(len(segment)))
    for postings in (segment.stems, segment.parents, segment.file_names):
        [segment.files[file] for word in postings.vocabulary() for file in postings.rows_with(word)[0]]
    query = np.ones(segment.vectors.shape[1], np.float32)
    for exact in (True, False):
        cosines = np.empty(len(segment), np.float32)
        segment.dense.cosines(query, cosines, exact=exact)
        assert np.isfinite(cosines).all()
    assert np.isfinite(segment.dense.cosine_moments(query)).all()
    merge_segments([(segment, range(len(segment.files)))])


# --- files of arrays ---


HEADERS: list[Any] = [
    [],
    {"a": 1},
    {"a": {"dtype": "U8", "shape": [8]}},
    {"a": {"dtype": "O", "shape": [8], "data_offsets": [0, 64]}},
    {"a": {"dtype": "U8", "shape": [64], "data_offsets": [0, 65]}},
    {"a": {"dtype": "U8", "shape": [65], "data_offsets": [0, 64]}},
    {"a": {"dtype": "U8", "shape": [64], "data_offsets": [-64, 0]}},
    {"a": {"dtype": "U8", "shape": [64], "data_offsets": [64, 128]}},
    {"a": {"dtype": "U8", "shape": [-8, -8], "data_offsets": [0, 64]}},
    {"a": {"dtype": "F64", "shape": [2**62], "data_offsets": [0, 64]}},
    {"a": {"dtype": "U8", "shape": [64.0], "data_offsets": [0, 64]}},
    {"a": {"dtype": "U8", "shape": [64], "data_offsets": [False, 64]}},
    {"a": {"dtype": "U8", "shape": [64], "data_offsets": [0, 64, 0]}},
    {"a": {"dtype": "U8", "shape": [64] + [1] * 70, "data_offsets": [0, 64]}},
    {"a": {"dtype": "U8", "shape": [2**70, 0], "data_offsets": [0, 0]}},
    {"a": {"dtype": "U8", "shape": "8", "data_offsets": [0, 64]}},
    {"a": {"dtype": ["U8"], "shape": [64], "data_offsets": [0, 64]}},
    {
        "a": {"dtype": "U8", "shape": [64], "data_offsets": [0, 64]},
        "b": {"dtype": "U8", "shape": [32], "data_offsets": [32, 64]},
    },
    {"a": {"dtype": "U8", "shape": [64], "data_offsets": [0, 64]}, "__metadata__": []},
]


def with_header(path: Path, header: bytes, body: bytes = bytes(64)) -> Path:
    path.write_bytes(len(header).to_bytes(8, "little") + header + body)
    return path


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
def test_a_made_up_header_is_refused(tmp_path: Path, header: Any) -> None:
    with pytest.raises(DamagedFile):
        load(with_header(tmp_path / "file", json.dumps(header).encode()), verify=False)


@pytest.mark.parametrize("header", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff" * 8, b"1e999", b"9" * 5000])
def test_a_header_that_no_parser_likes_is_refused(tmp_path: Path, header: bytes) -> None:
    with pytest.raises(DamagedFile):
        load(with_header(tmp_path / "file", header), verify=False)


def test_a_header_without_end_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.write((1 << 40).to_bytes(8, "little"))
        file.truncate((1 << 40) + 100)
    with pytest.raises(DamagedFile):
        load(tmp_path / "file", verify=False)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["a", "dtype", "shape", "data_offsets", "__metadata__", "crc32"]), inner)
        ),
    )
)
@SCRATCH
def test_any_header_is_an_array_or_damaged(tmp_path: Path, header: Any) -> None:
    try:
        arrays, _, mapped = load(with_header(tmp_path / "file", json.dumps(header).encode()), verify=False)
    except DamagedFile:
        return
    assert sum(array.nbytes for array in arrays.values()) <= len(mapped)


# --- segments ---


def test_the_whole_segment_is_used(tmp_path: Path, whole: tuple[dict[str, Any], dict[str, str]]) -> None:
    save(tmp_path / "1-1-1.segment", *whole)
    use(tmp_path / "1-1-1.segment")


@given(st.data())
@SCRATCH
def test_a_segment_with_changed_numbers_and_a_matching_checksum_is_refused_or_harmless(
    tmp_path: Path, whole: tuple[dict[str, Any], dict[str, str]], data: st.DataObject
) -> None:
    arrays, metadata = whole
    name = data.draw(st.sampled_from(sorted(name for name, array in arrays.items() if array.size)))
    raw = bytearray(arrays[name].tobytes())
    size = arrays[name].itemsize
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(raw) // size - 1)) * size
        raw[place : place + size] = data.draw(st.sampled_from([b"\0", b"\x7f", b"\xff"])) * size
        raw[place] = data.draw(st.integers(0, 255))
    changed = np.frombuffer(bytes(raw), arrays[name].dtype).reshape(arrays[name].shape)
    save(tmp_path / "1-1-1.segment", {**arrays, name: changed}, metadata)
    with contextlib.suppress(DamagedFile):
        use(tmp_path / "1-1-1.segment")


@given(st.data())
@SCRATCH
def test_a_segment_with_an_array_of_another_form_is_refused_or_harmless(
    tmp_path: Path, whole: tuple[dict[str, Any], dict[str, str]], data: st.DataObject
) -> None:
    arrays, metadata = whole
    name = data.draw(st.sampled_from(sorted(arrays)))
    array = arrays[name]
    form = data.draw(st.sampled_from(["shorter", "longer", "empty", "scalar", "deeper", "other type", "missing"]))
    others = {
        "shorter": array[:-1],
        "longer": np.concatenate([array, array[-1:]]),
        "empty": array[:0],
        "scalar": np.zeros((), array.dtype),
        "deeper": array[np.newaxis],
        "other type": array.astype(np.float64),
    }
    changed = {**arrays, name: others.get(form)}
    if form == "missing":
        del changed[name]
    save(tmp_path / "1-1-1.segment", changed, metadata)
    with contextlib.suppress(DamagedFile):
        use(tmp_path / "1-1-1.segment")


@given(st.data())
@SCRATCH
def test_a_flipped_byte_or_a_cut_end_is_refused(
    tmp_path: Path, whole: tuple[dict[str, Any], dict[str, str]], data: st.DataObject
) -> None:
    path = tmp_path / "1-1-1.segment"
    save(path, *whole)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with contextlib.suppress(DamagedFile):
        use(path)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "a//b", "", ".", "a/.", "a\0b"])
def test_a_segment_whose_file_lies_outside_the_folder_is_refused(
    tmp_path: Path, whole: tuple[dict[str, Any], dict[str, str]], path: str
) -> None:
    arrays, metadata = whole
    paths = [path.encode(), b"b", b"c"]
    blob = np.frombuffer(b"".join(paths), np.uint8)
    starts = np.cumsum([0, *map(len, paths)], dtype=np.int64)
    save(tmp_path / "1-1-1.segment", {**arrays, "files.path.blob": blob, "files.path.starts": starts}, metadata)
    with pytest.raises(DamagedFile):
        load_segment(tmp_path / "1-1-1.segment", verify=True)


def test_an_index_with_made_up_segments_is_rebuilt(tmp_path: Path) -> None:
    root, data = tmp_path / "work", tmp_path / "data"
    write(root, {"a.py": "def giraffe_neck():\n    return 1\n"})
    with running(root, data, stored=True):
        pass
    for path in data.rglob("*.segment"):
        arrays, metadata, _ = load(path, verify=True)
        wrong = {**arrays, "body.rows": np.full_like(arrays["body.rows"], 2**31 - 1)}
        version = metadata.pop("version")
        save(path, wrong, {**metadata, "version": version})
    with running(root, data) as engine:
        assert [hit.symbol for hit in engine.search("giraffe").hits] == ["giraffe_neck"]
        assert engine.status().embedded_chunks > 0


def test_vectors_of_another_length_are_not_compared_with_the_models(tmp_path: Path) -> None:
    root, data = tmp_path / "work", tmp_path / "data"
    write(root, {"a.py": "def giraffe_neck():\n    return 1\n"})
    with running(root, data, stored=True):
        pass
    for path in data.rglob("*.segment"):
        arrays, metadata, _ = load(path, verify=True)
        wrong = {
            name: array[:, :-1] if name in {"dense.vectors", "dense.of_files"} else array
            for name, array in arrays.items()
        }
        wrong["dense.basis"] = arrays["dense.basis"][:-1]
        save(path, wrong, metadata)
        load_segment(path, verify=True)
    with running(root, data) as engine:
        assert [hit.symbol for hit in engine.search("giraffe").hits] == ["giraffe_neck"]


# --- the manifest ---


@pytest.mark.parametrize("name", ["../other", "/etc/passwd", "a/b", "", ".", "a\0b", "x" * 300])
def test_a_manifest_that_names_other_files_is_refused(tmp_path: Path, name: str) -> None:
    manifest.write(tmp_path, [ManifestEntry("1-1-1"), ManifestEntry(name)])
    with pytest.raises(DamagedFile, match="no segments"):
        manifest.read(tmp_path)


def test_a_manifest_that_names_a_file_twice_is_refused(tmp_path: Path) -> None:
    manifest.write(tmp_path, [ManifestEntry("1-1-1"), ManifestEntry("1-1-1")])
    with pytest.raises(DamagedFile, match="no segments"):
        manifest.read(tmp_path)


@given(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from([b"[" * 100_000, b"null", b"[]", b'{"layout": "2"}', b'{"layout": "2", "segments": [1]}']),
        st.builds(
            lambda name, hidden, indexed: json.dumps(
                {"layout": "2", "segments": [{"name": name, "hidden": hidden, "indexed": indexed}]}
            ).encode(),
            *[st.none() | st.integers() | st.text(max_size=4) | st.lists(st.text(max_size=3))] * 3,
        ),
    )
)
@SCRATCH
def test_any_manifest_is_read_or_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "segments.json").write_bytes(content)
    try:
        loaded = manifest.load(tmp_path)
    except DamagedFile:
        return
    assert loaded == []


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("name", ["segments.json", "folder.json", "writer.lock", "*.segment"])
def test_a_pipe_in_the_place_of_a_file_holds_nothing_up(tmp_path: Path, name: str) -> None:
    root, data = tmp_path / "work", tmp_path / "data"
    write(root, {"a.py": "def giraffe_neck():\n    return 1\n"})
    with running(root, data, stored=True):
        pass
    for path in (data / "indexes").glob(f"*/{name}"):
        fifo(path)
    with running(root, data, stored=True) as engine:
        assert engine.search("giraffe").hits
        assert (engine.status().health, engine.status().role) == ("ok", "writer")


# --- the cache of vectors ---


def cache_of(directory: Path) -> tuple[VectorCache, Path]:
    cache = VectorCache(directory, "fingerprint", 4)
    cache.put_many(["text"], np.ones((1, 4), np.float32))
    return cache, next(directory.glob("*.sqlite3"))


@pytest.mark.parametrize(
    "vector", [b"", b"odd", bytes(6), bytes(10), b"\xff\x7f" * 4, b"\0\x7c" * 4, bytes(2000), 7, None, "text"]
)
def test_a_vector_with_a_matching_checksum_that_is_none_of_the_models_is_not_used(tmp_path: Path, vector: Any) -> None:
    cache, path = cache_of(tmp_path / "vectors")
    cache.close()
    with sqlite3.connect(path) as database:
        key = database.execute("SELECT key FROM vectors").fetchone()[0]
        checksum = zlib.crc32(key + vector) if isinstance(vector, bytes) else 0
        database.execute("DROP TABLE vectors")
        database.execute("CREATE TABLE vectors (key BLOB PRIMARY KEY, vector BLOB, checksum INTEGER NOT NULL)")
        database.execute("INSERT INTO vectors VALUES (?, ?, ?)", (key, vector, checksum))
    cache = VectorCache(tmp_path / "vectors", "fingerprint", 4)
    assert cache.get_many(["text"]) == {}
    cache.close()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW more AS SELECT 1",
        "CREATE TRIGGER run AFTER INSERT ON uses BEGIN DELETE FROM folders; END",
        "CREATE TABLE more (x)",
        "DROP TABLE uses; CREATE VIEW uses AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
        " SELECT x AS turn, x AS key FROM n",
    ],
)
def test_a_database_that_holds_more_than_vectors_is_made_anew(tmp_path: Path, statement: str) -> None:
    cache, path = cache_of(tmp_path / "vectors")
    cache.close()
    with sqlite3.connect(path) as database:
        database.executescript(statement)
    cache = VectorCache(tmp_path / "vectors", "fingerprint", 4)
    cache.put_many(["other"], np.ones((1, 4), np.float32))
    assert list(cache.get_many(["other"])) == ["other"]
    assert not path.exists()
    cache.close()


def garbage(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("how", [fifo, garbage, directory])
def test_whatever_is_in_the_place_of_a_database_costs_nothing_but_the_cache(
    tmp_path: Path, how: Callable[[Path], None]
) -> None:
    cache, path = cache_of(tmp_path / "vectors")
    cache.close()
    how(path)
    cache = VectorCache(tmp_path / "vectors", "fingerprint", 4)
    cache.put_many(["other"], np.ones((1, 4), np.float32))
    assert list(cache.get_many(["other"])) == ["other"]
    cache.close()


def test_a_cache_that_others_may_control_is_not_used(tmp_path: Path) -> None:
    cache, path = cache_of(tmp_path / "vectors")
    cache.close()
    former = path.read_bytes()
    (tmp_path / "vectors").chmod(0o777)
    cache = VectorCache(tmp_path / "vectors", "fingerprint", 4)
    cache.put_many(["other"], np.ones((1, 4), np.float32))
    assert cache.get_many(["text", "other"]) == {}
    cache.close()
    assert path.read_bytes() == former
