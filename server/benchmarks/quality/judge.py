"""What an answer is worth: which hits show the target, and the metrics of their ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.quality.data import Question, Target

#: How many hits are asked for and judged.
TOP = 10
#: How many lines of a long definition count; a hit of as many lines is never too long.
_ENOUGH_LINES = 40
#: How many times as long as a definition a hit that shows it may be.
_MOST_TIMES = 3


@dataclass(frozen=True, slots=True)
class Hit:
    #: Absolute, with slashes.
    path: str
    #: From 1, both inclusive.
    first_line: int
    last_line: int


#: For each target, the rank of the first hit that shows it, from 1; None if none of the first ten does.
Ranks = tuple[int | None, ...]


def covers(hit: Hit, target: Target) -> bool:
    """Whether the hit is in the target's file and, if the target has lines, shows them.

    A hit shows a definition if it has at least half of it (of its first 40 lines' worth), and is not much longer:
    whoever is led to a whole file has still to look for the function. A path fits if it ends with the target's:
    some annotations leave out the folder that all of them share.
    """
    if hit.path != target.path and not hit.path.endswith("/" + target.path):
        return False
    if target.lines is None:
        return True
    first, last = target.lines
    length = last - first + 1
    common = min(hit.last_line, last) - max(hit.first_line, first) + 1
    shown = hit.last_line - hit.first_line + 1
    return common >= min(length, _ENOUGH_LINES) / 2 and shown <= max(_ENOUGH_LINES, _MOST_TIMES * length)


def ranks(hits: Sequence[Hit], question: Question) -> Ranks:
    """Hits are chunks: a second one of a file takes a rank of its own."""
    return tuple(
        next((rank for rank, hit in enumerate(hits[:TOP], 1) if covers(hit, target)), None)
        for target in question.targets
    )


def ndcg(found: Ranks) -> float:
    """NDCG@10 with relevance 0 or 1: 1 if the targets have the first ranks, 0 if none is among the first ten."""
    gain = sum(_gain(rank) for rank in found if rank is not None and rank <= TOP)
    ideal = sum(_gain(rank) for rank in range(1, min(TOP, len(found)) + 1))
    return gain / ideal if ideal else 0.0


def recall(found: Ranks, first: int) -> float:
    """The share of the targets that the first hits show."""
    return sum(rank is not None and rank <= first for rank in found) / len(found) if found else 0.0


def success(found: Ranks, first: int) -> float:
    """1 if any target is among the first hits, otherwise 0."""
    return float(any(rank is not None and rank <= first for rank in found))


def _gain(rank: int) -> float:
    return 1 / math.log2(rank + 1)
