"""Chooses the rows that are ranked: first by the indices of a large index, then the best rows by their signals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.ragged import concatenated_ranges
from conexus.chunking.chunk import KINDS
from conexus.search.bm25 import Scores, idf
from conexus.search.query import Query
from conexus.search.query_vectors import QueryVectors
from conexus.search.scope import Scope
from conexus.search.segment_facts import facts_of
from conexus.search.signals import Signals, compute_signals, make_exact
from conexus.search.weights import SHIPPED_WEIGHTS, SignalWeights, Weights
from conexus.segments.roles import Role
from conexus.segments.segment import MemorySegment
from conexus.segments.snapshot import CandidateSource, ChunkRefs, View

#: Number of candidates: the best rows by the signals alone, which are then ranked; more for a larger answer.
CANDIDATES = 150
#: Where cosines are approximate: number of the best rows whose cosines are made exact before candidates are selected.
RESCORED = 1000
#: ``_lower_bound`` bounds the k-th best score from the maxima of 4·k groups, which avoids a full partition.
_GROUPS_PER_ROW = 4
_TEXT = KINDS.index("text")
#: Decimals of a score that are compared. Where a row is in its segment changes the seventh one of a vector's product.
DECIMALS = 4
_ROLE_PENALTIES = tuple(str(role.name).lower() for role in Role)
#: 1 for each role that a set of roles contains, shape (roles, sets of roles).
ROLES_OF_SETS: NDArray[np.float32] = ((np.arange(1 << len(Role)) >> np.arange(len(Role))[:, None]) & 1).astype(
    np.float32
)

#: Maximum number of rows taken of one segment for each name of the query that they define.
_MAX_DEFINITIONS = 20
#: Number of likeliest files whose rows all become candidates, and the maximum number of rows of such a file.
_MAX_WHOLE_FILES, _MAX_ROWS_OF_WHOLE_FILE = 250, 200
#: Maximum number of files whose names match the query, in all (and of one segment for each path of the query); of one
#: segment for each word; and of rows taken of each such file.
_MAX_MATCHING_FILES, _MAX_MATCHING_FILES_PER_WORD, _MAX_ROWS_OF_MATCHING_FILE = 24, 200, 30


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The rows of a scope that are ranked, best first by the totals that selected them."""

    scope: Scope
    query: Query
    signals: Signals
    #: The rows, as the scope numbers them, each once; shape (candidates,).
    rows: NDArray[np.int64]
    #: Weighted sum of the signals, scaled so that the best sum is 1 for every query, less the penalties: at most 1, and
    #: below 0 for unlikely rows; descending, shape (candidates,).
    totals: Scores
    #: 1 for each role that the query does not ask for, 0 for the others; shape (roles,).
    unasked_roles: NDArray[np.float32]


# --- candidates of an index that is too large to score every row ---


def retrieve_candidates(
    scope: Scope, query: Query, vectors: QueryVectors, sources: Mapping[str, CandidateSource]
) -> NDArray[np.int64] | None:
    """Returns rows of the scope, ascending: rows that the folders' candidate sources find, and rows of other views.

    The other views, all of whose rows are returned, are those that the indices do not cover. Returns None, which stands
    for all rows, if there are no indices, or if a folder's candidates are not available.
    """
    if not any(view.indexed and view.folder in sources for view in scope.views):
        return None
    words = list(dict.fromkeys(term for concept in query.concepts for term, _ in concept.terms))
    by_folder: dict[str, _Retrieved] = {}
    matching_files = _files_by_name(scope.views, query)
    rows: list[NDArray[np.int64]] = []
    for view, first in zip(scope.views, scope.first_rows, strict=False):
        if not view.indexed or view.folder not in sources:
            rows.append(np.arange(first, first + len(view.segment)))
            continue
        if view.folder not in by_folder:
            chunks = sources[view.folder].candidates(vectors.get(view.segment.model), words)
            if chunks is None:
                return None
            by_folder[view.folder] = _Retrieved.from_chunks(chunks)
        rows.append(_rows_of_view(view, query, by_folder[view.folder], matching_files.get(id(view), ())) + first)
    return np.concatenate(rows)


@dataclass(frozen=True, slots=True)
class _Retrieved:
    """The candidates of a folder."""

    chunks: ChunkRefs
    #: Paths of the files with the most candidates, because the best row of such a file may be one that no index finds.
    likeliest_files: frozenset[str]

    @staticmethod
    def from_chunks(chunks: ChunkRefs) -> _Retrieved:
        order = sorted(chunks, key=lambda path: (-len(chunks[path]), path))
        return _Retrieved(chunks, frozenset(order[:_MAX_WHOLE_FILES]))


