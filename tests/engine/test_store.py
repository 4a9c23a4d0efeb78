"""The LanceDB tables: hostile names, crashes between the steps of a write, other processes' leftovers."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from conexus.embedding.recipe import document_text
from conexus.embedding.tokenizer import shipped_tokens
from conexus.indexing.folder_index import FolderIndex
from conexus.segments.analysis import FileFacts, IndexedFile, analyse, analysis_version
from conexus.segments.build import build_segment
from conexus.segments.snapshot import Snapshot
from conexus.storage.index_directory import SCHEMA_VERSION, has_tables
from conexus.storage.lance.predicates import any_of, quote
from conexus.storage.lance.tables import Batch, Files, LanceTables, StoreError, first_line
from tests.workspaces import Row, lexical, rows

DIMENSIONS = 8
VERSION = analysis_version("counting-1")
HOSTILE = [
    "x' OR '1'='1",
    "x'; DROP TABLE chunks; --",
    "back\\slash.py",
    'quo"te.py',
    "per%cent_under.py",
    "new\nline.py",
    "späße/日本.py",
    "`tick`.py",
    "a" * 200 + ".py",
]


class Counting:
    """An embedder that needs no model: what is tested here is what becomes of its vectors."""

    name = "counting"
    dimensions = DIMENSIONS
    fingerprint = "counting-1"

    def embed_documents(self, texts: list[str]) -> np.ndarray:
        vectors = np.array([[text.count(letter) for letter in "aeioudst"] for text in texts], np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)

    def embed_query(self, text: str) -> np.ndarray:
        return self.embed_documents([text])[0]

    def close(self) -> None:
        """Nothing is held."""


def indexed(path: str, text: str = "def alpha():\n    return beta()\n") -> IndexedFile:
    return analyse(FileFacts(path, "python", len(text), 1, "d"), text, Counting())


def batch(changes: dict[str, IndexedFile | None]) -> Batch:
    files = [file for file in changes.values() if file is not None]
    segment = build_segment(files, "counting-1", DIMENSIONS)
    gone = tuple(path for path, file in changes.items() if file is None)
    return Batch("/nowhere", (Files(segment, tuple(range(len(files)))),), gone)


def loaded(store: LanceTables) -> FolderIndex:
    index = FolderIndex("", "counting-1", DIMENSIONS)
    for segment, _ in store.load():
        index.adopt(segment)
    return index


def stored(store: LanceTables) -> list[Row]:
    return rows(Snapshot(0, loaded(store).views()))


def fresh(*files: IndexedFile) -> list[Row]:
    index = FolderIndex("", "counting-1", DIMENSIONS)
    index.add_files(files)
    return rows(Snapshot(0, index.views()))


@pytest.fixture
def store(tmp_path: Path) -> LanceTables:
    return LanceTables(tmp_path, DIMENSIONS)


def test_what_was_written_comes_back(store: LanceTables, tmp_path: Path) -> None:
    files = [
        indexed("a.py"),
        indexed("b.py", "def gamma():\n    pass\n\n\nclass Delta:\n    x = 1\n"),
        indexed("c.py", ""),
    ]
    store.write(batch({file.facts.path: file for file in files}), VERSION)
    again = LanceTables(tmp_path, DIMENSIONS)
    found = again.files()
    assert stored(again) == fresh(*files)
    assert {path: each.facts for path, each in found.items()} == {file.facts.path: file.facts for file in files}
    index = FolderIndex("", "counting-1", DIMENSIONS)
    index.add_files(files)
    assert lexical(Snapshot(0, loaded(again).views())) == lexical(Snapshot(0, index.views()))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_harms_only_itself(store: LanceTables, name: str) -> None:
    kept = indexed("kept.py")
    store.write(batch({"kept.py": kept, name: indexed(name)}), VERSION)
    store.write(batch({name: indexed(name, "def other():\n    pass\n")}), VERSION)
    assert stored(store) == fresh(kept, indexed(name, "def other():\n    pass\n"))
    store.write(batch({name: None}), VERSION)
    assert stored(store) == fresh(kept)


def test_the_quoting_helper() -> None:
    assert quote("it's") == "'it''s'"
    assert any_of("path", ["a", "b'"]) == "path IN ('a', 'b''')"


@pytest.mark.parametrize("step", ["file_rows", "LanceTables._delete"])
def test_a_crash_between_the_steps_of_a_write_leaves_whole_files(
    store: LanceTables, tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = indexed("a.py"), indexed("a.py", "def changed():\n    pass\n")
    store.write(batch({"a.py": old, "gone.py": indexed("gone.py")}), VERSION)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as crashing:
        crashing.setattr(f"conexus.storage.lance.tables.{step}", crash)
        with pytest.raises(KeyboardInterrupt):
            store.write(batch({"a.py": new, "gone.py": None}), VERSION)
    again = LanceTables(tmp_path, DIMENSIONS)
    whole = {"file_rows": fresh(old, indexed("gone.py")), "LanceTables._delete": fresh(new, indexed("gone.py"))}
    assert stored(again) == whole[step]
    again.repair()
    assert again._chunks.count_rows() == len(whole[step])
    assert stored(again) == whole[step]
    again.write(batch({"a.py": new, "gone.py": None}), VERSION)
    assert stored(again) == fresh(new)
    assert len(again._chunks) == len(fresh(new))


def test_vectors_of_another_length_start_anew(store: LanceTables, tmp_path: Path) -> None:
    store.write(batch({"a.py": indexed("a.py")}), VERSION)
    other = LanceTables(tmp_path, DIMENSIONS * 2)
    assert other._chunks.count_rows() == 0


def test_every_chunk_keeps_its_tokens_whatever_made_its_vector(store: LanceTables) -> None:
    text = "def gamma():\n    pass\n\n\nclass Delta:\n    größe = 1\n"
    files = [indexed("empty.py", ""), indexed("b.py", text), indexed("a.py")]
    store.write(batch({file.facts.path: file for file in files}), VERSION)
    ((segment, _),) = store.load()
    expected = {
        (file.facts.path, number): tokens.tolist()
        for file in files
        for number, text in enumerate(document_text(file.facts.path, chunk) for chunk in file.chunks)
        for tokens in [np.unique(shipped_tokens().numbers([text])[0])]
    }
    assert all(expected.values())
    assert expected == {
        (facts.path, number): segment.tokens.row(row).tolist()
        for file, facts in enumerate(segment.files)
        for number, row in enumerate(segment.file_rows(file))
    }


def test_tokens_are_stored_with_the_low_byte_first(store: LanceTables) -> None:
    file = indexed("a.py")
    store.write(batch({"a.py": file}), VERSION)
    stored_bytes = store._chunks.to_arrow()["tokens"].to_pylist()[0]
    low, high = stored_bytes[0::2], stored_bytes[1::2]
    assert [one + 256 * other for one, other in zip(low, high, strict=True)] == file.tokens.row(0).tolist()


def test_tokens_of_another_release_are_not_taken_for_this_ones(store: LanceTables) -> None:
    former = VERSION.replace("tokens ", "tokens 0")
    store.write(batch({"old.py": indexed("old.py")}), former)
    store.write(batch({"new.py": indexed("new.py")}), VERSION)
    segments = [segment for segment, _ in store.load()]
    assert {segment.model for segment in segments} == {"counting-1"}
    with_tokens = {segment.files[0].path: len(segment.tokens.row(0)) > 0 for segment in segments}
    assert with_tokens == {"old.py": False, "new.py": True}
    assert loaded(store).facts("old.py") is not None


def test_tables_of_another_layout_are_not_read_and_the_writer_removes_them(tmp_path: Path) -> None:
    former = [tmp_path / f"{name}_{SCHEMA_VERSION - 1}.lance" for name in ("files", "chunks")]
    for table in former:
        table.mkdir()
        (table / "data").write_text("of another layout")
    assert not has_tables(tmp_path)
    store = LanceTables(tmp_path, DIMENSIONS)
    assert has_tables(tmp_path)
    assert list(store.load()) == []
    assert all(table.exists() for table in former)
    store.write(batch({"a.py": indexed("a.py")}), VERSION)
    store.repair()
    assert not any(table.exists() for table in former)
    assert stored(LanceTables(tmp_path, DIMENSIONS)) == fresh(indexed("a.py"))


def test_maintenance_keeps_every_row(store: LanceTables) -> None:
    file = indexed("a.py")
    for number in range(45):
        store.write(batch({"a.py": file, f"{number}.py": indexed(f"{number}.py")}), VERSION)
    before, versions = stored(store), store.versions()
    assert versions >= 45
    store.compact()
    # Versions of a moment ago are kept for who may still read them.
    assert store.versions() >= versions
    store.compact(0)
    assert store.versions() < 5
    assert stored(store) == before


def test_dead_rows_are_those_that_were_replaced_until_the_tables_are_compacted(store: LanceTables) -> None:
    assert store.dead_share() == 0
    files = {f"{number}.py": indexed(f"{number}.py") for number in range(8)}
    store.write(batch(files), VERSION)
    assert store.dead_share() == 0
    store.write(batch(dict(list(files.items())[:2])), VERSION)
    assert store.dead_share() == pytest.approx(2 / 10)
    store.compact(0)
    assert store.dead_share() == 0


def test_an_error_of_the_system_is_told_in_its_words_without_a_path(tmp_path: Path) -> None:
    assert first_line(NotADirectoryError(20, "Not a directory", str(tmp_path))) == "Not a directory"
    assert first_line(RuntimeError(f"lance: {tmp_path}: no space (os error 28), object_store.rs")) == os.strerror(28)
    assert first_line(ValueError("the first line\nthe second")) == "the first line"


def test_a_directory_that_cannot_be_used_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="the index cannot be opened"):
        LanceTables(tmp_path / "file", DIMENSIONS)
