"""The names of rows as numbers of words: the symbol that each row defines, and the definitions that contain it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.strings import Strings
from conexus.segments.lexicon import Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Symbols(Sequence[str]):
    """The symbol of each row, which may be empty. The array is never changed."""

    #: The words of the segment's lexicon.
    words: Strings
    #: Number of each row's symbol in ``words``, shape (rows,).
    numbers: Numbers

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(self.numbers)

    def __getitem__(self, row: Any) -> Any:
        return self.words[int(self.numbers[row])]

    def __iter__(self) -> Iterator[str]:
        return iter(self.words.take(self.numbers))


@dataclass(frozen=True, slots=True, eq=False)
class Containers(Sequence[tuple[str, ...]]):
    """The names of the definitions that contain each row, outermost first. The arrays are never changed.

    Rows with the same containers share one path: path ``p`` is the words ``path_words[starts[p]:starts[p + 1]]``.
    """

    #: The words of the segment's lexicon.
    words: Strings
    #: Numbers in ``words`` of the words of all paths, path after path.
    path_words: Numbers
    #: Shape (paths + 1,); the first number is 0, the last is the length of ``path_words``.
    starts: NDArray[np.int32]
    #: The path of each row, shape (rows,).
    paths: Numbers

    @staticmethod
    def from_names(names: Iterable[tuple[str, ...]], words: Strings, numbers: Mapping[str, int]) -> Containers:
        """Makes the containers of rows. ``names``: of each row; ``numbers``: of every name in ``words``."""
        distinct: dict[tuple[str, ...], int] = {}
        paths = [distinct.setdefault(path, len(distinct)) for path in names]
        return Containers(
            words,
            np.array([numbers[name] for path in distinct for name in path], np.int32),
            np.cumsum([0, *map(len, distinct)], dtype=np.int32),
            np.array(paths, np.int32),
        )

    @staticmethod
    def from_parts(parts: Sequence[tuple[Containers, Numbers, NDArray[np.bool_]]], words: Strings) -> Containers:
        """Merges the containers of several segments.

        ``parts``: the containers of each segment, the number in ``words`` of each of its words, and the mask of the
        rows to keep.
        """
        distinct: dict[tuple[int, ...], int] = {}
        paths: list[Numbers] = [np.empty(0, np.int32)]
        for part, numbers, rows in parts:
            kept = part.paths[rows]
            path_words = numbers[part.path_words].tolist() if len(part.path_words) else []
            starts = part.starts.tolist()
            mapping = np.zeros(len(starts) - 1, np.int32)
            for path in np.unique(kept).tolist():
                mapping[path] = distinct.setdefault(tuple(path_words[starts[path] : starts[path + 1]]), len(distinct))
            paths.append(mapping[kept])
        return Containers(
            words,
            np.array([word for path in distinct for word in path], np.int32),
            np.cumsum([0, *map(len, distinct)], dtype=np.int32),
            np.concatenate(paths),
        )

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(self.paths)

    def __getitem__(self, row: Any) -> Any:
        path = int(self.paths[row])
        return tuple(self.words[word] for word in self.path_words[self.starts[path] : self.starts[path + 1]].tolist())

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        names = list(self.words.take(self.path_words))
        paths = [tuple(names[first:last]) for first, last in pairwise(self.starts.tolist())]
        return (paths[path] for path in self.paths.tolist())

    @property
    def depths(self) -> NDArray[np.int32]:
        """Number of definitions that contain each row, shape (rows,)."""
        depths: NDArray[np.int32] = np.diff(self.starts)[self.paths]
        return depths

    def words_of(self, rows: NDArray[np.bool_]) -> Numbers:
        """Returns the numbers of the words in the paths of the rows at which a mask, shape (rows,), is true."""
        kept = np.zeros(len(self.starts) - 1, np.bool_)
        kept[self.paths[rows]] = True
        return self.path_words[np.repeat(kept, np.diff(self.starts))]
