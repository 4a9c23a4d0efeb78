"""Computes the features of each candidate: the signals of the query, and facts of the chunk that need no query.

All features are plain numbers that a person can check. ``FEATURES`` lists them in their order. A change of the list or
of the order needs a new ranker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.ragged import Ragged, run_starts
from conexus.chunking.chunk import KINDS
from conexus.embedding.late_interaction import QueryTokens
from conexus.search.bm25 import Scores, idf
from conexus.search.candidates import ROLES_OF_SETS, Candidates
from conexus.search.query import Query
from conexus.search.query_intent import INTENT_FEATURES, intent_features
from conexus.search.scope import Scope
from conexus.search.segment_facts import SegmentFacts
from conexus.search.signals import FoundWord, Signals, is_member
from conexus.segments.postings import Rows
from conexus.segments.roles import Role
from conexus.segments.snapshot import View

#: ``file_count`` counts a file's chunks among the best 50 candidates.
_BEST_CANDIDATES = 50
_CALLABLE = frozenset({"function", "method", "macro", "test"})
_TYPE = frozenset({"class", "struct", "interface", "trait", "enum", "module", "type"})
_VALUE = frozenset({"constant", "variable", "property"})
#: Masks of the kinds that are callable, a type, a value, text, a section; shape (5, kinds).
_KINDS = np.array(
    [[kind in kinds for kind in KINDS] for kinds in (_CALLABLE, _TYPE, _VALUE, {"text"}, {"section"})], np.float32
)

FEATURES = (
    # similarities, standardised over all rows or files; ``gap``: the value less the best candidate's, so 0 or below
    "dense", "dense_gap", "body", "body_gap", "names", "names_gap", "total_gap", "file_dense", "file_dense_gap",
    "file_body", "file_body_gap",
    # late interaction (MaxSim), from each query token's cosine to its nearest token of the chunk: the mean weighted by
    # the query tokens' weights, the plain mean, the minimum
    "max_sim", "max_sim_gap", "max_sim_mean", "max_sim_mean_gap", "max_sim_min",
    # 0..1: how well the query and the file's name agree, and whether the query names the file or the definition
    "file_name_match", "file_name_coverage", "file_named", "defines_name",
    # 0..1: the share of the query's words, weighted by rarity, that the code, the names, the symbol and the file have
    "query_in_body", "query_in_names", "query_in_symbol", "query_in_file",
    # 0..1: the share of the symbol's parts that the query has
    "symbol_in_query",
    # facts of the chunk: the logarithm of its lines, its kind and whether it is a further piece of a long definition as
    # 0 or 1, the number of enclosing definitions (at most 3), the number of the file's directories (at most 6), and the
    # logarithm of the number of rows that refer to its symbol
    "lines", "callable", "type", "value", "text", "section", "piece", "nesting", "path_depth", "reference_count",
    # other candidates of the same file: how many are better, how many are among the best of all, the best other one,
    # the file's share of all candidates, and the sum of the file's three best
    "file_rank", "file_count", "file_best_gap", "file_share", "file_top_three",
    # the roles of the file, except roles that the query asks for
    *(str(role.name).lower() for role in Role),
    # facts of the query, the same for all candidates: they determine how much the other features count
    "symbol_like", "concept_count", *INTENT_FEATURES, "best_dense", "best_body",
)  # fmt: skip

#: Factor of the exponent by which better candidates count more in their file's share.
_STEEPNESS = 8.0


def features_of(candidates: Candidates, tokens: QueryTokens | None) -> NDArray[np.float32]:
    """Returns the features of each candidate, shape (candidates, len(FEATURES)).

    Without ``tokens``, the features of late interaction are 0.
    """
    scope, query, signals = candidates.scope, candidates.query, candidates.signals
    rows, totals = candidates.rows, candidates.totals
    by_name = np.zeros((len(FEATURES), len(rows)), np.float32)
    if not len(rows):
        return by_name.T
    parts = _by_view(scope, rows)
    files = scope.file_of[rows]
    dense, body, names = signals.dense[rows], signals.body[rows], signals.names[rows]
    file_dense, file_body = signals.file_dense[files], signals.file_body[files]
    max_sim, max_sim_mean, max_sim_min = _late_interaction(len(rows), parts, tokens)
    similarities = np.array([dense, body, names, totals, file_dense, file_body, max_sim, max_sim_mean], np.float32)
    gaps = similarities - similarities.max(axis=1, keepdims=True)
    lines, nesting, path_depth = _row_facts(len(rows), parts)
    groups, numbers = _Groups.from_files(files), rows.astype(np.int32)
    query_in_symbol, symbol_in_query = _symbol_shares(scope, query, signals, numbers, parts)
    columns = (
        dense, gaps[0], body, gaps[1], names, gaps[2], gaps[3], file_dense, gaps[4], file_body, gaps[5],
        max_sim, gaps[6], max_sim_mean, gaps[7], max_sim_min,
        signals.file_name_match[files], signals.file_name_coverage[files], signals.file_named[files],
        signals.defines_name[rows],
        _query_in_rows(numbers, signals.in_body, query), _query_in_rows(numbers, signals.in_names, query),
        query_in_symbol, _query_in_files(groups, files, parts, signals.in_body, query),
        symbol_in_query,
        np.log1p(lines), *_KINDS[:, scope.kinds[rows]], scope.parts[rows] > 0, np.minimum(nesting, 3),
        np.minimum(path_depth, 6), np.log1p(_reference_counts(scope, len(rows), parts)),
        *_other_candidates(groups, totals), *_file_totals(groups, totals),
        *(ROLES_OF_SETS[:, scope.roles[rows]] * candidates.unasked_roles[:, None]),
        query.symbol_like, np.log1p(len(query.concepts)), *intent_features(query),
        max(dense.max(), 0), max(body.max(), 0),
    )  # fmt: skip
    # The array has one line for each feature, so that each is written at once; a feature of the query is one number.
    for line, column in zip(by_name, columns, strict=True):
        line[:] = column
    return by_name.T


@dataclass(frozen=True, slots=True, eq=False)
class _CandidatesOfView:
    """The candidates of one view."""

    view: View
    facts: SegmentFacts
    #: The candidates' places among all candidates, and their rows in the view.
    places: NDArray[np.int64]
    rows: NDArray[np.int64]
    #: The first row and the first file of the view, as the scope numbers them.
    first_row: int
    first_file: int


def _by_view(scope: Scope, rows: NDArray[np.int64]) -> list[_CandidatesOfView]:
    """Groups candidates by their view; views without candidates are left out."""
    parts = []
    for number, (view, facts) in enumerate(zip(scope.views, scope.facts, strict=True)):
        first = scope.first_rows[number]
        places = ((rows >= first) & (rows < scope.first_rows[number + 1])).nonzero()[0]
        if len(places):
            parts.append(_CandidatesOfView(view, facts, places, rows[places] - first, first, scope.first_files[number]))
    return parts


def _late_interaction(
    size: int, parts: Sequence[_CandidatesOfView], tokens: QueryTokens | None
) -> tuple[Scores, Scores, Scores]:
    """Returns the weighted mean, the plain mean and the minimum of the query tokens' best cosines in each candidate.

    Each has shape (candidates,); all are 0 without tokens.
    """
    if tokens is None or not len(tokens.weights):
        zeros = np.zeros(size, np.float32)
        return zeros, zeros, zeros
    tokens_of_rows = Ragged.joined([part.view.segment.tokens.take(part.rows) for part in parts])
    best = np.empty((len(tokens.weights), size), np.float32)
    best[:, np.concatenate([part.places for part in parts])] = tokens.best(
        tokens_of_rows.values, tokens_of_rows.starts
    ).T
    return tokens.weights @ best, best.mean(axis=0), best.min(axis=0)


def _query_in_rows(rows: Rows, words: tuple[FoundWord, ...], query: Query) -> Scores:
    """Returns the share (0..1) of the query's words, weighted by rarity, that each row has."""
    return _share(words, query, len(rows), lambda found: is_member(rows, found))


