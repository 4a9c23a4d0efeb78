"""Which directories files lie in, after any of them came and went."""

from __future__ import annotations

from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from conexus.index.occupied import OccupiedDirectories

NAMES = st.sampled_from("ab")
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@given(st.lists(PATHS))
def test_a_directory_is_occupied_while_any_file_lies_below_it(toggled: list[str]) -> None:
    directories, files = OccupiedDirectories(), set[str]()
    for path in toggled:
        # A file is no directory at the same time.
        if path in files:
            files.remove(path)
            directories.discard(path)
        elif not any(path in map(str, PurePosixPath(each).parents) for each in files):
            files.add(path)
            directories.add(path)
        expected = {str(parent) for each in files for parent in PurePosixPath(each).parents}
        candidates = {str(parent) for each in toggled for parent in (PurePosixPath(each), *PurePosixPath(each).parents)}
        assert {each for each in candidates if each in directories} == expected - {"."}
