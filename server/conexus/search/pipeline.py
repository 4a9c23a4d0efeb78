"""Ranks the chunks of a snapshot for a query, best first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from conexus.chunking.chunk import KINDS
from conexus.embedding.late_interaction import QueryTokens
from conexus.search import reasons
from conexus.search.bm25 import Scores
from conexus.search.features import MEMBERS, Candidates, features
from conexus.search.query import Query
from conexus.search.query_expansion import expand_query
from conexus.search.query_intent import topic_share
from conexus.search.ranker import DEFAULT as RANKER
from conexus.search.ranker import Ranker
from conexus.search.scope import Scope, scope_of
from conexus.search.segment_facts import table
from conexus.search.signals import QueryVectors, Signals, make_exact, signals
from conexus.search.weights import DEFAULT, SignalWeights, Weights
from conexus.segments.roles import Role
from conexus.segments.segment import own_name
from conexus.segments.snapshot import FileKey, RowRef, Snapshot
from conexus.segments.vectors import FEW_ROWS
from conexus.values import Filters

_NO_FILES: frozenset[FileKey] = frozenset()
#: Number of candidates: the best rows by the signals alone, which are then ranked; more for a larger answer.
CANDIDATES = 150
#: Where cosines are approximate: number of the best rows whose cosines are made exact before candidates are chosen.
WIDE = 1000
#: ``_reached`` bounds the k-th best score from the maxima of 4·k groups, which avoids a full partition.
_GROUPS_FOR_EACH = 4
#: Maximum number of rows with a word for which the word alone identifies the wanted rows.
_MOST_STANDING = 5
#: Factor for a definition outside the file of its name.
_ELSEWHERE = np.float32(0.8)
#: Distance to the best score at which a hit has a shown score of 1 / e.
_TEMPERATURE = np.float32(3.0)
_TEXT = KINDS.index("text")
_COST_NAMES = tuple(str(role.name).lower() for role in Role)


@dataclass(frozen=True, slots=True)
class Ranked:
    """One ranked chunk, with its score (0..1, comparable within one answer) and the reasons, in words."""

    ref: RowRef
    score: float
    reasons: tuple[str, ...]


def prepare(snapshot: Snapshot, *, complete: bool) -> None:
    """Derives data from the snapshot's segments, for which the first search would otherwise wait.

    Float32 vectors take much memory. They are derived if the snapshot has few rows, else only for small segments of a
    ``complete`` index, because until then there may be many small segments.
    """
    few = sum(len(view.segment) for view in snapshot.views) < FEW_ROWS
    for view in snapshot.views:
        if few or (complete and view.segment.dense.exact):
            view.segment.dense.prepare()
        table(view.segment)


def search(
    snapshot: Snapshot,
    query: Query,
    *,
    vectors: QueryVectors,
    tokens: QueryTokens | None = None,
    filters: Filters | None = None,
    rows: NDArray[np.int64] | None = None,
    near: FileKey | None = None,
    open_files: frozenset[FileKey] = _NO_FILES,
    limit: int = 20,
    check: Callable[[], None] = lambda: None,
    weights: Weights = DEFAULT,
    ranker: Ranker | None = RANKER,
) -> list[Ranked]:
    """Returns the best chunks, best first, each once.

    ``vectors`` has the query's vector for each model that can answer; a view with another model is searched by
    words alone. ``tokens`` are the query's tokens of the shipped model. ``rows`` are the only rows that may answer,
    as the scope numbers them, ascending (None: all rows). ``near`` is the file that the user is viewing.
    ``check`` is called between stages and raises if the request was cancelled. Raises BadQuery if a filter's value
    means nothing.
    """
    scope = scope_of(snapshot, filters or Filters(), query.operators)
    if rows is not None:
        scope = replace(scope, chosen=rows)
    check()
    if not query.text:
        return _listed(scope, limit)
    chosen = candidates(scope, query, vectors, max(CANDIDATES, 2 * limit), weights, check)
    check()
    scores = chosen.totals if ranker is None else ranker.scores(features(chosen, tokens))
    check()
    scores = scores + np.float32(weights.named) * _named(chosen) + np.float32(weights.wanted) * _wanted(chosen)
    scores += _nearness(scope, chosen.rows, near, open_files, weights)
    order, scores = diversified(scores, scope.file_of[chosen.rows], saturation(chosen.query, weights))
    best_first = chosen.rows[order][:limit]
    mix = weights.symbol if query.symbol_like else weights.prose
    why = reasons.of_rows(scope, chosen.found, best_first, mix, chosen.query.corrected)
    return [
        Ranked(scope.ref(int(row)), score, reason)
        for row, score, reason in zip(best_first, between_0_and_1(scores[order][:limit]).tolist(), why, strict=True)
    ]


def candidates(
    scope: Scope,
    query: Query,
    vectors: QueryVectors,
    count: int,
    weights: Weights = DEFAULT,
    check: Callable[[], None] = lambda: None,
) -> Candidates:
    """Returns the best ``count`` rows by the weighted sum of their signals less the penalties."""
    query = expand_query(query, scope.views)
    found = signals(scope, query, vectors, weights, check)
    check()
    mix = weights.symbol if query.symbol_like else weights.prose
    lost = penalties(scope, query, weights)
    rows, totals = best(scope, found, mix, lost, answering(scope, found), count, vectors)
    return Candidates(scope, query, found, rows, totals, unasked_roles(query))


def best(
    scope: Scope,
    found: Signals,
    mix: SignalWeights,
    lost: Scores,
    answers: NDArray[np.bool_],
    count: int,
    vectors: QueryVectors,
    tiers: Scores | None = None,
) -> tuple[NDArray[np.int64], Scores]:
    """Returns the best ``count`` rows of ``answers``, best first, and their totals: the weighted sum less ``lost``.

    Sums are scaled so that the best is 1 for every query, so a penalty is a share of the best sum. Where cosines are
    approximate, the cosines of the best rows to ``vectors`` are made exact. If ``tiers`` are given, a row with a higher
    tier is better than any row with a lower tier.
    """
    if scope.chosen is not None:
        rows = scope.chosen[answers[scope.chosen]]
        sums = found.total_of(mix, rows, scope.file_of[rows])
        totals = sums * _share(sums) - lost[rows]
        rows = rows[best_rows(totals, np.ones(len(rows), np.bool_), max(WIDE, 2 * count))]
    else:
        sums = found.total(mix)
        totals = sums * _share(sums if answers.all() else sums[answers])
        totals -= lost
        if not len(totals):
            return np.empty(0, np.int64), totals
        ordered = totals if tiers is None else totals + (np.ptp(totals) + 1) * tiers
        if found.exact:
            rows = best_rows(ordered, answers, count)
            return rows, totals[rows]
        rows = best_rows(ordered, answers, max(WIDE, 2 * count))
    make_exact(scope, found, vectors, rows)
    sums = found.total_of(mix, rows, scope.file_of[rows])
    totals = sums * _share(sums) - lost[rows]
    order = np.lexsort((rows, -totals) if tiers is None else (rows, -totals, -tiers[rows]))[:count]
    return rows[order], totals[order]


def answering(scope: Scope, found: Signals) -> NDArray[np.bool_]:
    """Returns the mask of the rows that the scope allows and that any signal supports, shape (rows,)."""
    if not found.dense.silent:
        return scope.allowed
    answers: NDArray[np.bool_] = scope.allowed & (found.filed.values > 0)[scope.file_of]
    for word in found.found:
        answers[word.rows] = scope.allowed[word.rows]
    return answers


def _listed(scope: Scope, limit: int) -> list[Ranked]:
    """Returns the rows that the operators alone choose: definitions first, code before tests, in the files' order."""
    rows = np.flatnonzero(scope.allowed)
    later = (scope.kinds[rows] == _TEXT) * 2 + (scope.parts[rows] > 0) * 4 + (scope.roles[rows] != 0)
    chosen = rows[np.argsort(later, kind="stable")][:limit]
    return [Ranked(scope.ref(int(row)), 1.0 - place / (2 * limit), ("filter",)) for place, row in enumerate(chosen)]


