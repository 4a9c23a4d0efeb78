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
from conexus.search.query import Query
from conexus.search.query_intent import FORM, form
from conexus.search.reasons import among
from conexus.search.scope import Scope
from conexus.search.segment_facts import SegmentFacts
from conexus.search.signals import FoundWord, Signals
from conexus.segments.postings import Rows
from conexus.segments.roles import Role
from conexus.segments.snapshot import View

#: ``file_count`` counts a file's chunks among the best 50 candidates.
_BEST = 50
_CALLABLE = frozenset({"function", "method", "macro", "test"})
_TYPE = frozenset({"class", "struct", "interface", "trait", "enum", "module", "type"})
_VALUE = frozenset({"constant", "variable", "property"})
#: Masks of the kinds that are callable, a type, a value, text, a section; shape (5, kinds).
_KINDS = np.array(
    [[kind in kinds for kind in KINDS] for kinds in (_CALLABLE, _TYPE, _VALUE, {"text"}, {"section"})], np.float32
)
#: 1 for each role that a set of roles contains, shape (roles, sets).
MEMBERS: NDArray[np.float32] = ((np.arange(1 << len(Role)) >> np.arange(len(Role))[:, None]) & 1).astype(np.float32)

FEATURES = (
    # similarities, standardised over all rows or files; ``gap``: the value less the best candidate's, so 0 or below
    "dense", "dense_gap", "body", "body_gap", "names", "names_gap", "total_gap", "file_dense", "file_dense_gap",
    "file_body", "file_body_gap",
    # late interaction (MaxSim), from each query token's cosine to its nearest token of the chunk: the mean weighted by
    # the query tokens' weights, the plain mean, the minimum
    "late", "late_gap", "late_mean", "late_mean_gap", "late_worst",
    # 0..1: how well the query and the file's name agree, and whether the query names the file or the definition
    "stem", "called", "filed", "defined",
    # 0..1: the share of the query's words, weighted by rarity, that the code, the names, the symbol and the file have
    "body_cover", "names_cover", "symbol_cover", "file_cover",
    # 0..1: the share of the symbol's parts that the query has
    "symbol_said",
    # facts of the chunk
    "lines", "callable", "type", "value", "text", "section", "piece", "enclosed", "depth", "referred",
    # other candidates of the same file: how many are better, how many are among the best of all, the best other one,
    # the file's share of all candidates, and the sum of the file's three best
    "file_place", "file_count", "file_best_gap", "file_mass", "file_sum",
    # the roles of the file, except roles that the query asks for
    *(str(role.name).lower() for role in Role),
    # facts of the query, the same for all candidates: they determine how much the other features count
    "symbol_like", "words", *FORM, "best_dense", "best_body",
)  # fmt: skip

#: Factor of the exponent by which better candidates count more in their file's share.
_STEEPNESS = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The rows of a scope that are ranked, best first by the sums that selected them."""

    scope: Scope
    query: Query
    found: Signals
    rows: NDArray[np.int64]
    #: Weighted sums of the signals less the penalties, at most 1, descending; one for each row.
    totals: Scores
    #: 1 for each role that the query does not ask for, shape (roles,).
    unasked: NDArray[np.float32]


def features(chosen: Candidates, tokens: QueryTokens | None) -> NDArray[np.float32]:
    """Returns one line for each candidate, shape (candidates, len(FEATURES)).

    Without ``tokens``, the features of late interaction are 0.
    """
    scope, query, found, rows, totals = chosen.scope, chosen.query, chosen.found, chosen.rows, chosen.totals
    by_name = np.zeros((len(FEATURES), len(rows)), np.float32)
    if not len(rows):
        return by_name.T
    parts = _by_view(scope, rows)
    files = scope.file_of[rows]
    dense, body, names = found.dense[rows], found.body[rows], found.names[rows]
    file_dense, file_body = found.file_dense[files], found.file_body[files]
    late, late_mean, late_worst = _late(len(rows), parts, tokens)
    likenesses = np.array([dense, body, names, totals, file_dense, file_body, late, late_mean], np.float32)
    gaps = likenesses - likenesses.max(axis=1, keepdims=True)
    lines, enclosed, depth = _facts(len(rows), parts)
    groups, numbers = _Groups.of(files), rows.astype(np.int32)
    symbol_cover, symbol_said = _of_symbols(scope, query, found, numbers, parts)
    columns = (
        dense, gaps[0], body, gaps[1], names, gaps[2], gaps[3], file_dense, gaps[4], file_body, gaps[5],
        late, gaps[6], late_mean, gaps[7], late_worst,
        found.stem[files], found.called[files], found.filed[files], found.defined[rows],
        _covered(numbers, found.in_body, query), _covered(numbers, found.in_names, query), symbol_cover,
        _covered_by_files(groups, files, parts, found.in_body, query),
        symbol_said,
        np.log1p(lines), *_KINDS[:, scope.kinds[rows]], scope.parts[rows] > 0, np.minimum(enclosed, 3),
        np.minimum(depth, 6), np.log1p(_referred(scope, len(rows), parts)),
        *_company(groups, totals), *_of_files(groups, totals),
        *(MEMBERS[:, scope.roles[rows]] * chosen.unasked[:, None]),
        query.symbol_like, np.log1p(len(query.concepts)), *form(query), max(dense.max(), 0), max(body.max(), 0),
    )  # fmt: skip
    # The array has one line for each feature, so that each is written at once; a feature of the query is one number.
    for line, column in zip(by_name, columns, strict=True):
        line[:] = column
    return by_name.T


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The candidates of one view."""

    view: View
    table: SegmentFacts
    #: The candidates' places among all candidates, and their rows in the view.
    places: NDArray[np.int64]
    rows: NDArray[np.int64]
    #: The first row and the first file of the view, as the scope numbers them.
    first_row: int
    first_file: int