def _query_in_files(
    groups: _Groups,
    files: NDArray[np.int32],
    parts: Sequence[_CandidatesOfView],
    words: tuple[FoundWord, ...],
    query: Query,
) -> Scores:
    """Returns the share (0..1) of the query's words, weighted by rarity, in the chunks of each candidate's file."""
    # The rows of a file are contiguous: the file has a word if more of the word's rows precede the file's end than
    # precede its beginning.
    ends = np.empty((2, len(files)), np.int32)
    for part in parts:
        own = files[part.places] - part.first_file
        firsts = part.view.segment.first_rows
        ends[:, part.places] = np.stack([firsts[own + 1], firsts[own]]) + part.first_row
    of_groups = ends[:, groups.members[groups.firsts]]
    shares = _share(words, query, len(groups.counts), lambda found: np.greater(*found.searchsorted(of_groups)))
    return shares[groups.owners]


def _share(words: tuple[FoundWord, ...], query: Query, size: int, has: Callable[[Rows], NDArray[np.bool_]]) -> Scores:
    """Returns the share (0..1) of the query's words for whose rows ``has`` is true, shape (size,).

    Words are weighted by their rarity; only words of concepts with weight 1 count.
    """
    rarity = np.zeros(size, np.float32)
    total_rarity = 1e-6
    for word in words:
        if query.concepts[word.concept].weight == 1:
            total_rarity += word.rarity
            rarity += np.float32(word.rarity) * has(word.rows)
    return rarity / np.float32(total_rarity)


