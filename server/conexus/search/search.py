"""Query -> the best chunks of a snapshot, best first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from conexus.chunking.chunk import KINDS
from conexus.embedding.late import QueryTokens
from conexus.index.dense import FEW_ROWS
from conexus.index.roles import Role
from conexus.index.segment import own_name
from conexus.index.snapshot import RowRef, Snapshot
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
from conexus.values import Filters

#: A file: absolute path of its folder, path relative to it.
FileKey = tuple[str, str]
_NO_FILES: frozenset[FileKey] = frozenset()
#: So many of the best rows by signals alone are ranked; more, if a larger answer is asked for.
CANDIDATES = 150
#: Where likenesses are approximate, so many are looked at exactly before.
WIDE = 1000
#: So many groups of rows for each candidate tell how good one must be.
_GROUPS_FOR_EACH = 4
#: A word in no more rows than these says which ones are meant.
_MOST_STANDING = 5
#: What a definition counts outside the file of its name.
_ELSEWHERE = np.float32(0.8)
#: A hit that is so much worse than the best has a shown score of 1 / e.
_TEMPERATURE = np.float32(3.0)
_TEXT = KINDS.index("text")
_COST_NAMES = tuple(str(role.name).lower() for role in Role)


@dataclass(frozen=True, slots=True)
class Ranked:
    """One answer: a chunk, how good it is (0..1, comparable within one answer) and why, in words."""

    ref: RowRef
    score: float
    reasons: tuple[str, ...]


def prepare(snapshot: Snapshot, *, complete: bool) -> None:
    """Derive from the snapshot's segments what the first search would otherwise wait for.

    Not what takes much memory: until they are ``complete`` there may be many small ones.
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
    """The best chunks, best first, each once.

    ``vectors`` has the query's vector for each model that can answer; a view with another model is searched by
    words alone. ``tokens`` are the query's for the shipped model. ``rows`` are the only ones that may answer, as the
    scope numbers them, ascending (None: any). ``near`` is the file that the user looks at.
    ``check`` is called between stages and raises if the request was cancelled. ``BadQuery`` if a filter's value
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
    """The best rows by the sum of their signals."""
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
    """The best of the rows that are ``answers``, best first, and their totals: the weighted sum less what is ``lost``.

    Sums are scaled so that the best has 1, whatever the query: what priors take off is a share of that. Where
    likenesses are approximate, those of the best to ``vectors`` are made exact. Of different ``tiers``, if given, the
    row with the higher one is better in any case.
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
    """Rows that the scope allows and that any signal speaks for."""
    if not found.dense.silent:
        return scope.allowed
    answers: NDArray[np.bool_] = scope.allowed & (found.filed.values > 0)[scope.file_of]
    for word in found.found:
        answers[word.rows] = scope.allowed[word.rows]
    return answers


def _listed(scope: Scope, limit: int) -> list[Ranked]:
    """What the operators alone choose: definitions first, code before tests, in the order of the files."""
    rows = np.flatnonzero(scope.allowed)
    later = (scope.kinds[rows] == _TEXT) * 2 + (scope.parts[rows] > 0) * 4 + (scope.roles[rows] != 0)
    chosen = rows[np.argsort(later, kind="stable")][:limit]
    return [Ranked(scope.ref(int(row)), 1.0 - place / (2 * limit), ("filter",)) for place, row in enumerate(chosen)]


def _share(sums: Scores) -> np.float32:
    highest = float(sums.max(initial=0.0))
    return np.float32(1 / highest) if highest > 0 else np.float32(1)


def penalties(scope: Scope, query: Query, weights: Weights) -> Scores:
    """What each row loses for its file's roles, except those that the query asks for; shape (rows,)."""
    costs = np.array([getattr(weights, name) for name in _COST_NAMES], np.float32) * unasked_roles(query)
    return scope.once(("penalties", costs.tobytes(), weights.text, weights.piece), lambda: _lost(scope, costs, weights))


def _lost(scope: Scope, costs: NDArray[np.float32], weights: Weights) -> Scores:
    lost: Scores = np.matmul(costs, MEMBERS)[scope.roles]
    lost += np.float32(weights.text) * (scope.kinds == _TEXT)
    lost += np.float32(weights.piece) * (scope.parts > 0)
    return lost


