"""What values are standardised by, so that likenesses of different kinds can be added."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conexus.search.bm25 import Scores

#: Where all rows are nearly alike, small differences stay small; usual deviations are above 0.1.
_LEAST_DEVIATION = 0.05


@dataclass(frozen=True, slots=True)
class Scale:
    """The mean and deviation of values over all rows."""

    mean: np.float32
    deviation: np.float32

    @staticmethod
    def of(values: Scores, size: int) -> Scale:
        """What standardises values, of which ``size`` are counted and the others are 0."""
        tally = Tally()
        # The mean of squares costs a third of `std`, which makes an array of differences.
        tally.add(size, float(values.sum()), float(np.dot(values, values)))
        return tally.scale()

    @staticmethod
    def by(mean: float, variance: float) -> Scale:
        return Scale(np.float32(mean), np.float32(max(variance, _LEAST_DEVIATION**2) ** 0.5))

    @staticmethod
    def none() -> Scale:
        """Leaves values as they are."""
        return Scale(np.float32(0), np.float32(1))

    def of_values(self, values: Scores) -> Scores:
        """Values less the mean, over the deviation."""
        result: Scores = (values - self.mean) / self.deviation
        return result


class Tally:
    """The sums of values and of their squares, of one view after the other."""

    def __init__(self) -> None:
        self._size = 0
        self._sum = self._squares = 0.0

    def add(self, size: int, total: float, squares: float) -> None:
        """So many values, their sum, and that of their squares."""
        self._size += size
        self._sum += total
        self._squares += squares

    def scale(self) -> Scale:
        """What standardises all values."""
        if not self._size:
            return Scale.none()
        mean = self._sum / self._size
        return Scale.by(mean, self._squares / self._size - mean**2)


class Spread:
    """How sums over words are spread over all rows, of which only some are looked at.

    Each word is in a known number of rows, and what it adds to some of these stands for all of them: that tells the
    variance of each word, however rare. How words go together is told by rows that stand for all rows.
    """

    def __init__(self, population: int, standing: int) -> None:
        """How many rows there are, and how many stand for them."""
        self._population, self._standing = max(population, 1), max(standing, 1)
        self._mean = self._variance = 0.0

    def add(self, gained: Scores, frequency: int, standing: Scores, shares: Scores | None = None) -> None:
        """``gained``: what a word adds to some of the rows that have it; ``frequency``: how many have it in all.

        ``standing``: what it adds to those of the rows that stand for all that have it. ``shares``: how much each of
        ``gained`` counts; the same if not given.
        """
        # Once all words are added, the variance of their sums takes the place of the sum of these.
        mean = float(standing.sum()) / self._standing
        self._variance -= float(np.dot(standing, standing)) / self._standing - mean**2
        if not len(gained):
            return
        weights = np.full(len(gained), 1 / len(gained), np.float32) if shares is None else shares / shares.sum()
        share = min(frequency / self._population, 1.0)
        mean = float(np.dot(weights, gained)) * share
        self._mean += mean
        self._variance += float(np.dot(weights, gained * gained)) * share - mean**2

    def scale(self, sums: Scores) -> Scale:
        """``sums``: of all words, of the rows that stand for all."""
        return Scale.by(self._mean, max(self._variance + float(sums.var()), 0.0))
