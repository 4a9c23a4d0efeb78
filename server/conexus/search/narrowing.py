"""Of an index that is too large to look at every row of it: the rows that may answer a query, as a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from conexus.index.legs import Legs
from conexus.index.narrow import narrow
from conexus.index.segment import MemorySegment
from conexus.index.snapshot import Snapshot, View
from conexus.index.store import Candidate
from conexus.search.bm25 import idf
from conexus.search.query import Query
from conexus.search.signals import QueryVectors
from conexus.search.tables import table

#: Files that stand for all, to know how words and vectors are spread.
_SAMPLED_FILES = 200
#: Rows of one segment that define a name of the query.
_MOST_DEFINITIONS = 100
#: Files of one segment of which all rows are looked at, if they have no more than so many.
_MOST_WHOLE, _MOST_ROWS_OF_WHOLE = 150, 200
#: Files that are called as the query says, of each segment, and rows of each of them.
_MOST_CALLED, _ROWS_OF_CALLED = 8, 30


def narrowed(snapshot: Snapshot, query: Query, vectors: QueryVectors, legs: Mapping[str, Legs]) -> Snapshot:
    """The snapshot with only the rows that may answer in the views that indices find candidates of.

    Other views, and those of a folder whose candidates cannot be had, stay as they are.
    """
    if not query.text or not legs:
        return snapshot
    views: list[View] = []
    every = max(1, sum(len(view.segment.files) for view in snapshot.views) // _SAMPLED_FILES)
    words = list(dict.fromkeys(term for concept in query.concepts for term, _ in concept.terms))
    found: dict[str, Mapping[str, list[int]] | None] = {}
    for view in snapshot.views:
        if not view.indexed or view.folder not in legs:
            views.append(view)
            continue
        if view.folder not in found:
            vector = vectors.get(view.segment.model)
            found[view.folder] = _by_path(legs[view.folder].candidates(vector, words))
        candidates = found[view.folder]
        if candidates is None:
            views.append(view)
            continue
        sample = np.arange(every // 2, len(view.segment.files), every)
        views.append(narrow(view, _rows(view, query, candidates, sample), sample))
    return replace(snapshot, views=tuple(views))


def _by_path(candidates: Sequence[Candidate] | None) -> Mapping[str, list[int]] | None:
    if candidates is None:
        return None
    by_path: dict[str, list[int]] = {}
    for path, ordinal in candidates:
        by_path.setdefault(path, []).append(ordinal)
    return by_path


def _rows(
    view: View, query: Query, candidates: Mapping[str, list[int]], sample: NDArray[np.int64]
) -> NDArray[np.int64]:
    segment, files = view.segment, table(view.segment).by_path
    chosen: list[int] = []
    # How well a whole file answers is told by all its rows, so those of the likeliest files are all looked at.
    likeliest = sorted(files.keys() & candidates.keys(), key=lambda path: (-len(candidates[path]), path))
    for place, path in enumerate(likeliest):
        own = segment.rows_of(files[path])
        if place < _MOST_WHOLE and len(own) <= _MOST_ROWS_OF_WHOLE:
            chosen += own
        else:
            chosen += [own.start + ordinal for ordinal in candidates[path] if ordinal < len(own)]
    for name in query.identifiers:
        chosen += segment.definitions.of(name.lower())[0][:_MOST_DEFINITIONS].tolist()
    for file in (*_called(segment, query), *_filed(segment, query)):
        chosen += segment.rows_of(file)[:_ROWS_OF_CALLED]
    rows = np.array(chosen, np.int64)
    rows = rows[view.alive[rows]]
    # What stands for all is not chosen by whether it still counts, as nothing is where all rows are looked at.
    for file in sample.tolist():
        rows = np.append(rows, segment.rows_of(file))
    return np.unique(rows)


def _called(segment: MemorySegment, query: Query) -> list[int]:
    """The files whose names say most of the query."""
    said = np.zeros(len(segment.files), np.float32)
    for concept in query.concepts:
        for term, weight in concept.terms:
            called, _ = segment.stems.of(term)
            said[called] += np.float32(weight * concept.weight * idf(len(called), len(segment.files)))
    best = np.argsort(-said, kind="stable")[:_MOST_CALLED]
    files: list[int] = best[said[best] > 0].tolist()
    return files


def _filed(segment: MemorySegment, query: Query) -> Iterable[int]:
    """The files that the query names."""
    for path in query.files:
        yield from segment.file_names.of(path.rsplit("/", 1)[-1])[0][:_MOST_CALLED].tolist()
