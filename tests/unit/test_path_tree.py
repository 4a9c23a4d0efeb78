"""Which files lie below which directories, after any of them came and went."""

from __future__ import annotations

from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from conexus.indexing.path_tree import PathTree

NAMES = st.sampled_from("ab")
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@given(st.lists(PATHS))
def test_what_is_below_a_directory_is_what_a_look_at_all_files_finds(toggled: list[str]) -> None:
    tree, files = PathTree(), set[str]()
    for path in toggled:
        if path in files:
            files.remove(path)
            tree.discard(path)
        else:  # it may be a directory at the same time, until what lay below it is noticed to be gone
            files.add(path)
            tree.add(path)
        for each in (*toggled, *(str(parent) for path in toggled for parent in PurePosixPath(path).parents)):
            directory = "" if each == "." else each
            prefix = f"{directory}/" if directory else ""
            expected = {known for known in files if known.startswith(prefix)}
            assert set(tree.below(directory)) == expected
            assert (directory in tree) == bool(expected)
    assert not files or tree._files
