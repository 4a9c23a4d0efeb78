"""Conducts a search: from a query's text to ranked chunks, each stage once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from conexus.chunking.chunk import KINDS
from conexus.embedding.late_interaction import QueryTokens
from conexus.search.bm25 import Scores
from conexus.search.bonuses import name_bonus, open_files_bonus, role_bonus
from conexus.search.candidates import CANDIDATES, DECIMALS, retrieve_candidates, select_candidates
from conexus.search.features import features_of
from conexus.search.query import Query, understand
from conexus.search.query_expansion import expand_query
from conexus.search.query_intent import topic_probability
from conexus.search.query_vectors import QueryVectors, embed_query, tokens_of_query
from conexus.search.ranker import SHIPPED, RankingModel
from conexus.search.reasons import reasons_of
from conexus.search.scope import Scope, scope_of
from conexus.search.segment_facts import facts_of
from conexus.search.weights import Weights
from conexus.segments.snapshot import FileKey, RowRef, Searchable, Snapshot
from conexus.segments.vectors import FEW_ROWS
from conexus.values import Filters

#: Distance to the best score at which a hit has a shown score of 1 / e.
_TEMPERATURE = np.float32(3.0)
_TEXT = KINDS.index("text")


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What a user searches for."""

    #: The query as the user wrote it, with its operators.
    text: str
    filters: Filters = field(default_factory=Filters)
    #: The file that the user is viewing; chunks near it rank higher.
    near: FileKey | None = None
    #: Files whose chunks rank higher because they are open.
    open_files: frozenset[FileKey] = frozenset()
    #: Maximum number of answers.
    limit: int = 20