def _row_facts(size: int, parts: Sequence[_CandidatesOfView]) -> NDArray[np.int32]:
    """Returns ``SegmentFacts.row_facts`` of each candidate, shape (3, candidates)."""
    facts = np.empty((3, size), np.int32)
    for part in parts:
        facts[:, part.places] = part.facts.row_facts[:, part.rows]
    return facts


def _reference_counts(scope: Scope, size: int, parts: Sequence[_CandidatesOfView]) -> NDArray[np.int64]:
    """Returns in how many live rows of all views each candidate's symbol is referred to; 0 without a symbol."""
    hashes = np.zeros(size, np.uint64)
    has_symbol = np.zeros(size, np.bool_)
    for part in parts:
        segment = part.view.segment
        hashes[part.places] = segment.lexicon.hashes[segment.symbols.numbers[part.rows]]
        has_symbol[part.places] = segment.has_symbol[part.rows]
    symbols = hashes[has_symbol]
    counts_of_symbols = np.zeros(len(symbols), np.int64)
    for view in scope.views:
        counts_of_symbols += view.segment.reference_counts(symbols, None if scope.live is None else view.live)
    counts = np.zeros(size, np.int64)
    counts[has_symbol] = counts_of_symbols
    return counts


def _symbol_shares(
    scope: Scope, query: Query, signals: Signals, rows: Rows, parts: Sequence[_CandidatesOfView]
) -> NDArray[np.float32]:
    """Returns two shares (0..1) for each row, shape (2, rows).

    The first is the share of the query's words, weighted by rarity, that the row's symbol has. The second is the share
    of the symbol's parts that the query has.
    """
    rarest = idf(0, scope.live_count)
    rarity = [rarest if concept.weight == 1 else 0.0 for concept in query.concepts]
    for word in signals.in_names:
        if rarity[word.concept]:
            rarity[word.concept] = word.rarity
    total_rarity = sum(rarity) or 1.0
    concept_of_term: dict[str, int] = {}
    for number, concept in enumerate(query.concepts):
        for term, _ in concept.terms:
            concept_of_term.setdefault(term, number)
    query_terms = frozenset(concept_of_term)
    shares = np.zeros((2, len(rows)), np.float32)
    # A symbol is one of its row's names: if the names have no word of the query, the symbol has none either.
    may_match = np.zeros(len(rows), np.bool_)
    for word in signals.in_names:
        may_match |= is_member(rows, word.rows)
    for part in parts:
        segment = part.view.segment
        here = may_match[part.places].nonzero()[0]
        symbols = segment.symbols.numbers[part.rows[here]].tolist()
        shares_of_symbol: dict[int, tuple[float, float]] = {}
        for symbol in set(symbols):
            terms_of = part.facts.symbol_terms(segment, symbol)
            if query_terms.isdisjoint(terms_of.all):
                shares_of_symbol[symbol] = 0.0, 0.0
                continue
            parts_in_query = query_terms & terms_of.parts
            has_whole = terms_of.whole in query_terms
            matching_terms = (terms_of.whole, *parts_in_query) if has_whole else parts_in_query
            concepts = {concept_of_term[term] for term in matching_terms}
            symbol_share = 1.0 if has_whole else len(parts_in_query) / len(terms_of.parts)
            query_share = min(sum(rarity[number] for number in concepts) / total_rarity, 1.0)
            shares_of_symbol[symbol] = query_share, symbol_share
        if symbols:
            shares[:, part.places[here]] = np.array([shares_of_symbol[symbol] for symbol in symbols], np.float32).T
    return shares


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """The candidates, grouped by file."""

    #: The number of each candidate's group, shape (candidates,).
    owners: NDArray[np.int64]
    #: The candidates, group by group, in their order within a group; and the place of each within its group.
    members: NDArray[np.int64]
    places: NDArray[np.int64]
    #: Where each group begins in ``members``, and how many candidates it has; shape (groups,).
    firsts: NDArray[np.int64]
    counts: NDArray[np.int64]

    @staticmethod
    def from_files(files: NDArray[np.int32]) -> _Groups:
        """Groups candidates, given the file of each."""
        members = files.argsort(kind="stable")
        ordered = files[members]
        firsts = run_starts(ordered)
        counts = np.diff(firsts, append=len(files))
        numbers = np.arange(len(firsts)).repeat(counts)
        owners = np.empty(len(files), np.int64)
        owners[members] = numbers
        return _Groups(owners, members, np.arange(len(files)) - firsts[numbers], firsts, counts)


