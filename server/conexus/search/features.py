"""What the ranker knows of each candidate: the signals of the query, and facts of the chunk that need no query.

All are plain numbers that a person can check; which of them exist, and in which order, is ``FEATURES``. A change of
either needs a new ranker.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from conexus.chunking.chunk import KINDS
from conexus.embedding.late import QueryTokens
from conexus.index.roles import Role
from conexus.index.terms import terms
from conexus.search.bm25 import Scores, idf
from conexus.search.query import Query
from conexus.search.scope import Scope
from conexus.search.sentence import FORM, form
from conexus.search.signals import FoundWord, Signals

#: Of a candidate's file, so many of the best candidates are looked at for ``file_count``.
_BEST = 50
_CALLABLE = frozenset({"function", "method", "macro", "test"})
_TYPE = frozenset({"class", "struct", "interface", "trait", "enum", "module", "type"})
_VALUE = frozenset({"constant", "variable", "property"})
_KINDS = tuple(
    np.array([kind in kinds for kind in KINDS], np.float32)
    for kinds in (_CALLABLE, _TYPE, _VALUE, frozenset({"text"}), frozenset({"section"}))
)

FEATURES = (
    # likenesses, standardised over all rows or files; ``gap``: how far below the best candidate's
    "dense", "dense_gap", "body", "body_gap", "names", "names_gap", "total_gap", "file_dense", "file_dense_gap",
    "file_body", "file_body_gap",
    # late interaction: how well the chunk's best tokens stand for the query's, by their weight, plainly, the worst
    "late", "late_gap", "late_mean", "late_mean_gap", "late_worst",
    # 0..1: what the query says of the file's name, and what it names
    "stem", "called", "filed", "defined",
    # 0..1: the share of the query's words, by rarity, that the code, the names and the symbol have
    "body_cover", "names_cover", "symbol_cover", "file_cover",
    # 0..1: the share of the symbol's parts that the query says
    "symbol_said",
    # facts of the chunk
    "lines", "callable", "type", "value", "text", "section", "piece", "enclosed", "depth", "referred",
    # its company: better candidates of the same file, how many of the best are of it, the best other one of it,
    # the file's share of all candidates, and what its three best have together
    "file_place", "file_count", "file_best_gap", "file_mass", "file_sum",
    # what its file is, unless the query asks for that
    *(str(role.name).lower() for role in Role),
    # of the query: the same for all candidates, so that they tell how much the others count
    "symbol_like", "words", *FORM, "best_dense", "best_body",
)  # fmt: skip

#: How steeply better candidates count for their file's share.
_STEEPNESS = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The rows of a scope that are ranked, best first by the sums by which they were chosen."""

    scope: Scope
    query: Query
    found: Signals
    rows: NDArray[np.int64]
    #: The sums, one for each row.
    totals: Scores
    #: 1 for each role that the query does not ask for, shape (roles,).
    unasked: NDArray[np.float32]


def features(chosen: Candidates, tokens: QueryTokens | None) -> NDArray[np.float32]:
    """One line for each candidate, shape (candidates, len(FEATURES)). Without ``tokens``: no late interaction."""
    scope, query, found, rows, totals = chosen.scope, chosen.query, chosen.found, chosen.rows, chosen.totals
    files = scope.file_of[rows]
    dense, body, names = found.dense[rows], found.body[rows], found.names[rows]
    file_dense, file_body = found.file_dense[files], found.file_body[files]
    symbols, (lines, enclosed, depth, referred) = _facts(scope, rows)
    cover, said = _of_symbols(scope, query, found, symbols)
    kinds = scope.kinds[rows]
    place, count, best_gap = _company(files, totals)
    mass, together = _of_files(files, totals)
    late, late_mean, late_worst = _late(scope, rows, tokens)
    roles = (scope.roles[rows][:, None] >> np.arange(len(Role))) & 1
    size = len(rows)
    columns = [
        dense, _gap(dense), body, _gap(body), names, _gap(names), _gap(totals), file_dense, _gap(file_dense),
        file_body, _gap(file_body),
        late, _gap(late), late_mean, _gap(late_mean), late_worst,
        found.stem[files], found.called[files], found.filed[files], found.defined[rows],
        _covered(rows, found.in_body, query), _covered(rows, found.in_names, query), cover,
        _covered_by_files(scope, files, found.in_body, query),
        said,
        np.log1p(lines), *(of_kind[kinds] for of_kind in _KINDS), scope.parts[rows] > 0, np.minimum(enclosed, 3),
        np.minimum(depth, 6), np.log1p(referred),
        place, count, best_gap, mass, together,
        *(roles * chosen.unasked).T,
        *(
            np.full(size, value)
            for value in (
                query.symbol_like, np.log1p(len(query.concepts)), *form(query), _best(dense), _best(body),
            )
        ),
    ]  # fmt: skip
    return np.stack([np.asarray(column, np.float32) for column in columns], axis=1)


def _best(values: Scores) -> float:
    return float(values.max(initial=0.0))


def _gap(values: Scores) -> Scores:
    return values - np.float32(values.max(initial=-np.inf)) if len(values) else values


def _late(scope: Scope, rows: NDArray[np.int64], tokens: QueryTokens | None) -> tuple[Scores, Scores, Scores]:
    none = np.zeros(len(rows), np.float32)
    if tokens is None or not len(tokens.weights) or not len(rows):
        return none, none, none
    best = np.zeros((len(rows), len(tokens.weights)), np.float32)
    views = np.searchsorted(scope.first_rows, rows, side="right") - 1
    for number in np.unique(views).tolist():
        places = np.flatnonzero(views == number)
        sets = scope.views[number].segment.tokens.rows(rows[places] - scope.first_rows[number])
        best[places] = tokens.best(sets.values, sets.starts)
    return best @ tokens.weights, best.mean(axis=1), best.min(axis=1)