def _by_view(scope: Scope, rows: NDArray[np.int64]) -> list[_Part]:
    parts = []
    for number, (view, facts) in enumerate(zip(scope.views, scope.tables, strict=True)):
        first = scope.first_rows[number]
        places = ((rows >= first) & (rows < scope.first_rows[number + 1])).nonzero()[0]
        if len(places):
            parts.append(_Part(view, facts, places, rows[places] - first, first, scope.first_files[number]))
    return parts


def _late(size: int, parts: Sequence[_Part], tokens: QueryTokens | None) -> tuple[Scores, Scores, Scores]:
    if tokens is None or not len(tokens.weights):
        none = np.zeros(size, np.float32)
        return none, none, none
    together = Ragged.joined([part.view.segment.tokens.rows(part.rows) for part in parts])
    best = np.empty((len(tokens.weights), size), np.float32)
    best[:, np.concatenate([part.places for part in parts])] = tokens.best(together.values, together.starts).T
    return tokens.weights @ best, best.mean(axis=0), best.min(axis=0)


def _covered(rows: Rows, words: tuple[FoundWord, ...], query: Query) -> Scores:
    """Returns the share (0..1) of the query's words, weighted by rarity, that each row has."""
    return _share(words, query, len(rows), lambda found: among(rows, found))


