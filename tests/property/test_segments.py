"""However the same files come together in segments, they are searched alike."""

from __future__ import annotations

import pickle
from dataclasses import fields
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conexus.chunking import language_of
from conexus.indexing.folder_index import FolderIndex
from conexus.search.pipeline import SearchRequest, run
from conexus.segments.analysis import FileFacts, IndexedFile, analyse
from conexus.segments.build import build_segment
from conexus.segments.file import load_segment, save_segment
from conexus.segments.merge import merge_segments
from conexus.segments.segment import MemorySegment
from conexus.segments.snapshot import Fresh, Snapshot, View
from tests.fixtures import model, searchable
from tests.workspaces import lexical, rows

TEXTS = {
    "empty.py": "",
    "a.py": "def alpha(x):\n    return beta(x)\n",
    "b/beta.py": "class Beta:\n    def gamma(self):\n        return alpha(1)\n\n    def alpha(self):\n        pass\n",
    "tests/test_beta.py": "def test_gamma():\n    assert Beta().gamma() == größe\n",
    "README.md": "# Beta\n\nHow alpha becomes beta.\n\n## 日本\n\nSome more.\n",
    "odd.js": "function \ud800odd() { return alpha }\n",
    "lib.rs": "pub mod deep {\n    pub fn gamma() -> u32 { 1 }\n}\n",
}
NAMES = sorted(TEXTS)
DIMENSIONS = 256


@cache
def indexed(path: str, version: int = 0) -> IndexedFile:
    text = TEXTS[path] + (f"\n# version {version}\n" if version else "")
    return analyse(FileFacts(path, language_of(path, "") or "text", len(text), version, f"{version}"), text, model())


def segment(paths: list[str]) -> MemorySegment:
    return build_segment([indexed(path) for path in paths], model().fingerprint, DIMENSIONS)


def view(of: MemorySegment) -> View:
    return View("", of, np.ones(len(of), np.bool_))


#: Words, names, meanings, forms of words, files; some occur nowhere.
QUESTIONS = (
    "alpha",
    "what becomes beta",
    "Beta.gamma",
    "tests for gamma",
    "größe 日本",
    "gama",
    "beta.py",
    "version 2",
)


def answers(snapshot: Snapshot, text: str) -> tuple[list[tuple[str, int]], list[float]]:
    """Where the hits are, and their scores, best first: of equal ones any may be first."""
    found = run(searchable(snapshot), SearchRequest(text, limit=100)).rows
    places = sorted((hit.ref.path, int(hit.ref.view.segment.start_lines[hit.ref.row])) for hit in found)
    return places, [hit.score for hit in found]


def contents(*segments: MemorySegment) -> tuple[object, object, object]:
    snapshot = Snapshot(0, tuple(view(each) for each in segments))
    of_files = sorted(
        (each.files[file].path, name, word)
        for each in segments
        for name in ("stems", "parents", "file_names")
        for word in getattr(each, name).vocabulary()
        for file in getattr(each, name).rows_with(word)[0].tolist()
    )
    return rows(snapshot), lexical(snapshot), of_files


def test_a_segment_is_handed_to_another_process_without_what_was_derived_from_it() -> None:
    whole = segment(NAMES)
    whole.dense.prepare()
    assert [*whole.symbols, *whole.containers, *whole.has_symbol, whole.bytes_per_query]
    assert vars(whole).keys() > {each.name for each in fields(whole)}
    handed = pickle.loads(pickle.dumps(whole))  # noqa: S301  as between processes
    assert vars(handed).keys() == {each.name for each in fields(whole)}
    assert not handed.dense._float32
    assert contents(handed) == contents(whole)


groups = st.lists(st.lists(st.sampled_from(NAMES), unique=True, max_size=4), min_size=1, max_size=4)


@settings(deadline=None)
@given(groups, st.randoms())
def test_a_merged_segment_is_one_that_was_built_of_the_kept_files(parts: list[list[str]], chance: object) -> None:
    kept = [[n for n in range(len(part)) if chance.random() < 0.7] for part in parts]  # type: ignore[attr-defined]
    merged = merge_segments([(segment(part), numbers) for part, numbers in zip(parts, kept, strict=True)])
    expected = [part[number] for part, numbers in zip(parts, kept, strict=True) for number in numbers]
    built = segment(expected)
    assert [facts.path for facts in merged.files] == expected
    assert contents(merged) == contents(built)
    assert list(merged.lexicon.words) == list(built.lexicon.words)
    assert merged.roles.tolist() == built.roles.tolist()
    assert list(merged.symbols) == [merged.symbols[row] for row in range(len(merged))]
    assert list(merged.containers) == [merged.containers[row] for row in range(len(merged))]


@settings(deadline=None)
@given(st.lists(st.sampled_from(NAMES), unique=True))
def test_a_segment_comes_back_from_its_file(tmp_path_factory: pytest.TempPathFactory, paths: list[str]) -> None:
    path: Path = tmp_path_factory.mktemp("segment") / "file"
    written = segment(paths)
    save_segment(path, written, "a version")
    found, version = load_segment(path, verify=True)
    assert (version, found.path, found.model) == ("a version", path, written.model)
    assert contents(found) == contents(written)
    assert found.files == written.files


changes = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "delete", "bulk", "flush", "compact", "merge"]),
        st.sampled_from(NAMES),
        st.integers(0, 2),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(changes)
def test_any_changes_leave_what_a_fresh_index_has(steps: list[tuple[str, str, int]]) -> None:
    index = FolderIndex("", model().fingerprint, DIMENSIONS)
    truth: dict[str, IndexedFile] = {}
    merge = None
    for step, path, version in steps:
        match step:
            case "write":
                truth[path] = indexed(path, version)
                index.replace(path, Fresh(truth[path], None))
            case "delete":
                truth.pop(path, None)
                index.replace(path, None)
            case "bulk":
                truth |= {name: indexed(name, version) for name in NAMES[: 2 * version + 1]}
                index.add_files([truth[name] for name in NAMES[: 2 * version + 1]])
            case "flush":
                index.flush_overlay(small=True)
            case "compact":
                index.compact_overlay()
            case "merge" if merge is None:
                # What changes between the beginning and the end of a merge is not undone by it.
                merge = index.next_merge(last=version == 0, quiet=version == 1)
            case _:
                if merge is not None:
                    index.merged(merge, merge.run(), None)
                merge = None
    fresh = FolderIndex("", model().fingerprint, DIMENSIONS)
    fresh.add_files(list(truth.values()))
    now, expected = Snapshot(0, index.views()), Snapshot(0, fresh.views())
    assert rows(now) == rows(expected)
    assert lexical(now) == lexical(expected)
    assert (index.files, index.chunks) == (len(truth), expected.chunks)
    assert {path: index.facts(path) for path in index.paths()} == {path: file.facts for path, file in truth.items()}
    # What a segment has besides changes no score, so that answers do not depend on what was there before.
    for text in QUESTIONS:
        (places, scores), (expected_places, expected_scores) = answers(now, text), answers(expected, text)
        assert places == expected_places
        assert scores == pytest.approx(expected_scores, abs=2e-3)
