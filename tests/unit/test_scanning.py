"""Which directories are scanned when many are told of."""

from __future__ import annotations

from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from conexus.indexing.scans import _Asked

NAMES = st.sampled_from(["a", "b", "a-b", "a.c"])
DIRECTORIES = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


def is_below(path: str, other: str) -> bool:
    return path == other or other in map(str, PurePosixPath(path).parents)


@given(st.lists(st.lists(DIRECTORIES, min_size=1)))
def test_each_is_taken_once_with_all_below_it(batches: list[list[str]]) -> None:
    asked = _Asked()
    for batch in batches:
        for directory in batch:
            asked.add(directory)
        taken = []
        while asked:
            taken.append(asked.take())
        assert all(any(is_below(directory, each) for each in taken) for directory in batch)
        assert set(taken) <= set(batch)
        assert not any(is_below(one, other) for one in taken for other in taken if one is not other)