def _covered_by_files(
    groups: _Groups, files: NDArray[np.int32], parts: Sequence[_Part], words: tuple[FoundWord, ...], query: Query
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
    covered = _share(words, query, len(groups.counts), lambda found: np.greater(*found.searchsorted(of_groups)))
    return covered[groups.owners]


def _share(words: tuple[FoundWord, ...], query: Query, size: int, has: Callable[[Rows], NDArray[np.bool_]]) -> Scores:
    """Returns the share (0..1) of the query's words for whose rows ``has`` is true, shape (size,).

    Words are weighted by their rarity; only words of concepts with weight 1 count.
    """
    covered = np.zeros(size, np.float32)
    asked = 1e-6
    for word in words:
        if query.concepts[word.concept].weight == 1:
            asked += word.rarity
            covered += np.float32(word.rarity) * has(word.rows)
    return covered / np.float32(asked)


def _facts(size: int, parts: Sequence[_Part]) -> NDArray[np.int32]:
    """Returns ``SegmentFacts.row_facts`` of each candidate, shape (3, candidates)."""
    facts = np.empty((3, size), np.int32)
    for part in parts:
        facts[:, part.places] = part.table.row_facts[:, part.rows]
    return facts


def _referred(scope: Scope, size: int, parts: Sequence[_Part]) -> NDArray[np.int64]:
    """Returns in how many live rows of all views each candidate's symbol is referred to; 0 without a symbol."""
    hashes = np.zeros(size, np.uint64)
    has_symbol = np.zeros(size, np.bool_)
    for part in parts:
        segment = part.view.segment
        hashes[part.places] = segment.lexicon.hashes[segment.symbol_numbers[part.rows]]
        has_symbol[part.places] = segment.has_symbol[part.rows]
    asked = hashes[has_symbol]
    often = np.zeros(len(asked), np.int64)
    for view in scope.views:
        often += view.segment.referring(asked, None if scope.counted is None else view.live)
    referred = np.zeros(size, np.int64)
    referred[has_symbol] = often
    return referred


def _of_symbols(scope: Scope, query: Query, found: Signals, rows: Rows, parts: Sequence[_Part]) -> NDArray[np.float32]:
    """Returns two shares (0..1) for each row, shape (2, rows).

    The first is the share of the query's words, weighted by rarity, that the row's symbol has. The second is the share
    of the symbol's parts that the query has.
    """
    rarest = idf(0, scope.population)
    rarity = [rarest if concept.weight == 1 else 0.0 for concept in query.concepts]
    for word in found.in_names:
        if rarity[word.concept]:
            rarity[word.concept] = word.rarity
    asked = sum(rarity) or 1.0
    concepts: dict[str, int] = {}
    for number, concept in enumerate(query.concepts):
        for term, _ in concept.terms:
            concepts.setdefault(term, number)
    asked_terms = frozenset(concepts)
    shares = np.zeros((2, len(rows)), np.float32)
    # A symbol is one of its row's names: if the names have no word of the query, the symbol has none either.
    named = np.zeros(len(rows), np.bool_)
    for word in found.in_names:
        named |= among(rows, word.rows)
    for part in parts:
        segment = part.view.segment
        here = named[part.places].nonzero()[0]
        symbols = segment.symbol_numbers[part.rows[here]].tolist()
        said: dict[int, tuple[float, float]] = {}
        for symbol in set(symbols):
            terms_of = part.table.symbol_terms(segment, symbol)
            if asked_terms.isdisjoint(terms_of.all):
                said[symbol] = 0.0, 0.0
                continue
            hit = asked_terms & terms_of.parts
            said_whole = terms_of.whole in asked_terms
            numbers = {concepts[term] for term in ((terms_of.whole, *hit) if said_whole else hit)}
            share = 1.0 if said_whole else len(hit) / len(terms_of.parts)
            said[symbol] = min(sum(rarity[number] for number in numbers) / asked, 1.0), share
        if symbols:
            shares[:, part.places[here]] = np.array([said[symbol] for symbol in symbols], np.float32).T
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
    def of(files: NDArray[np.int32]) -> _Groups:
        members = files.argsort(kind="stable")
        ordered = files[members]
        firsts = run_starts(ordered)
        counts = np.diff(firsts, append=len(files))
        numbers = np.arange(len(firsts)).repeat(counts)
        owners = np.empty(len(files), np.int64)
        owners[members] = numbers
        return _Groups(owners, members, np.arange(len(files)) - firsts[numbers], firsts, counts)


def _company(groups: _Groups, totals: Scores) -> tuple[Scores, Scores, Scores]:
    """Returns three numbers for each candidate about the other candidates of its file, each of shape (candidates,).

    They are log(1 + the number of better candidates of the file), log(1 + the number of the file's candidates among
    the best 50), and the total of the best other candidate of the file less the best total. ``totals`` must descend.
    """
    place = np.empty(len(totals), np.float32)
    place[groups.members] = groups.places
    among_best = np.bincount(groups.owners[:_BEST], minlength=len(groups.counts))
    ordered = totals[groups.members]
    best = ordered[groups.firsts]
    second = np.full(len(best), totals.min() - 1)
    several = groups.counts > 1
    second[several] = ordered[groups.firsts[several] + 1]
    other = np.where(place > 0, best[groups.owners], second[groups.owners])
    return np.log1p(place), np.log1p(among_best)[groups.owners], other - totals[0]


def _of_files(groups: _Groups, totals: Scores) -> tuple[Scores, Scores]:
    """Returns, for each candidate, its file's share of all candidates as a logarithm, and the sum of its three best.

    Both are relative to the file that has most. ``totals`` must descend.
    """
    owners = groups.owners
    shares = np.log(np.bincount(owners, np.exp(_STEEPNESS * (totals - totals[0]))) + 1e-6)
    best = groups.members[groups.places < 3]
    sums = np.bincount(owners[best], totals[best] - totals[-1], len(groups.counts))
    return (shares - shares.max())[owners].astype(np.float32), (sums - sums.max())[owners].astype(np.float32)
