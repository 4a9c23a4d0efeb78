"""Standardises values (z-scores), so that similarities of different kinds can be added."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conexus.search.bm25 import Scores

#: Minimum of the deviation, so that small differences stay small where all rows are nearly alike. Usual deviations are
#: above 0.1.
_LEAST_DEVIATION = 0.05


@dataclass(frozen=True, slots=True)
class ZScore:
    """The mean and the standard deviation of values over all rows."""

    mean: np.float32
    deviation: np.float32

    @staticmethod
    def of(values: Scores, size: int) -> ZScore:
        """Makes the z-score of values of which ``size`` count; the other values must be 0."""
        tally = RunningStats()
        # The mean of squares costs a third of `std`, which makes an array of differences.
        tally.add(size, float(values.sum()), float(np.dot(values, values)))
        return tally.scale()

    @staticmethod
    def by(mean: float, variance: float) -> ZScore:
        return ZScore(np.float32(mean), np.float32(max(variance, _LEAST_DEVIATION**2) ** 0.5))

    @staticmethod
    def none() -> ZScore:
        """Makes a z-score that leaves values as they are."""
        return ZScore(np.float32(0), np.float32(1))

    def of_values(self, values: Scores) -> Scores:
        """Returns (values - mean) / deviation."""
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

    def scale(self) -> ZScore:
        """Returns the z-score of all values that were added; it changes nothing if there were none."""
        if not self._size:
            return ZScore.none()
        mean = self._sum / self._size
        return ZScore.by(mean, self._squares / self._size - mean**2)
