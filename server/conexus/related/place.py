"""Finds the chunks that contain the place of a request for related code."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conexus.search.candidates import DECIMALS
from conexus.search.scope import Scope
from conexus.segments.roles import Role
from conexus.segments.segment import MemorySegment


@dataclass(frozen=True, slots=True)
class RelatedRow:
    """A row that one relation found."""

    #: As the scope numbers it.
    row: int
    #: How sure the relation is, 0..1.
    score: float
    #: Why the row is related, in words for the user.
    reason: str


def surest_rows(scope: Scope, found: list[RelatedRow], limit: int) -> list[RelatedRow]:
    """Returns the ``limit`` surest, surest first, each row once, equally sure ones in the order of their places."""
    by_row: dict[int, RelatedRow] = {}
    for each in sorted(found, key=lambda one: (-one.score, one.reason)):
        by_row.setdefault(each.row, each)
    rows = np.fromiter(by_row, np.int64, len(by_row))
    scores = np.array([each.score for each in by_row.values()])
    return [by_row[row] for row in rows[surest(scope, rows, scores, limit)].tolist()]


def surest(scope: Scope, rows: NDArray[np.int64], scores: NDArray[np.floating], limit: int) -> NDArray[np.int64]:
    """Returns where the ``limit`` rows with the highest scores are among the rows, highest score first.

    Rows of equal scores are in the order of their places. ``scores`` has shape (len(rows),).
    """
    rounded = np.round(scores, DECIMALS)
    reached = np.arange(len(rows))
    if len(rows) > limit:
        reached = np.flatnonzero(rounded >= np.partition(rounded, len(rows) - limit)[len(rows) - limit])
    order = np.lexsort((scope.places(rows[reached]), -rounded[reached]))
    best: NDArray[np.int64] = reached[order][:limit]
    return best


_NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class RelatedPlace:
    """Whole lines of one file, or a piece of them."""

    #: Absolute path of the workspace folder, empty for a buffer outside all of them.
    folder: str
    #: Relative to the folder, with ``/``.
    path: str
    #: 0-based.
    start_line: int
    #: 0-based, exclusive; a place of no length stands for its line.
    end_line: int
    #: The selected text; empty for a cursor, which stands for the chunk around it.
    text: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Anchor:
    """A place that was found in a scope. Rows and files are numbered as in the scope."""

    place: RelatedPlace
    #: Rows that the place touches, in order; empty if the file is not indexed.
    rows: tuple[int, ...]
    #: Rows that are never returned: ``rows``, and the other pieces of their definitions.
    excluded: frozenset[int]
    #: The file's number, -1 if it is not indexed.
    file: int
    language: str
    is_test: bool
    #: The name that the place defines or is inside, and the names that enclose it, outermost first.
    symbol: str
    breadcrumb: tuple[str, ...]
    #: Names that the place refers to, in no order.
    references: frozenset[str]


def find_anchor(scope: Scope, place: RelatedPlace) -> Anchor:
    """Finds a place in a scope. Lines beyond the end of the file stand for its last lines."""
    selected = frozenset(_NAME.findall(place.text))
    for number, view in enumerate(scope.views):
        if view.folder != place.folder:
            continue
        for file, facts in enumerate(view.segment.files):
            rows = view.segment.file_rows(file)
            if facts.path == place.path and len(rows) and view.live[rows.start]:
                return _anchor_in_file(scope, place, number, file, selected)
    return Anchor(place, (), frozenset(), -1, "", False, "", (), selected)


def _anchor_in_file(scope: Scope, place: RelatedPlace, number: int, file: int, selected: frozenset[str]) -> Anchor:
    segment, first = scope.views[number].segment, scope.first_rows[number]
    rows = _rows_of_lines(segment, file, place.start_line, place.end_line)
    head = next((row for row in rows if segment.symbols[row]), rows[0])
    names = {(segment.symbols[row], segment.containers[row]) for row in rows if segment.symbols[row]}
    same_definition = {
        row for row in segment.file_rows(file) if (segment.symbols[row], segment.containers[row]) in names
    }
    references = frozenset(name for row in rows for name in segment.references.words_in(row))
    return Anchor(
        place=place,
        rows=tuple(first + row for row in rows),
        excluded=frozenset(first + row for row in same_definition.union(rows)),
        file=scope.first_files[number] + file,
        language=segment.files[file].language,
        is_test=bool(scope.roles[first + head] & Role.TEST),
        symbol=segment.symbols[head],
        breadcrumb=segment.containers[head],
        references=references & selected if selected else references,
    )


def _rows_of_lines(segment: MemorySegment, file: int, start: int, end: int) -> list[int]:
    """Returns the rows of a file that share a line with ``[start, end)``, or else the nearest row before.

    Returns the file's first row if there is no row before. The file must have rows.
    """
    rows = segment.file_rows(file)
    end = max(end, start + 1)
    found = [row for row in rows if segment.start_lines[row] < end and segment.end_lines[row] > start]
    if found:
        return found
    before = [row for row in rows if segment.start_lines[row] <= start]
    return [before[-1] if before else rows.start]