def _share(sums: Scores) -> np.float32:
    highest = float(sums.max(initial=0.0))
    return np.float32(1 / highest) if highest > 0 else np.float32(1)


def penalties(scope: Scope, query: Query, weights: Weights) -> Scores:
    """Returns the penalty of each row for its file's roles, its kind and its piece; shape (rows,).

    Roles that the query asks for cost nothing.
    """
    costs = np.array([getattr(weights, name) for name in _COST_NAMES], np.float32) * unasked_roles(query)
    return scope.once(("penalties", costs.tobytes(), weights.text, weights.piece), lambda: _lost(scope, costs, weights))


def _lost(scope: Scope, costs: NDArray[np.float32], weights: Weights) -> Scores:
    lost: Scores = np.matmul(costs, MEMBERS)[scope.roles]
    lost += np.float32(weights.text) * (scope.kinds == _TEXT)
    lost += np.float32(weights.piece) * (scope.parts > 0)
    return lost


def unasked_roles(query: Query) -> NDArray[np.float32]:
    """Returns 1 for each role that the query does not ask for, 0 for the others; shape (roles,)."""
    asked = {
        Role.TEST: query.about_tests or query.operators.tests == "only",
        Role.EXAMPLE: query.about_examples,
        Role.DOCUMENT: query.about_documents,
    }
    return np.array([not asked.get(role, False) for role in Role], np.float32)