@dataclass(frozen=True, slots=True)
class Ranked:
    """One ranked chunk."""

    ref: RowRef
    #: 0..1, comparable within one answer.
    score: float
    #: Why the chunk is an answer, in words for the user, strongest first; never empty.
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The answer to a search."""

    #: The best chunks, best first, each once.
    rows: tuple[Ranked, ...]
    #: The query as it was understood, whose words can be highlighted; None if no words were searched for.
    query: Query | None = None
    #: Why the query has no vector of some model, in words for the user; None if all models embedded it.
    degraded: str | None = None


def prepare(snapshot: Snapshot, *, complete: bool) -> None:
    """Derives data from the snapshot's segments, for which the first search would otherwise wait.

    Float32 vectors take much memory. They are derived if the snapshot has few rows, else only for small segments of a
    ``complete`` index, because until then there may be many small segments.
    """
    few = sum(len(view.segment) for view in snapshot.views) < FEW_ROWS
    for view in snapshot.views:
        if few or (complete and view.segment.dense.exact):
            view.segment.dense.prepare()
        facts_of(view.segment)


def run(
    searchable: Searchable,
    request: SearchRequest,
    check: Callable[[], None] = lambda: None,
    model: RankingModel = SHIPPED,
) -> Ranking:
    """Answers a search request.

    A view whose model cannot embed the query is searched by words alone. ``check`` is called between stages and raises
    if the request was cancelled. Raises BadQuery if the query is empty, or an operator or filter has a value that means
    nothing.
    """
    query = understand(request.text)
    check()
    scope = scope_of(searchable.snapshot, request.filters, query.operators, check)
    if not query.text:
        return Ranking(_listed(scope, request.limit), query)
    embedded = embed_query(searchable.embedders, query.text, check)
    check()
    query = expand_query(query, scope.views)
    rows = retrieve_candidates(scope, query, embedded.vectors, searchable.candidate_sources)
    check()
    tokens = tokens_of_query(searchable.embedders, query.text)
    scope = replace(scope, candidates=rows)
    ranked = rank(scope, query, embedded.vectors, tokens, request, check, model)
    return Ranking(ranked, query, embedded.degraded)


def rank(
    scope: Scope,
    query: Query,
    vectors: QueryVectors,
    tokens: QueryTokens | None,
    request: SearchRequest,
    check: Callable[[], None] = lambda: None,
    model: RankingModel = SHIPPED,
) -> tuple[Ranked, ...]:
    """Returns the best chunks of a scope for an expanded query that has words, best first, each once.

    ``vectors`` has the query's vector for each model that could embed it, ``tokens`` the query's tokens of the shipped
    model, without which the features of late interaction are 0. ``check``: see ``run``.
    """
    weights = model.weights
    candidates = select_candidates(scope, query, vectors, max(CANDIDATES, 2 * request.limit), weights, check)
    check()
    ranker = model.ranker
    scores = candidates.totals if ranker is None else ranker.scores(features_of(candidates, tokens))
    check()
    scores = scores + np.float32(weights.name_bonus) * name_bonus(candidates)
    scores += np.float32(weights.role_bonus) * role_bonus(candidates)
    scores += open_files_bonus(candidates, request.near, request.open_files, weights)
    # In the order of places, because what follows keeps the order of equal scores.
    by_place = np.argsort(scope.places(candidates.rows))
    rows, scores = candidates.rows[by_place], np.round(scores[by_place], DECIMALS)
    order, scores = diversify(scores, scope.file_of[rows], saturation(query, weights))
    rows = rows[order][: request.limit]
    mix = weights.mix(symbol_like=query.symbol_like)
    reasons = reasons_of(scope, candidates.signals, rows, mix, query.corrected)
    return tuple(
        Ranked(scope.ref(row), score, why)
        for row, score, why in zip(
            rows.tolist(), shown_scores(scores[order][: request.limit]).tolist(), reasons, strict=True
        )
    )


def _listed(scope: Scope, limit: int) -> tuple[Ranked, ...]:
    """Returns the chunks that pass the filters: definitions first, code before tests, in the order of paths."""
    rows = np.flatnonzero(scope.filter_mask)
    classes = (scope.kinds[rows] == _TEXT) * 2 + (scope.parts[rows] > 0) * 4 + (scope.roles[rows] != 0)
    rows = first_of_classes(scope, rows, classes, limit)
    return tuple(
        Ranked(scope.ref(row), 1.0 - place / (2 * limit), ("filter",)) for place, row in enumerate(rows.tolist())
    )


def first_of_classes(
    scope: Scope, rows: NDArray[np.int64], classes: NDArray[np.integer], limit: int
) -> NDArray[np.int64]:
    """Returns the first ``limit`` of the rows, which must ascend: those of lower classes first, then by their places.

    ``classes`` has shape (len(rows),).
    """
    found = np.empty(0, np.int64)
    for each in np.unique(classes):
        if len(found) < limit:
            found = np.concatenate([found, scope.first_by_place(rows[classes == each], limit - len(found))])
    return found


def saturation(query: Query, weights: Weights) -> float:
    """Returns the factor of what each further chunk of a file loses.

    It is greater if the query asks for a topic, because several files may have the topic.
    """
    if query.symbol_like:
        return weights.saturation_of_name
    topic = topic_probability(query, weights.topic)
    return weights.saturation_of_place + topic * (weights.saturation_of_topic - weights.saturation_of_place)


def diversify(scores: Scores, files: NDArray[np.int32], factor: float) -> tuple[NDArray[np.int64], Scores]:
    """Returns the order of the candidates, best first, and their scores after further chunks of one file lost some.

    The n-th chunk of a file loses ``factor`` times the logarithm of n. All arrays have shape (candidates,).
    """
    if not len(scores):
        return np.empty(0, np.int64), scores
    order = np.argsort(-scores, kind="stable")
    scores = scores.copy()
    scores[order] -= np.float32(factor) * np.log1p(_earlier_of_same_file(files[order]))
    return np.argsort(-scores, kind="stable"), scores


def _earlier_of_same_file(files: NDArray[np.int32]) -> NDArray[np.float32]:
    """Returns, for each place, how many places before it have the same file."""
    grouped = files.argsort(kind="stable")
    ordered = files[grouped]
    counts = np.empty(len(files), np.float32)
    counts[grouped] = np.arange(len(files)) - ordered.searchsorted(ordered)
    return counts


def shown_scores(scores: Scores) -> Scores:
    """Maps scores, best first, to the scores (0..1) that the user sees: 1 for the best, less with the distance to it.

    The order is kept.
    """
    if not len(scores):
        return scores
    shown: Scores = np.exp((np.minimum.accumulate(scores) - scores[0]) / _TEMPERATURE)
    return shown
