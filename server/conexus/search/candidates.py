"""Retrieves the rows that may answer a query from an index that is too large to score every row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.ragged import places_of
from conexus.search.bm25 import idf
from conexus.search.query import Query
from conexus.search.scope import scope_of
from conexus.search.segment_facts import table
from conexus.search.signals import QueryVectors
from conexus.segments.segment import MemorySegment
from conexus.segments.snapshot import CandidateSource, ChunkRefs, Snapshot, View
from conexus.values import Filters

#: Maximum number of rows taken of one segment for each name of the query that they define.
_MOST_DEFINITIONS = 20
#: Number of likeliest files whose rows all become candidates, and the maximum number of rows of such a file.
_MOST_WHOLE, _MOST_ROWS_OF_WHOLE = 250, 200
#: Maximum number of files whose names match the query, in all (and of one segment for each path of the query); of one
#: segment for each word; and of rows taken of each such file.
_MOST_CALLED, _MOST_CALLED_ALIKE, _ROWS_OF_CALLED = 24, 200, 30


def retrieve_candidates(
    snapshot: Snapshot, query: Query, vectors: QueryVectors, candidate_sources: Mapping[str, CandidateSource]
) -> NDArray[np.int64] | None:
    """Returns rows of the snapshot's scope, ascending: rows that the indices find, and all rows of other views.

    The other views are those that the indices do not cover. Returns None, which stands for all rows, if the query has
    no text, if there are no indices, or if a folder's candidates are not available.
    """
    if not query.text or not any(view.indexed and view.folder in candidate_sources for view in snapshot.views):
        return None
    scope = scope_of(snapshot, Filters())
    words = list(dict.fromkeys(term for concept in query.concepts for term, _ in concept.terms))
    found: dict[str, _Found] = {}
    called = _called(scope.views, query)
    chosen: list[NDArray[np.int64]] = []
    for view, first in zip(scope.views, scope.first_rows, strict=False):
        if not view.indexed or view.folder not in candidate_sources:
            chosen.append(np.arange(first, first + len(view.segment)))
            continue
        if view.folder not in found:
            candidates = candidate_sources[view.folder].candidates(vectors.get(view.segment.model), words)
            if candidates is None:
                return None
            found[view.folder] = _Found.of(candidates)
        chosen.append(_rows(view, query, found[view.folder], called.get(id(view), ())) + first)
    return np.concatenate(chosen)


@dataclass(frozen=True, slots=True)
class _Found:
    """The candidates of a folder."""

    chunks: ChunkRefs
    #: Paths of the files with the most candidates, because the best row of such a file may be one that no index finds.
    likeliest: frozenset[str]

    @staticmethod
    def of(chunks: ChunkRefs) -> _Found:
        order = sorted(chunks, key=lambda path: (-len(chunks[path]), path))
        return _Found(chunks, frozenset(order[:_MOST_WHOLE]))


def _rows(view: View, query: Query, found: _Found, called: Sequence[int]) -> NDArray[np.int64]:
    segment, files = view.segment, table(view.segment).by_path
    chosen: list[int] = []
    ranges: list[range] = []
    for path, ordinals in found.chunks.items():
        file = files.get(path)
        if file is None:
            continue
        own = segment.rows_of(file)
        if path in found.likeliest and len(own) <= _MOST_ROWS_OF_WHOLE:
            ranges.append(own)
        else:
            chosen += [own.start + ordinal for ordinal in ordinals if ordinal < len(own)]
    for name in query.identifiers:
        chosen += segment.definitions.of(name.lower())[0][:_MOST_DEFINITIONS].tolist()
    ranges += [segment.rows_of(file)[:_ROWS_OF_CALLED] for file in (*called, *_filed(segment, query))]
    bounds = np.array([(each.start, each.stop) for each in ranges], np.int64).reshape(-1, 2)
    return np.unique(np.concatenate([np.array(chosen, np.int64), places_of(*bounds.T)[0]]))


def _called(views: Sequence[View], query: Query) -> Mapping[int, list[int]]:
    """Returns the files whose names cover most of the query, by the ``id`` of their view."""
    best: list[tuple[float, int, int]] = []
    for view in views:
        if not view.indexed:
            continue
        said: dict[int, float] = {}
        for concept in query.concepts:
            for term, weight in concept.terms:
                files, _ = view.segment.stems.of(term)
                worth = weight * concept.weight * idf(len(files), len(view.segment.files))
                for file in files[:_MOST_CALLED_ALIKE].tolist():
                    said[file] = said.get(file, 0.0) + worth
        best += [(-worth, id(view), file) for file, worth in said.items()]
    chosen: dict[int, list[int]] = {}
    for _, owner, file in sorted(best)[:_MOST_CALLED]:
        chosen.setdefault(owner, []).append(file)
    return chosen


def _filed(segment: MemorySegment, query: Query) -> Iterable[int]:
    """Yields the files of a segment that the query names."""
    for path in query.files:
        yield from segment.file_names.of(path.rsplit("/", 1)[-1])[0][:_MOST_CALLED].tolist()
