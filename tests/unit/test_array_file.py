"""Files of arrays: what was written comes back, and what is not whole is not taken."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import load_file, save_file

from conexus.arrays.file import DamagedFile, load, save

KINDS = [np.uint8, np.uint16, np.uint32, np.uint64, np.int32, np.int64, np.float16, np.float32]
SOME = {
    "empty": np.empty(0, np.float32),
    "odd": np.arange(7, dtype=np.uint8),
    "table": np.arange(12, dtype=np.float32).reshape(3, 4),
    "none": np.empty((5, 0), np.float32),
    "last": np.array([2**63], np.uint64),
}


@given(
    st.lists(
        st.sampled_from(KINDS).flatmap(
            lambda kind: arrays.arrays(kind, arrays.array_shapes(max_dims=2, min_side=0, max_side=5))
        ),
        max_size=5,
    )
)
def test_what_was_written_comes_back(tmp_path_factory: pytest.TempPathFactory, given_arrays: list[np.ndarray]) -> None:
    path = tmp_path_factory.mktemp("arrays") / "file"
    named = {f"array.{number}": array for number, array in enumerate(given_arrays)}
    save(path, named, {"about": "ünï"})
    found, metadata, _ = load(path, verify=True)
    assert metadata == {"about": "ünï"}
    assert found.keys() == named.keys()
    for name, array in named.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def test_nobody_can_write_to_what_was_loaded(tmp_path: Path) -> None:
    save(tmp_path / "file", SOME, {})
    found, _, _ = load(tmp_path / "file", verify=False)
    with pytest.raises(ValueError, match="read-only"):
        found["table"][0, 0] = 1


def test_the_layout_is_that_of_safetensors(tmp_path: Path) -> None:
    save(tmp_path / "file", SOME, {"about": "this"})
    found = load_file(tmp_path / "file")
    for name, array in SOME.items():
        assert np.array_equal(found[name], array)


def test_arrays_lie_where_they_can_be_used(tmp_path: Path) -> None:
    save(tmp_path / "file", SOME, {})
    found, _, _ = load(tmp_path / "file", verify=False)
    assert all(array.ctypes.data % 64 == 0 for array in found.values() if array.size)


@pytest.mark.parametrize("place", [0, 5, 100, -1, -30])
def test_a_flipped_bit_is_noticed(tmp_path: Path, place: int) -> None:
    path = tmp_path / "file"
    save(path, SOME, {})
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)
    with pytest.raises(DamagedFile):
        load(path, verify=True)


@pytest.mark.parametrize("content", [b"", b"not a file of arrays", b"\x02\0\0\0\0\0\0\0[]", b"\xff" * 64])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DamagedFile):
        load(tmp_path / "file", verify=False)


def test_a_file_that_safetensors_wrote_is_read_but_has_no_checksum(tmp_path: Path) -> None:
    save_file({name: array.copy() for name, array in SOME.items()}, tmp_path / "file")
    found, metadata, _ = load(tmp_path / "file", verify=False)
    assert {name: array.tolist() for name, array in found.items()} == {
        name: array.tolist() for name, array in SOME.items()
    }
    assert metadata == {}
    with pytest.raises(DamagedFile, match="not as it was written"):
        load(tmp_path / "file", verify=True)


def test_a_file_that_was_cut_is_refused_without_reading_it(tmp_path: Path) -> None:
    save(tmp_path / "file", SOME, {})
    content = (tmp_path / "file").read_bytes()
    (tmp_path / "file").write_bytes(content[:-1])
    with pytest.raises(DamagedFile, match="not whole"):
        load(tmp_path / "file", verify=False)


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    save(tmp_path / "file", {"a": np.arange(3)}, {})
    with pytest.raises(KeyError):
        save(tmp_path / "file", {"a": np.array([1j])}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert load(tmp_path / "file", verify=True)[0]["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("place", [0, 7, 10, 100, -1])
def test_what_is_overwritten_while_it_is_mapped_is_noticed(tmp_path: Path, place: int) -> None:
    save(tmp_path / "file", SOME, {})
    _, _, mapped = load(tmp_path / "file", verify=False)
    assert mapped.is_whole()
    with (tmp_path / "file").open("r+b") as file:
        file.seek(place, 0 if place >= 0 else 2)
        file.write(b"\xff")
    assert not mapped.is_untouched()
    assert not mapped.is_whole()
    (tmp_path / "file").unlink()
    assert not mapped.is_whole()


def test_what_is_mapped_is_whole_though_its_file_is_gone(tmp_path: Path) -> None:
    save(tmp_path / "file", SOME, {})
    _, _, mapped = load(tmp_path / "file", verify=False)
    (tmp_path / "file").unlink()
    assert mapped.is_untouched()
    assert mapped.is_whole()
    save(tmp_path / "file", {}, {})
    assert mapped.is_untouched()
    assert mapped.is_whole()


@pytest.mark.parametrize("size", [0, 1, 100, -1])
def test_what_is_cut_short_while_it_is_mapped_is_noticed_without_reading_it(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    save(path, {"a": np.zeros(1 << 20)}, {})
    _, _, mapped = load(path, verify=False)
    os.truncate(path, size if size >= 0 else path.stat().st_size + size)
    assert not mapped.is_untouched()
    assert not mapped.is_whole()


def test_what_was_looked_at_is_untouched_until_it_is_written_again(tmp_path: Path) -> None:
    save(tmp_path / "file", SOME, {})
    _, _, mapped = load(tmp_path / "file", verify=False)
    for times in ((0, 0), (1, 1)):
        os.utime(tmp_path / "file", times)
        assert not mapped.is_untouched()
        assert mapped.is_whole()
        assert mapped.is_untouched()
