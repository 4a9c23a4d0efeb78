"""Provides the lines of a text and creates only the requested ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import overload

import numpy as np

from conexus.text.positions import split_lines

_LINE_FEED = ord("\n")


class Lines(Sequence[str]):
    """The lines of a text as ``split_lines`` returns them; only requested lines are created."""

    __slots__ = ("_starts", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        # Most texts are ASCII without carriage returns, so comparing bytes finds where their lines begin.
        if text.isascii() and "\r" not in text:
            ends = (np.frombuffer(text.encode("ascii"), np.uint8) == _LINE_FEED).nonzero()[0]
            last = () if not text or text.endswith("\n") else (len(text),)
            self._starts = np.concatenate([(0,), ends + 1, last]).astype(np.int64)
        else:
            self._starts = np.cumsum([0, *map(len, split_lines(text))])

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            first, last, step = place.indices(len(self))
            starts = self._starts[first : max(first, last) + 1].tolist()
            return [self._text[start:end] for start, end in pairwise(starts)][::step]
        first, end = self._starts[range(len(self))[place] :][:2].tolist()
        return self._text[first:end]

    def __iter__(self) -> Iterator[str]:
        return iter(split_lines(self._text))
