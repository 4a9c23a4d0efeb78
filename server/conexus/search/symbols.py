"""Finds definitions for ``workspace/symbol``: exact names first, then by meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from conexus.search.candidates import penalties, select_rows, supported_rows
from conexus.search.pipeline import Ranked, Ranking, first_of_classes
from conexus.search.query import Query, understand
from conexus.search.query_expansion import corrections, defined_names, expand_query
from conexus.search.query_vectors import embed_query
from conexus.search.reasons import reasons_of
from conexus.search.scope import Scope, scope_of
from conexus.search.segment_facts import NameList
from conexus.search.signals import compute_signals
from conexus.search.weights import SHIPPED_WEIGHTS
from conexus.segments.postings import Postings
from conexus.segments.segment import name_parts, own_name
from conexus.segments.snapshot import Searchable
from conexus.segments.terms import fold, word_terms, words
from conexus.values import Filters

# Rank classes: how well a name agrees with the requested name, 0 if it does not. A name of a higher class is ranked
# first, whatever it means.
_MISSPELT, _HAS_PARTS, _CONTAINS, _BEGINS, _OTHER_CASE, _EXACT = range(1, 7)
_REASONS = {
    0: "",
    _MISSPELT: "spelled like {}",
    _HAS_PARTS: "name has these parts",
    _CONTAINS: "name contains it",
    _BEGINS: "name begins with it",
    _OTHER_CASE: "same name in other case",
    _EXACT: "exact name",
}
#: Maximum number of names of a segment that are considered, the first ones, because a text of one letter is in every
#: name.
_MAX_NAMES = 2000
#: Maximum number of names that are spelled nearly like a text; further ones are guesses.
_MAX_MISSPELT = 10


def find_symbols(
    searchable: Searchable, text: str, *, limit: int = 50, check: Callable[[], None] = lambda: None
) -> Ranking:
    """Returns the best definitions, each once, best first; the ranking has no query, because nothing is highlighted.

    Exact names are first, then the same name in other case, names that begin with the text, names that contain it,
    names that have its parts, or, if there are none of these, names that are spelled nearly like it; then definitions
    by meaning. An empty text lists definitions. Operators work as in ``pipeline.run``, which raises the same errors.
    ``check`` is called between stages and raises if the request was cancelled.
    """
    if not text.strip():
        return Ranking(_listed(scope_of(searchable.snapshot, Filters()), limit))
    query = understand(text)
    scope = scope_of(searchable.snapshot, Filters(), query.operators, check)
    if not query.text:
        return Ranking(_listed(scope, limit))
    embedded = embed_query(searchable.embedders, text, check)
    check()
    rank_classes = _rank_classes(scope, query)
    if not rank_classes[scope.filter_mask].any():
        query = expand_query(query, scope.views)
        rank_classes = _misspelt_classes(scope, query)
    signals = compute_signals(scope, query, embedded.vectors, SHIPPED_WEIGHTS, check)
    check()
    eligible = (supported_rows(scope, signals) | (rank_classes > 0)) & scope.filter_mask & _definitions(scope)
    penalty = penalties(scope, query, SHIPPED_WEIGHTS)
    mix = SHIPPED_WEIGHTS.symbol
    rows, totals = select_rows(scope, signals, mix, penalty, eligible, limit, embedded.vectors, rank_classes)
    check()
    reasons = reasons_of(scope, signals, rows, mix, query.corrected)
    ranked = []
    for row, total, why in zip(rows.tolist(), totals.tolist(), reasons, strict=True):
        rank_class = int(rank_classes[row])
        ref = scope.ref(row)
        first = _REASONS[rank_class].format(ref.view.segment.symbols[ref.row])
        score = (rank_class + min(max(total, 0.0), 1.0)) / (_EXACT + 1)
        ranked.append(Ranked(ref, score, tuple(dict.fromkeys((first, *why))) if first else why))
    return Ranking(tuple(ranked), degraded=embedded.degraded)


def _listed(scope: Scope, limit: int) -> tuple[Ranked, ...]:
    """Returns the definitions that pass the filters, those in files without a role first."""
    rows = np.flatnonzero(scope.filter_mask & _definitions(scope))
    rows = first_of_classes(scope, rows, scope.roles[rows] != 0, limit)
    return tuple(
        Ranked(scope.ref(row), 1 - place / (2 * limit), ("definition",)) for place, row in enumerate(rows.tolist())
    )


def _definitions(scope: Scope) -> NDArray[np.bool_]:
    """Returns the mask of the rows that define a name, shape (rows,)."""
    parts = [facts.defines for facts in scope.facts]
    return np.concatenate(parts) if parts else np.empty(0, np.bool_)


def _rank_classes(scope: Scope, query: Query) -> NDArray[np.float32]:
    """Returns, for each row, how well its name agrees with the query's name; 0 if it does not. Shape (rows,)."""
    classes = np.zeros(scope.rows, np.float32)
    outer, name = _requested_name(query)
    if not fold(name):
        return classes
    parts = [part for word in words(query.text) for part in word_terms(word)[1:] or word_terms(word)]
    for number, (view, facts) in enumerate(zip(scope.views, scope.facts, strict=True)):
        segment, first = view.segment, scope.first_rows[number]
        for row in _rows_with_all(segment.names, parts if not outer else []):
            if facts.defines[row] and _in_order(parts, fold(segment.symbols[row])):
                classes[first + row] = _HAS_PARTS
        for found, rank_class in _similar_names(facts.names, fold(name)):
            for row in segment.definitions.rows_with(found)[0].tolist():
                symbol = segment.symbols[row]
                of_row = _EXACT if rank_class == _OTHER_CASE and name in (symbol, own_name(symbol)) else rank_class
                if outer and not _encloses(outer, (*segment.containers[row], *name_parts(symbol)[:-1])):
                    of_row = _HAS_PARTS
                classes[first + row] = max(classes[first + row], of_row)
    return classes


