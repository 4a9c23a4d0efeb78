"""Maps the lines of a text to the lines of another state of it. Pure; time is about linear in the texts' length."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple


class _Run(NamedTuple):
    """A run of lines that are equal in both texts: its first line in each, and its number of lines."""

    old: int
    new: int
    length: int


class LineMap:
    """Maps lines of an old text to lines of a new text. Immutable.

    Two lines are the same if they are equal apart from their line ends. Equal lines are searched from both ends of the
    texts and, between those ends, around lines that each text has exactly once ("patience"). The remaining lines are
    changes: a number of old lines became a number of new lines.
    """

    __slots__ = ("_runs",)

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        """Takes the lines of both texts, with or without their line ends."""
        self._runs = _equal_runs([line.rstrip("\r\n") for line in old], [line.rstrip("\r\n") for line in new])

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Returns the new lines ``[first, last)`` for the old lines ``[first, last)``; the new lines always exist.

        A span that includes a change grows or shrinks with it. It does not include lines that were inserted directly
        before or after it. If its lines were removed, it is empty, at the place where they were. A span that begins or
        ends inside a change cuts the changed lines at the same distance from the change's beginning. Lines outside
        the old text are clamped.
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
        """Returns the number of the last run that begins at or before a line."""
        return bisect_right(self._runs, max(line, 0), key=lambda run: run.old) - 1


def _equal_runs(old: Sequence[str], new: Sequence[str]) -> list[_Run]:
    """Returns the runs in order, without overlap.

    The first run begins both texts and the last run ends both; these two may be empty.
    """
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
    """Returns the (old, new) numbers of the lines that each text has exactly once, in the order of the old text."""
    if not old or not new:
        return []
    once = {line for line, count in Counter(new).items() if count == 1}
    once &= {line for line, count in Counter(old).items() if count == 1}
    places = {line: number for number, line in enumerate(new) if line in once}
    return [(number, places[line]) for number, line in enumerate(old) if line in once]


def _rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Returns a longest subsequence of the pairs whose second numbers rise."""
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