def unasked_roles(query: Query) -> NDArray[np.float32]:
    """1 for each role that the query does not ask for, 0 for those it does; shape (roles,)."""
    asked = {
        Role.TEST: query.about_tests or query.operators.tests == "only",
        Role.EXAMPLE: query.about_examples,
        Role.DOCUMENT: query.about_documents,
    }
    return np.array([not asked.get(role, False) for role in Role], np.float32)


def best_rows(totals: Scores, allowed: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """The allowed rows with the highest totals, best first; ties by row, so that answers do not vary."""
    if allowed.all():
        rows = (totals >= _reached(totals, count)).nonzero()[0]
    else:
        rows = (allowed & (totals >= _reached(np.where(allowed, totals, -np.inf), count))).nonzero()[0]
    chosen: NDArray[np.int64] = rows[np.argsort(-totals[rows], kind="stable")[:count]]
    return chosen


def _reached(values: Scores, count: int) -> float:
    """A number that at least ``count`` of the values reach, and not many more; -inf if there are not so many."""
    if len(values) <= count:
        return -np.inf
    # The maxima of some groups are looked at alone: selecting among all values takes longer than all else here.
    depth = max(len(values) // (_GROUPS_FOR_EACH * count), 1)
    groups = len(values) // depth
    highest = values[: depth * groups].reshape(depth, groups).max(axis=0)
    return float(np.partition(highest, groups - count)[groups - count])


def _named(chosen: Candidates) -> Scores:
    """0..1: what the query calls by its name. Rare in what the ranker learned from, and no matter of degree."""
    scope, rows = chosen.scope, chosen.rows
    named = chosen.found.filed[scope.file_of[rows]]
    if not chosen.query.symbol_like:
        return named
    defined = chosen.found.defined[rows]
    for place in np.flatnonzero(defined).tolist():
        ref = scope.ref(int(rows[place]))
        # Of several definitions of one name, that in the file of this name is the one that people mean.
        name = own_name(ref.view.segment.symbols[ref.row])
        if PurePosixPath(ref.path).stem.lower() != name.lower():
            defined[place] *= _ELSEWHERE
    return np.maximum(np.maximum(named, defined), _standing(chosen))


def _standing(chosen: Candidates) -> Scores:
    """1 for rows that have the one word of the query, if hardly any others have it: it stands for itself."""
    standing = np.zeros(len(chosen.rows), np.float32)
    words = {concept.word for concept in chosen.query.concepts if concept.weight == 1}
    # The whole word comes before its parts.
    found = [word.rows for word in chosen.found.found if word.concept == 0 and len(words) == 1]
    rows = np.unique(np.concatenate(found)) if found else np.empty(0, np.int32)
    if 0 < len(rows) <= _MOST_STANDING:
        standing[reasons.among(chosen.rows, rows)] = 1
    return standing


def _wanted(chosen: Candidates) -> Scores:
    """1 for rows of a role that the query wants: ``tests for the parser``."""
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
    """1 for files of one folder of the tree, less for those farther apart, 0 without a common folder."""
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
    """What each further chunk of a file loses: more where a topic is asked for, which several files may have."""
    if query.symbol_like:
        return weights.saturation_of_name
    share = topic_share(query, weights.topic)
    return weights.saturation_of_place + share * (weights.saturation_of_topic - weights.saturation_of_place)


def diversified(scores: Scores, files: NDArray[np.int32], loss: float) -> tuple[NDArray[np.int64], Scores]:
    """The order of candidates, best first, and their scores, of which each further chunk of one file loses."""
    if not len(scores):
        return np.empty(0, np.int64), scores
    order = np.argsort(-scores, kind="stable")
    scores = scores.copy()
    scores[order] -= np.float32(loss) * np.log1p(_earlier(files[order]))
    return np.argsort(-scores, kind="stable"), scores


def _earlier(owners: NDArray[np.int32]) -> NDArray[np.float32]:
    """For each place, how many places before it have the same owner."""
    grouped = owners.argsort(kind="stable")
    ordered = owners[grouped]
    counts = np.empty(len(owners), np.float32)
    counts[grouped] = np.arange(len(owners)) - ordered.searchsorted(ordered)
    return counts


def between_0_and_1(scores: Scores) -> Scores:
    """Scores, best first, as the user sees them: 1 for the best, less for what is farther from it, order kept."""
    if not len(scores):
        return scores
    falling: Scores = np.exp((np.minimum.accumulate(scores) - scores[0]) / _TEMPERATURE)
    return falling