def _covered_by_files(scope: Scope, files: NDArray[np.int32], words: tuple[FoundWord, ...], query: Query) -> Scores:
    """The share of the query's words that any chunk of each file has."""
    covered = np.zeros(scope.files, np.float32)
    asked = 1e-6
    for word in words:
        if query.concepts[word.concept].weight == 1:
            asked += word.rarity
            has = np.zeros(scope.files, np.float32)
            has[scope.file_of[word.rows]] = word.rarity
            covered += has
    return covered[files] / np.float32(asked)


def _of_files(files: NDArray[np.int32], totals: Scores) -> tuple[Scores, Scores]:
    """For each candidate, its file's share of all candidates as a logarithm, and what the file's best have together.

    Both relative to the file that has most. ``totals`` descend.
    """
    if not len(files):
        return totals, totals
    _, owners = np.unique(files, return_inverse=True)
    shares = np.log(np.bincount(owners, np.exp(_STEEPNESS * (totals - totals[0]))) + 1e-6)
    grouped = np.argsort(owners, kind="stable")
    counts = np.bincount(owners)
    places = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    best = grouped[places < 3]
    sums = np.bincount(owners[best], totals[best] - totals[-1], len(counts))
    return (shares - shares.max())[owners].astype(np.float32), (sums - sums.max())[owners].astype(np.float32)


def _covered(rows: NDArray[np.int64], words: tuple[FoundWord, ...], query: Query) -> Scores:
    """The share of the query's words, each counted by its rarity, that each row has."""
    covered = np.zeros(len(rows), np.float32)
    asked = 1e-6
    for word in words:
        if query.concepts[word.concept].weight < 1:
            continue
        asked += word.rarity
        places = np.minimum(np.searchsorted(word.rows, rows), len(word.rows) - 1)
        covered += np.float32(word.rarity) * (word.rows[places] == rows)
    return covered / np.float32(asked)


def _facts(scope: Scope, rows: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int32]]:
    """The symbols, and what ``Table.row_facts`` has of each row, shape (4, rows)."""
    symbols: list[str] = [""] * len(rows)
    numbers = np.zeros((4, len(rows)), np.int32)
    views = np.searchsorted(scope.first_rows, rows, side="right") - 1
    for number in np.unique(views).tolist():
        places = np.flatnonzero(views == number)
        own = rows[places] - scope.first_rows[number]
        numbers[:, places] = scope.tables[number].row_facts[:, own]
        named = scope.views[number].segment.symbols
        for place, row in zip(places.tolist(), own.tolist(), strict=True):
            symbols[place] = named[row]
    return symbols, numbers


def _of_symbols(scope: Scope, query: Query, found: Signals, symbols: list[str]) -> tuple[Scores, Scores]:
    """For each symbol, the share of the query that it says, by rarity, and of its parts that the query says."""
    rarity = [idf(0, scope.rows) if concept.weight == 1 else 0.0 for concept in query.concepts]
    for word in found.in_names:
        if rarity[word.concept]:
            rarity[word.concept] = word.rarity
    asked = sum(rarity) or 1.0
    concepts: dict[str, int] = {}
    for number, concept in enumerate(query.concepts):
        for term, _ in concept.terms:
            concepts.setdefault(term, number)
    cover, said = np.zeros(len(symbols), np.float32), np.zeros(len(symbols), np.float32)
    known: dict[str, tuple[float, float]] = {"": (0.0, 0.0)}
    for place, symbol in enumerate(symbols):
        if symbol not in known:
            whole, parts = _symbol_terms(symbol)
            hit = concepts.keys() & parts
            said_whole = whole in concepts
            share = 1.0 if said_whole else len(hit) / len(parts)
            numbers = {concepts[part] for part in hit}
            if said_whole:
                numbers.add(concepts[whole])
            known[symbol] = sum(rarity[number] for number in numbers) / asked, share
        cover[place], said[place] = known[symbol]
    return np.minimum(cover, 1), said


@lru_cache(maxsize=1 << 14)
def _symbol_terms(symbol: str) -> tuple[str, frozenset[str]]:
    """A symbol as one term, and its parts."""
    found = tuple(terms(symbol)) or (symbol,)
    return found[0], frozenset(found[1:] or found)


def _company(files: NDArray[np.int32], totals: Scores) -> tuple[Scores, Scores, Scores]:
    """Of each candidate: better ones of its file, its file's among the best, the best other one below the best of all.

    ``totals`` descend.
    """
    size = len(files)
    if not size:
        return totals, totals, totals
    _, owners, counts = np.unique(files, return_inverse=True, return_counts=True)
    grouped = np.argsort(owners, kind="stable")
    firsts = np.cumsum(counts) - counts
    place = np.empty(size, np.float32)
    place[grouped] = np.arange(size) - np.repeat(firsts, counts)
    among_best = np.bincount(owners[:_BEST], minlength=len(counts))[owners]
    ordered = totals[grouped]
    best = ordered[firsts]
    second = np.where(counts > 1, ordered[np.minimum(firsts + 1, size - 1)], totals.min() - 1)
    other = np.where(place > 0, best[owners], second[owners])
    return np.log1p(place), np.log1p(among_best).astype(np.float32), (other - totals[0]).astype(np.float32)
