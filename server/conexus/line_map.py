"""Where the lines of a text are in another state of it. Pure, and in time about linear in the texts."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple


class _Run(NamedTuple):
    """Lines that are equal in both texts."""

    old: int
    new: int
    length: int


class LineMap:
    """From lines of an old text to those of a new one. Immutable.

    Lines are the same if they are equal but for their line ends. What is the same is looked for from both ends of the
    texts, and between those around lines that each text has once ("patience"). What is left are changes: so many old
    lines became so many new ones.
    """

    __slots__ = ("_runs",)

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        """Lines with or without their line ends."""
        self._runs = _equal_runs([line.rstrip("\r\n") for line in old], [line.rstrip("\r\n") for line in new])

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Where the old lines ``[first, last)`` are: the new lines ``[first, last)``, which always exist.

        Lines around a change keep it: they grow or shrink with it. What was put in before or after them is not
        theirs. They are none, at the place where they were, if they were taken out. A change that begins or ends
        inside of them is cut as many lines from its beginning as they are. Lines outside the old text are clamped.
        """
        start = self._start(first)
        return (start, self._end(last)) if last > first else (start, start)

    def _start(self, line: int) -> int:
        number = self._run_before(line)
        run = self._runs[number]
        if number == len(self._runs) - 1 or line < run.old + run.length:
            return run.new + min(max(line - run.old, 0), run.length)
        return min(run.new + line - run.old, self._runs[number + 1].new)

    def _end(self, line: int) -> int:
        number = self._run_before(line - 1)
        run = self._runs[number]
        if number == len(self._runs) - 1 or line <= run.old + run.length:
            return run.new + min(max(line - run.old, 0), run.length)
        after = self._runs[number + 1]
        return after.new if line == after.old else min(run.new + line - run.old, after.new)

    def _run_before(self, line: int) -> int:
        """The number of the last run that begins at or before a line."""
        return bisect_right(self._runs, max(line, 0), key=lambda run: run.old) - 1


def _equal_runs(old: Sequence[str], new: Sequence[str]) -> list[_Run]:
    """In order, not overlapping; the first begins both texts and the last ends both, and these may be empty."""
    most = min(len(old), len(new))
    head = next((line for line in range(most) if old[line] != new[line]), most)
    tail = next((line for line in range(most - head) if old[-1 - line] != new[-1 - line]), most - head)
    old_end, new_end = len(old) - tail, len(new) - tail
    runs = [_Run(0, 0, head)]
    for old_line, new_line in _rising(_anchors(old[head:old_end], new[head:new_end])):
        last = runs[-1]
        at, its = head + old_line, head + new_line
        if at < last.old + last.length:
            continue
        before = 0
        while (
            at - before > last.old + last.length
            and its - before > last.new + last.length
            and old[at - before - 1] == new[its - before - 1]
        ):
            before += 1
        after = 1
        while at + after < old_end and its + after < new_end and old[at + after] == new[its + after]:
            after += 1
        runs.append(_Run(at - before, its - before, before + after))
    return [*runs, _Run(old_end, new_end, tail)]


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Places of the lines that both texts have once, in the order of the old one."""
    if not old or not new:
        return []
    once = {line for line, count in Counter(new).items() if count == 1}
    once &= {line for line, count in Counter(old).items() if count == 1}
    places = {line: number for number, line in enumerate(new) if line in once}
    return [(number, places[line]) for number, line in enumerate(old) if line in once]


def _rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """A longest choice of pairs, in order, whose second numbers rise."""
    ends: list[int] = []  # the pair that ends the best choice of each length
    before: list[int] = []
    for number, (_, second) in enumerate(pairs):
        length = bisect_left(ends, second, key=lambda each: pairs[each][1])
        before.append(ends[length - 1] if length else -1)
        ends[length : length + 1] = [number]
    chosen = []
    number = ends[-1] if ends else -1
    while number >= 0:
        chosen.append(pairs[number])
        number = before[number]
    return chosen[::-1]
