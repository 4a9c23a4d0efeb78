"""Standardises the values of a signal (z-scores), so that similarities of different kinds can be added."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conexus.search.bm25 import Scores

#: Minimum of the deviation, so that small differences stay small where all rows are nearly alike. Usual deviations are
#: above 0.1.
_MIN_DEVIATION = 0.05


@dataclass(frozen=True, slots=True)
class ZScore:
    """The mean and the standard deviation of values over all rows."""

    mean: np.float32
    deviation: np.float32

    @staticmethod
    def from_values(values: Scores, size: int) -> ZScore:
        """Makes the z-score of values of which ``size`` count; the other values must be 0."""
        stats = RunningStats()
        # The mean of squares costs a third of `std`, which makes an array of differences.
        stats.add(size, float(values.sum()), float(np.dot(values, values)))
        return stats.z_score()

    @staticmethod
    def identity() -> ZScore:
        """Makes a z-score that leaves values as they are."""
        return ZScore(np.float32(0), np.float32(1))

    def standardize(self, values: Scores) -> Scores:
        """Returns (values - mean) / deviation, of the same shape."""
        result: Scores = (values - self.mean) / self.deviation
        return result


class RunningStats:
    """Accumulates the sums of values and of their squares, view after view."""

    def __init__(self) -> None:
        self._size = 0
        self._sum = self._squares = 0.0

    def add(self, size: int, total: float, squares: float) -> None:
        """Adds ``size`` values, given their sum and the sum of their squares."""
        self._size += size
        self._sum += total
        self._squares += squares

    def z_score(self) -> ZScore:
        """Returns the z-score of all values that were added; it changes nothing if there were none."""
        if not self._size:
            return ZScore.identity()
        mean = self._sum / self._size
        variance = max(self._squares / self._size - mean**2, _MIN_DEVIATION**2)
        return ZScore(np.float32(mean), np.float32(variance**0.5))


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """The values of one signal for each row or each file: 0..1, or a similarity with mean 0 and deviation 1.

    Similarities are standardised over all live rows or files, but z-scores are computed for the requested ones only.
    """

    #: The values before they are standardised, shape (rows,) or (files,).
    raw: Scores
    z_score: ZScore
    #: Whether all values are 0.
    is_zero: bool = False

    @staticmethod
    def zero(size: int) -> Signal:
        return Signal(np.broadcast_to(np.float32(0), (size,)), ZScore.identity(), is_zero=True)

    @staticmethod
    def from_shares(values: Scores) -> Signal:
        """Makes a signal whose values, 0..1, are not standardised."""
        return Signal(values, ZScore.identity())

    @staticmethod
    def from_similarities(raw: Scores, live: NDArray[np.bool_] | None = None) -> Signal:
        """Makes a signal that is standardised over the values of live rows or files (None: all are live)."""
        size = len(raw) if live is None else int(np.count_nonzero(live))
        if not size:
            return Signal.zero(len(raw))
        # Zeros change no sum, and this is several times faster than a selection of the other values.
        counted = raw if live is None or size == len(raw) else raw * live
        return Signal(raw, ZScore.from_values(counted, size))

    def __getitem__(self, places: NDArray[np.integer] | int) -> Scores:
        """Returns the values at some places, in the given order."""
        return self.z_score.standardize(self.raw[places])

    @property
    def values(self) -> Scores:
        """All values, shape (rows,) or (files,)."""
        return self.z_score.standardize(self.raw)
