"""A field of a segment is declared in one place: everything that makes, stores and restores segments follows."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from conexus.segments import build, file, merge
from conexus.segments.analysis import FileFacts, IndexedFile, analyse, analysis_version
from conexus.segments.build import build_segment
from conexus.segments.fields import Declaration, NumberPerRow, WordPerRow, declarations, declare, each_chunk
from conexus.segments.file import load_segment, save_segment
from conexus.segments.merge import merge_segments
from conexus.segments.row_names import Symbols
from conexus.segments.segment import MemorySegment
from conexus.storage.lance import schema
from conexus.storage.lance.tables import Batch, Files, LanceTables
from tests.fixtures import model

TEXTS = {
    "a.py": "def alpha(x):\n    return beta(x)\n\n\ndef beta(x):\n    return x\n",
    "b/c.py": "class Gamma:\n    def größe(self):\n        return alpha(1)\n",
    "empty.py": "",
    "d.md": "# Delta\n\nHow alpha becomes beta.\n",
}
DIMENSIONS = 256


@dataclass(frozen=True, eq=False, kw_only=True)
class ExtendedSegment(MemorySegment):
    """A segment with two more fields, which nothing but these declarations knows."""

    code_lengths: NDArray[np.int32] = field(
        metadata=declare(
            NumberPerRow(np.int32), collect=each_chunk(lambda chunk: len(chunk.code)), column="code_length"
        )
    )
    first_lines: Symbols = field(
        metadata=declare(
            WordPerRow(), collect=each_chunk(lambda chunk: chunk.code.partition("\n")[0]), column="first_line"
        )
    )


@pytest.fixture
def files() -> list[IndexedFile]:
    languages = {"py": "python", "md": "markdown"}
    return [
        analyse(FileFacts(path, languages[path[-2:]], len(text), 1, "d"), text, model()) for path, text in TEXTS.items()
    ]


def expected(files: list[IndexedFile]) -> list[tuple[str, int, str]]:
    return [
        (each.facts.path, len(chunk.code), chunk.code.partition("\n")[0]) for each in files for chunk in each.chunks
    ]


def found(segment: MemorySegment) -> list[tuple[str, int, str]]:
    assert isinstance(segment, ExtendedSegment)
    paths = [segment.files[number].path for number in segment.file_of.tolist()]
    return list(zip(paths, segment.code_lengths.tolist(), segment.first_lines, strict=True))


def test_a_declared_field_is_built_merged_saved_loaded_and_stored(
    files: list[IndexedFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (build, merge, file, schema):
        monkeypatch.setattr(module, "MemorySegment", ExtendedSegment)
    version = analysis_version(model().fingerprint)
    parts = [build_segment(some, model().fingerprint, DIMENSIONS) for some in (files[:2], files[1:])]
    assert [found(part) for part in parts] == [expected(files[:2]), expected(files[1:])]
    merged = merge_segments([(parts[0], [0]), (parts[1], range(len(files) - 1))])
    assert found(merged) == expected(files)
    save_segment(tmp_path / "segment", merged, version)
    loaded, _ = load_segment(tmp_path / "segment", verify=True)
    assert found(loaded) == expected(files)
    store = LanceTables(tmp_path / "tables", DIMENSIONS)
    store.write(Batch("/nowhere", (Files(loaded, tuple(range(len(files)))),), ()), version)
    columns = store._chunks.to_arrow().select(["path", "code_length", "first_line"])
    rows = list(zip(*(column.to_pylist() for column in columns), strict=True))
    assert sorted(rows) == sorted(expected(files))
    assert sorted(row for segment, _ in store.load() for row in found(segment)) == sorted(expected(files))


def test_what_tables_restore_is_what_files_gave(files: list[IndexedFile], tmp_path: Path) -> None:
    """Every array of every declared field is the same, however a segment came about."""
    version = analysis_version(model().fingerprint)
    built = build_segment(files, model().fingerprint, DIMENSIONS)
    whole = Files(built, tuple(range(len(files))))
    stored = [schema.StoredFile(facts, version, count) for facts, count in zip(whole.facts, whole.counts, strict=True)]
    restored = schema.segment_from_rows(schema.chunk_rows(whole, "/nowhere", 1), stored, DIMENSIONS)
    merged = merge_segments([(build_segment([each], model().fingerprint, DIMENSIONS), [0]) for each in files])
    for segment in (restored, merged):
        for name, declaration in declarations(MemorySegment).items():
            arrays = declaration.type.save(name, getattr(segment, name))
            for array, values in declaration.type.save(name, getattr(built, name)).items():
                assert arrays[array].dtype == values.dtype, array
                assert np.array_equal(arrays[array], values), array


def test_a_field_that_tables_could_not_restore_is_refused() -> None:
    with pytest.raises(ValueError, match="has a column"):
        Declaration(NumberPerRow(np.int32), collect=each_chunk(attrgetter("part")))
    with pytest.raises(ValueError, match="has a column"):
        Declaration(NumberPerRow(np.int32), derive=lambda segment: segment.row_counts, column="counts")