def _rows_of_view(view: View, query: Query, retrieved: _Retrieved, matching_files: Sequence[int]) -> NDArray[np.int64]:
    segment, files = view.segment, facts_of(view.segment).by_path
    rows: list[int] = []
    ranges: list[range] = []
    for path, ordinals in retrieved.chunks.items():
        file = files.get(path)
        if file is None:
            continue
        own = segment.file_rows(file)
        if path in retrieved.likeliest_files and len(own) <= _MAX_ROWS_OF_WHOLE_FILE:
            ranges.append(own)
        else:
            rows += [own.start + ordinal for ordinal in ordinals if ordinal < len(own)]
    for name in query.identifiers:
        rows += segment.definitions.rows_with(name.lower())[0][:_MAX_DEFINITIONS].tolist()
    ranges += [
        segment.file_rows(file)[:_MAX_ROWS_OF_MATCHING_FILE]
        for file in (*matching_files, *_named_files(segment, query))
    ]
    bounds = np.array([(each.start, each.stop) for each in ranges], np.int64).reshape(-1, 2)
    return np.unique(np.concatenate([np.array(rows, np.int64), concatenated_ranges(*bounds.T)[0]]))


def _files_by_name(views: Sequence[View], query: Query) -> Mapping[int, list[int]]:
    """Returns the files whose names cover most of the query, by the ``id`` of their view."""
    files_by_weight: list[tuple[float, int, int]] = []
    for view in views:
        if not view.indexed:
            continue
        weight_of_file: dict[int, float] = {}
        for concept in query.concepts:
            for term, weight in concept.terms:
                files, _ = view.segment.stems.rows_with(term)
                rarity = weight * concept.weight * idf(len(files), len(view.segment.files))
                for file in files[:_MAX_MATCHING_FILES_PER_WORD].tolist():
                    weight_of_file[file] = weight_of_file.get(file, 0.0) + rarity
        files_by_weight += [(-weight, id(view), file) for file, weight in weight_of_file.items()]
    by_view: dict[int, list[int]] = {}
    for _, view_id, file in sorted(files_by_weight)[:_MAX_MATCHING_FILES]:
        by_view.setdefault(view_id, []).append(file)
    return by_view


def _named_files(segment: MemorySegment, query: Query) -> Iterable[int]:
    """Yields the files of a segment that the query names."""
    for path in query.files:
        yield from segment.file_names.rows_with(path.rsplit("/", 1)[-1])[0][:_MAX_MATCHING_FILES].tolist()


# --- the best rows by their signals ---


def select_candidates(
    scope: Scope,
    query: Query,
    vectors: QueryVectors,
    count: int = CANDIDATES,
    weights: Weights = SHIPPED_WEIGHTS,
    check: Callable[[], None] = lambda: None,
) -> Candidates:
    """Returns the best ``count`` rows by the weighted sum of their signals less the penalties.

    ``query`` must be expanded. ``check`` is called between steps and raises if the request was cancelled.
    """
    signals = compute_signals(scope, query, vectors, weights, check)
    check()
    penalty = penalties(scope, query, weights)
    mix = weights.mix(symbol_like=query.symbol_like)
    rows, totals = select_rows(scope, signals, mix, penalty, supported_rows(scope, signals), count, vectors)
    return Candidates(scope, query, signals, rows, totals, unasked_roles(query))


def select_rows(
    scope: Scope,
    signals: Signals,
    mix: SignalWeights,
    penalty: Scores,
    eligible: NDArray[np.bool_],
    count: int,
    vectors: QueryVectors,
    rank_classes: Scores | None = None,
) -> tuple[NDArray[np.int64], Scores]:
    """Returns the best ``count`` of the eligible rows, best first, and their totals; both of shape (selected rows,).

    A total is the weighted sum of the row's signals less its ``penalty``. Sums are scaled so that the best is 1 for
    every query, so a penalty is a share of the best sum. Where cosines are approximate, the cosines of the best rows to
    ``vectors`` are made exact. If ``rank_classes`` are given, a row of a higher class is better than any row of a lower
    class. ``penalty``, ``eligible`` and ``rank_classes`` have shape (rows,).
    """
    if scope.candidates is not None:
        rows = scope.candidates[eligible[scope.candidates]]
        sums = signals.total_of(mix, rows, scope.file_of[rows])
        totals = sums * _scale_of(sums) - penalty[rows]
        rows = rows[best_rows(totals, np.ones(len(rows), np.bool_), max(RESCORED, 2 * count), rows.take)]
    else:
        sums = signals.total(mix)
        totals = sums * _scale_of(sums if eligible.all() else sums[eligible])
        totals -= penalty
        if not len(totals):
            return np.empty(0, np.int64), totals
        ordered = totals if rank_classes is None else totals + (np.ptp(totals) + 1) * rank_classes
        if signals.exact:
            rows = best_rows(ordered, eligible, count, scope.places)
            return rows, totals[rows]
        rows = best_rows(ordered, eligible, max(RESCORED, 2 * count), np.asarray)
    make_exact(scope, signals, vectors, rows)
    sums = signals.total_of(mix, rows, scope.file_of[rows])
    totals = sums * _scale_of(sums) - penalty[rows]
    keys = scope.places(rows), -np.round(totals, DECIMALS)
    order = np.lexsort(keys if rank_classes is None else (*keys, -rank_classes[rows]))[:count]
    return rows[order], totals[order]