def _misspelt_classes(scope: Scope, query: Query) -> NDArray[np.float32]:
    """Returns ``_MISSPELT`` for each row whose name is spelled nearly like the query's name, else 0. Shape (rows,)."""
    classes = np.zeros(scope.rows, np.float32)
    outer, name = _requested_name(query)
    for term in corrections(name, scope.views)[:_MAX_MISSPELT]:
        for symbol in defined_names(term, scope.views):
            for first, view in zip(scope.first_rows, scope.views, strict=False):
                for row in view.segment.definitions.rows_with(symbol.lower())[0].tolist():
                    if view.segment.symbols[row] == symbol and _encloses(outer, view.segment.containers[row]):
                        classes[first + row] = _MISSPELT
    return classes


def _requested_name(query: Query) -> tuple[list[str], str]:
    """Returns the names that must enclose the requested name, and that name; it is empty if the query has no words."""
    names = words(query.text)
    if query.symbol_like:
        return names[:-1], names[-1] if names else ""
    # Several words that are no qualified name may be one name that was typed with spaces.
    return [], "".join(names)


def _similar_names(names: NameList, name: str) -> Iterator[tuple[str, int]]:
    """Yields the names, in lower case, that contain ``name``, and the rank class of each."""
    for found in names.containing(name, _MAX_NAMES):
        yield found, _CONTAINS
    for found in names.beginning(name, _MAX_NAMES):
        yield found, _BEGINS
    for found in names.beginning(name + "\n", 1):
        yield found, _OTHER_CASE


def _rows_with_all(names: Postings, parts: list[str]) -> list[int]:
    """Returns rows that have all parts among their names; none for a single part, which other look-ups find."""
    if len(parts) < 2:
        return []
    common, *others = sorted((names.rows_with(part)[0] for part in parts), key=len)
    for other in others:
        common = common[np.isin(common, other)]
    rows: list[int] = common[:_MAX_NAMES].tolist()
    return rows


def _in_order(parts: list[str], name: str) -> bool:
    end = 0
    for part in parts:
        start = name.find(part, end)
        if start < 0:
            return False
        end = start + len(part)
    return True


def _encloses(outer: list[str], breadcrumb: tuple[str, ...]) -> bool:
    lowered = {each.lower() for each in breadcrumb}
    return all(each.lower() in lowered for each in outer)
