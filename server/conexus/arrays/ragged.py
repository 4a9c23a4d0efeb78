"""Stores rows of different lengths in one flat array, so that the numbers of a chunk need no Python object each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.uint16]


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """Rows of different lengths: row ``r`` is ``values[starts[r]:starts[r + 1]]``. The arrays are never changed."""

    #: The values of all rows, row after row; shape (values,).
    values: Values
    #: Shape (rows + 1,); the first number is 0, the last is the number of values.
    starts: NDArray[np.int64]

    @staticmethod
    def from_rows(rows: Sequence[Values]) -> Ragged:
        """Makes a ``Ragged`` of these rows, in their order."""
        values = np.concatenate(rows) if rows else np.empty(0, np.uint16)
        return Ragged.from_lengths(values, np.fromiter(map(len, rows), np.int64, len(rows)))

    @staticmethod
    def from_lengths(values: Values, lengths: NDArray[np.int64]) -> Ragged:
        """Cuts the values into rows of these lengths, whose sum is the number of values."""
        return Ragged(values, _starts(lengths))

    @staticmethod
    def joined(parts: Sequence[Ragged]) -> Ragged:
        """Concatenates the rows of all parts, part after part."""
        if not parts:
            return Ragged.from_rows([])
        if len(parts) == 1:
            return parts[0]
        lengths = np.concatenate([np.diff(part.starts) for part in parts])
        return Ragged.from_lengths(np.concatenate([part.values for part in parts]), lengths)

    @staticmethod
    def empty(rows: int) -> Ragged:
        """Makes ``rows`` rows without values."""
        return Ragged(np.empty(0, np.uint16), np.zeros(rows + 1, np.int64))

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(self.starts) - 1

    def row(self, number: int) -> Values:
        """Returns one row, not copied. Raises IndexError beyond the last row."""
        return self.values[self.starts[number] : self.starts[number + 1]]

    def select(self, mask: NDArray[np.bool_]) -> Ragged:
        """Returns the rows at which ``mask``, of shape (rows,), is true, in their order."""
        lengths = np.diff(self.starts)
        return Ragged.from_lengths(self.values[np.repeat(mask, lengths)], lengths[mask])

    def take(self, numbers: NDArray[np.int64]) -> Ragged:
        """Returns the rows with these numbers (0 or more), in the given order; a number may occur several times."""
        places, starts = concatenated_ranges(self.starts[numbers], self.starts[numbers + 1])
        return Ragged(self.values[places], starts)


def concatenated_ranges(
    firsts: NDArray[np.integer], ends: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns all places of several ranges, range after range, and where each range begins among them (and the end).

    ``ends`` are exclusive. The second array has shape (ranges + 1,).
    """
    lengths = (ends - firsts).astype(np.int64)
    starts = _starts(lengths)
    return np.arange(starts[-1]) + np.repeat(firsts - starts[:-1], lengths), starts


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def run_starts(values: NDArray[Any]) -> NDArray[np.int64]:
    """Returns the places at which a value differs from the value before it; the first place always counts."""
    begins = np.empty(len(values), np.bool_)
    begins[:1] = True
    np.not_equal(values[1:], values[:-1], out=begins[1:])
    starts: NDArray[np.int64] = begins.nonzero()[0]
    return starts