def _scale_of(sums: Scores) -> np.float32:
    """Returns the factor that makes the highest sum 1; 1 if no sum is positive."""
    highest = float(sums.max(initial=0.0))
    return np.float32(1 / highest) if highest > 0 else np.float32(1)


def supported_rows(scope: Scope, signals: Signals) -> NDArray[np.bool_]:
    """Returns the mask of the rows that pass the filters and that any signal supports, shape (rows,)."""
    if not signals.dense.is_zero:
        return scope.filter_mask
    mask: NDArray[np.bool_] = scope.filter_mask & (signals.file_named.values > 0)[scope.file_of]
    for word in signals.found_words:
        mask[word.rows] = scope.filter_mask[word.rows]
    return mask


def penalties(scope: Scope, query: Query, weights: Weights) -> Scores:
    """Returns the penalty of each row for its file's roles, its kind and its piece; 0 or more, shape (rows,).

    Roles that the query asks for cost nothing.
    """
    of_roles = np.array([getattr(weights, name) for name in _ROLE_PENALTIES], np.float32) * unasked_roles(query)
    key = ("penalties", of_roles.tobytes(), weights.text, weights.piece)
    return scope.memoized(key, lambda: _penalties(scope, of_roles, weights))


def _penalties(scope: Scope, of_roles: NDArray[np.float32], weights: Weights) -> Scores:
    penalty: Scores = np.matmul(of_roles, ROLES_OF_SETS)[scope.roles]
    penalty += np.float32(weights.text) * (scope.kinds == _TEXT)
    penalty += np.float32(weights.piece) * (scope.parts > 0)
    return penalty


def unasked_roles(query: Query) -> NDArray[np.float32]:
    """Returns 1 for each role that the query does not ask for, 0 for the others; shape (roles,)."""
    asked = {
        Role.TEST: query.about_tests or query.operators.tests == "only",
        Role.EXAMPLE: query.about_examples,
        Role.DOCUMENT: query.about_documents,
    }
    return np.array([not asked.get(role, False) for role in Role], np.float32)


def best_rows(
    totals: Scores,
    eligible: NDArray[np.bool_],
    count: int,
    places: Callable[[NDArray[np.int64]], NDArray[np.integer]],
) -> NDArray[np.int64]:
    """Returns the ``count`` eligible rows with the highest totals, best first.

    Rows whose totals agree in ``DECIMALS`` are in the order of their ``places``, so that answers do not vary.
    """
    values = totals if eligible.all() else np.where(eligible, totals, -np.inf)
    lowest = _lower_bound(values, count) - 10.0**-DECIMALS
    rows = (eligible & (values >= lowest)).nonzero()[0]
    rounded = np.round(totals[rows], DECIMALS)
    if len(rows) > count:
        reached = rounded >= np.partition(rounded, len(rows) - count)[len(rows) - count]
        rows, rounded = rows[reached], rounded[reached]
    best: NDArray[np.int64] = rows[np.lexsort((places(rows), -rounded))[:count]]
    return best


def _lower_bound(values: Scores, count: int) -> float:
    """Returns a number that at least ``count`` values reach, and not many more; -inf if there are no more than that."""
    if len(values) <= count:
        return -np.inf
    # Only the maxima of groups are compared, because a selection among all values would take longer than all else here.
    depth = max(len(values) // (_GROUPS_PER_ROW * count), 1)
    groups = len(values) // depth
    highest = values[: depth * groups].reshape(depth, groups).max(axis=0)
    return float(np.partition(highest, groups - count)[groups - count])