def best_rows(totals: Scores, allowed: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """Returns the ``count`` allowed rows with the highest totals, best first.

    Rows with equal totals are in the order of their numbers, so that answers do not vary.
    """
    if allowed.all():
        rows = (totals >= _reached(totals, count)).nonzero()[0]
    else:
        rows = (allowed & (totals >= _reached(np.where(allowed, totals, -np.inf), count))).nonzero()[0]
    chosen: NDArray[np.int64] = rows[np.argsort(-totals[rows], kind="stable")[:count]]
    return chosen


def _reached(values: Scores, count: int) -> float:
    """Returns a number that at least ``count`` values reach, and not many more; -inf if there are no more than that."""
    if len(values) <= count:
        return -np.inf
    # Only the maxima of groups are compared, because a selection among all values would take longer than all else here.
    depth = max(len(values) // (_GROUPS_FOR_EACH * count), 1)
    groups = len(values) // depth
    highest = values[: depth * groups].reshape(depth, groups).max(axis=0)
    return float(np.partition(highest, groups - count)[groups - count])


def _named(chosen: Candidates) -> Scores:
    """Returns 0..1 for each candidate: whether the query calls it, or its file, by its name. Shape (candidates,).

    This is not left to the ranker, because it is rare in the training data and no matter of degree.
    """
    scope, rows = chosen.scope, chosen.rows
    named = chosen.found.filed[scope.file_of[rows]]
    if not chosen.query.symbol_like:
        return named
    defined = chosen.found.defined[rows]
    for place in np.flatnonzero(defined).tolist():
        ref = scope.ref(int(rows[place]))
        # Of several definitions of one name, people mean the definition in the file of this name.
        name = own_name(ref.view.segment.symbols[ref.row])
        if PurePosixPath(ref.path).stem.lower() != name.lower():
            defined[place] *= _ELSEWHERE
    return np.maximum(np.maximum(named, defined), _standing(chosen))


def _standing(chosen: Candidates) -> Scores:
    """Returns 1 for candidates that have the one word of the query if hardly any other row has it, else 0.

    A rare word alone identifies the wanted rows. Shape (candidates,).
    """
    standing = np.zeros(len(chosen.rows), np.float32)
    words = {concept.word for concept in chosen.query.concepts if concept.weight == 1}
    # Concept 0 is the whole word; its parts are later concepts.
    found = [word.rows for word in chosen.found.found if word.concept == 0 and len(words) == 1]
    rows = np.unique(np.concatenate(found)) if found else np.empty(0, np.int32)
    if 0 < len(rows) <= _MOST_STANDING:
        standing[reasons.among(chosen.rows, rows)] = 1
    return standing


def _wanted(chosen: Candidates) -> Scores:
    """Returns 1 for candidates of a role that the query wants (``tests for the parser``), else 0."""
    wanted = Role.TEST * chosen.query.wants_tests | Role.EXAMPLE * chosen.query.wants_examples
    return ((chosen.scope.roles[chosen.rows] & np.uint8(wanted)) > 0).astype(np.float32)


def _nearness(
    scope: Scope,
    rows: NDArray[np.int64],
    near: FileKey | None,
    open_files: frozenset[FileKey],
    weights: Weights,
) -> Scores:
    given = np.zeros(len(rows), np.float32)
    if near is None and not open_files:
        return given
    of_file: dict[int, float] = {}
    for place, row in enumerate(rows.tolist()):
        file = int(scope.file_of[row])
        if file not in of_file:
            number = scope.view_of(row)
            view = scope.views[number]
            key = (view.folder, view.segment.files[file - scope.first_files[number]].path)
            of_file[file] = weights.opened * (key in open_files) + weights.near * closeness(key, near)
        given[place] = of_file[file]
    return given


def closeness(one: FileKey, other: FileKey | None) -> float:
    """Returns the closeness (0..1) of two files: 1 in one directory, less for files farther apart.

    It is 0 for files without a common workspace folder, and if ``other`` is None.
    """
    if other is None or one[0] != other[0]:
        return 0.0
    ours, theirs = one[1].split("/")[:-1], other[1].split("/")[:-1]
    common = 0
    for left, right in zip(ours, theirs, strict=False):
        if left != right:
            break
        common += 1
    return (1 + common) / (1 + max(len(ours), len(theirs)))


def saturation(query: Query, weights: Weights) -> float:
    """Returns the factor of what each further chunk of a file loses.

    It is greater if the query asks for a topic, because several files may have the topic.
    """
    if query.symbol_like:
        return weights.saturation_of_name
    share = topic_share(query, weights.topic)
    return weights.saturation_of_place + share * (weights.saturation_of_topic - weights.saturation_of_place)


def diversified(scores: Scores, files: NDArray[np.int32], loss: float) -> tuple[NDArray[np.int64], Scores]:
    """Returns the order of the candidates, best first, and their scores after further chunks of one file lost some.

    The n-th chunk of a file loses ``loss`` times the logarithm of n.
    """
    if not len(scores):
        return np.empty(0, np.int64), scores
    order = np.argsort(-scores, kind="stable")
    scores = scores.copy()
    scores[order] -= np.float32(loss) * np.log1p(_earlier(files[order]))
    return np.argsort(-scores, kind="stable"), scores


def _earlier(owners: NDArray[np.int32]) -> NDArray[np.float32]:
    """Returns, for each place, how many places before it have the same owner."""
    grouped = owners.argsort(kind="stable")
    ordered = owners[grouped]
    counts = np.empty(len(owners), np.float32)
    counts[grouped] = np.arange(len(owners)) - ordered.searchsorted(ordered)
    return counts


def between_0_and_1(scores: Scores) -> Scores:
    """Maps scores, best first, to the scores that the user sees: 1 for the best, less with the distance to it.

    The order is kept.
    """
    if not len(scores):
        return scores
    falling: Scores = np.exp((np.minimum.accumulate(scores) - scores[0]) / _TEMPERATURE)
    return falling