def _other_candidates(groups: _Groups, totals: Scores) -> tuple[Scores, Scores, Scores]:
    """Returns three numbers for each candidate about the other candidates of its file, each of shape (candidates,).

    They are log(1 + the number of better candidates of the file), log(1 + the number of the file's candidates among
    the best 50), and the total of the best other candidate of the file less the best total. ``totals`` must descend.
    """
    place = np.empty(len(totals), np.float32)
    place[groups.members] = groups.places
    among_best = np.bincount(groups.owners[:_BEST_CANDIDATES], minlength=len(groups.counts))
    ordered = totals[groups.members]
    best = ordered[groups.firsts]
    second = np.full(len(best), totals.min() - 1)
    several = groups.counts > 1
    second[several] = ordered[groups.firsts[several] + 1]
    other = np.where(place > 0, best[groups.owners], second[groups.owners])
    return np.log1p(place), np.log1p(among_best)[groups.owners], other - totals[0]


def _file_totals(groups: _Groups, totals: Scores) -> tuple[Scores, Scores]:
    """Returns, for each candidate, its file's share of all candidates as a logarithm, and the sum of its three best.

    Both are relative to the file that has most. ``totals`` must descend.
    """
    owners = groups.owners
    shares = np.log(np.bincount(owners, np.exp(_STEEPNESS * (totals - totals[0]))) + 1e-6)
    best = groups.members[groups.places < 3]
    sums = np.bincount(owners[best], totals[best] - totals[-1], len(groups.counts))
    return (shares - shares.max())[owners].astype(np.float32), (sums - sums.max())[owners].astype(np.float32)
