"""What values are standardised by, so that likenesses of different kinds can be added."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conexus.search.bm25 import Scores

#: Where all rows are nearly alike, small differences stay small; usual deviations are above 0.1.
_LEAST_DEVIATION = 0.05


@dataclass(frozen=True, slots=True)
class ZScore:
    """The mean and deviation of values over all rows."""

    mean: np.float32
    deviation: np.float32

    @staticmethod
    def of(values: Scores, size: int) -> ZScore:
        """What standardises values, of which ``size`` are counted and the others are 0."""
        tally = RunningStats()
        # The mean of squares costs a third of `std`, which makes an array of differences.
        tally.add(size, float(values.sum()), float(np.dot(values, values)))
        return tally.scale()

    @staticmethod
    def by(mean: float, variance: float) -> ZScore:
        return ZScore(np.float32(mean), np.float32(max(variance, _LEAST_DEVIATION**2) ** 0.5))

    @staticmethod
    def none() -> ZScore:
        """Leaves values as they are."""
        return ZScore(np.float32(0), np.float32(1))

    def of_values(self, values: Scores) -> Scores:
        """Values less the mean, over the deviation."""
        result: Scores = (values - self.mean) / self.deviation
        return result


class RunningStats:
    """The sums of values and of their squares, of one view after the other."""

    def __init__(self) -> None:
        self._size = 0
        self._sum = self._squares = 0.0

    def add(self, size: int, total: float, squares: float) -> None:
        """So many values, their sum, and that of their squares."""
        self._size += size
        self._sum += total
        self._squares += squares

    def scale(self) -> ZScore:
        """What standardises all values."""
        if not self._size:
            return ZScore.none()
        mean = self._sum / self._size
        return ZScore.by(mean, self._squares / self._size - mean**2)
