"""Many strings in one buffer: a Python object exists for a string only while the string is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]

# Names may hold lone surrogates, which a strict encoder refuses.
_ERRORS = "surrogatepass"


@dataclass(frozen=True, slots=True, eq=False)
class Strings:
    """String ``n`` is the UTF-8 in ``blob[starts[n]:starts[n + 1]]``. The arrays never change."""

    #: The bytes of all strings, one after the other; shape (bytes,).
    blob: NDArray[np.uint8]
    #: Shape (strings + 1,), from 0 to the length of ``blob``.
    starts: Places

    @staticmethod
    def from_strings(strings: Iterable[str]) -> Strings:
        """Returns a buffer of these strings, in their order."""
        encoded = [string.encode("utf-8", _ERRORS) for string in strings]
        starts = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=starts[1:])
        return Strings(np.frombuffer(b"".join(encoded), np.uint8), starts)

    @staticmethod
    def joined(parts: Sequence[Strings]) -> Strings:
        """Returns the strings of all parts, one part after the other."""
        if not parts:
            return Strings.from_strings(())
        ends = np.cumsum([0, *(len(part.blob) for part in parts)])
        starts = [part.starts[:-1] + first for part, first in zip(parts, ends.tolist(), strict=False)]
        return Strings(
            np.concatenate([part.blob for part in parts]), np.concatenate([*starts, ends[-1:]]).astype(np.int64)
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, number: int) -> str:
        """Returns one string. Raises IndexError beyond the last. Negative numbers have no meaning."""
        return self.blob[self.starts[number] : self.starts[number + 1]].tobytes().decode("utf-8", _ERRORS)

    def __iter__(self) -> Iterator[str]:
        blob, starts = self.blob.tobytes(), self.starts.tolist()
        for number in range(len(self)):
            yield blob[starts[number] : starts[number + 1]].decode("utf-8", _ERRORS)

    @property
    def lengths(self) -> Places:
        """Length of each string in bytes, shape (strings,)."""
        return np.diff(self.starts)

    def take(self, numbers: NDArray[np.integer]) -> Strings:
        """Returns the strings with these numbers, in the order given."""
        first = self.starts[numbers]
        lengths = self.starts[np.asarray(numbers) + 1] - first
        starts = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=starts[1:])
        places = np.arange(starts[-1]) + np.repeat(first - starts[:-1], lengths)
        return Strings(self.blob[places], starts)
