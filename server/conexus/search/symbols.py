"""Finds definitions for ``workspace/symbol``: exact names first, then by meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from conexus.search.pipeline import Ranked, answering, best, penalties
from conexus.search.query import Query, understand
from conexus.search.query_expansion import corrections, defined_names, expand_query
from conexus.search.reasons import of_rows
from conexus.search.scope import Scope, scope_of
from conexus.search.segment_facts import NameList
from conexus.search.signals import QueryVectors, signals
from conexus.search.weights import DEFAULT, Weights
from conexus.segments.postings import Postings
from conexus.segments.segment import name_parts, own_name
from conexus.segments.snapshot import Snapshot
from conexus.segments.terms import fold, word_terms, words
from conexus.values import Filters

# How well a name agrees with the requested name. A name that agrees better is ranked first, whatever it means.
_NEARLY, _PARTS, _INSIDE, _BEGINS, _LETTERS, _EXACT = range(1, 7)
_SAID = {
    0: "",
    _NEARLY: "spelled like {}",
    _PARTS: "name has these parts",
    _INSIDE: "name contains it",
    _BEGINS: "name begins with it",
    _LETTERS: "same name in other case",
    _EXACT: "exact name",
}
#: Maximum number of names of a segment that are considered, the first ones, because a text of one letter is in every
#: name.
_MOST_NAMES = 2000
#: Maximum number of names that are spelled nearly like a text; further ones are guesses.
_MOST_LIKENED = 10


def symbols(
    snapshot: Snapshot,
    text: str,
    *,
    vectors: QueryVectors,
    filters: Filters | None = None,
    limit: int = 50,
    check: Callable[[], None] = lambda: None,
    weights: Weights = DEFAULT,
) -> list[Ranked]:
    """Returns the best definitions, each once, best first.

    Exact names are first, then the same name in other case, names that begin with the text, names that contain it,
    names that have its parts, or, if there are none of these, names that are spelled nearly like it; then definitions
    by meaning. An empty text lists definitions. Operators work as in ``search``.
    """
    if not text.strip():
        return _all(scope_of(snapshot, filters or Filters()), limit)
    query = understand(text)
    scope = scope_of(snapshot, filters or Filters(), query.operators)
    if not query.text:
        return _all(scope, limit)
    check()
    agreement = _agreement(scope, query)
    if not agreement[scope.allowed].any():
        query = expand_query(query, scope.views)
        agreement = _likeness(scope, query)
    found = signals(scope, query, vectors, weights, check)
    check()
    eligible = (answering(scope, found) | (agreement > 0)) & scope.allowed & _definitions(scope)
    lost = penalties(scope, query, weights)
    chosen, totals = best(scope, found, weights.symbol, lost, eligible, limit, vectors, tiers=agreement)
    check()
    why = of_rows(scope, found, chosen, weights.symbol, query.corrected)
    answers = []
    for row, total, reasons in zip(chosen.tolist(), totals.tolist(), why, strict=True):
        tier = int(agreement[row])
        ref = scope.ref(row)
        said = _SAID[tier].format(ref.view.segment.symbols[ref.row])
        score = (tier + min(max(total, 0.0), 1.0)) / (_EXACT + 1)
        answers.append(Ranked(ref, score, tuple(dict.fromkeys((said, *reasons))) if said else reasons))
    return answers


def _all(scope: Scope, limit: int) -> list[Ranked]:
    rows = np.flatnonzero(scope.allowed & _definitions(scope))
    chosen = rows[np.argsort(scope.roles[rows] != 0, kind="stable")][:limit]
    return [Ranked(scope.ref(int(row)), 1 - place / (2 * limit), ("definition",)) for place, row in enumerate(chosen)]


def _definitions(scope: Scope) -> NDArray[np.bool_]:
    parts = [facts.defines for facts in scope.tables]
    return np.concatenate(parts) if parts else np.empty(0, np.bool_)


def _agreement(scope: Scope, query: Query) -> NDArray[np.float32]:
    """Returns, for each row, how well its name agrees with the query's name; 0 if it does not. Shape (rows,)."""
    rows = np.zeros(scope.rows, np.float32)
    outer, name = _asked(query)
    if not fold(name):
        return rows
    parts = [part for word in words(query.text) for part in word_terms(word)[1:] or word_terms(word)]
    for number, (view, facts) in enumerate(zip(scope.views, scope.tables, strict=True)):
        segment, first = view.segment, scope.first_rows[number]
        for row in _having(segment.names, parts if not outer else []):
            if facts.defines[row] and _in_order(parts, fold(segment.symbols[row])):
                rows[first + row] = _PARTS
        for found, level in _alike(facts.names, fold(name)):
            for row in segment.definitions.of(found)[0].tolist():
                symbol = segment.symbols[row]
                level_here = _EXACT if level == _LETTERS and name in (symbol, own_name(symbol)) else level
                if outer and not _encloses(outer, (*segment.breadcrumbs[row], *name_parts(symbol)[:-1])):
                    level_here = _PARTS
                rows[first + row] = max(rows[first + row], level_here)
    return rows


def _likeness(scope: Scope, query: Query) -> NDArray[np.float32]:
    """Returns, for each row, ``_NEARLY`` if its name is spelled nearly like the query's name, else 0. Shape (rows,)."""
    rows = np.zeros(scope.rows, np.float32)
    outer, name = _asked(query)
    for term in corrections(name, scope.views)[:_MOST_LIKENED]:
        for symbol in defined_names(term, scope.views):
            for first, view in zip(scope.first_rows, scope.views, strict=False):
                for row in view.segment.definitions.of(symbol.lower())[0].tolist():
                    if view.segment.symbols[row] == symbol and _encloses(outer, view.segment.breadcrumbs[row]):
                        rows[first + row] = _NEARLY
    return rows


def _asked(query: Query) -> tuple[list[str], str]:
    """Returns the names that must enclose the requested name, and that name; it is empty if the query has no words."""
    said = words(query.text)
    if query.symbol_like:
        return said[:-1], said[-1] if said else ""
    # Several words that are no qualified name may be one name that was typed with spaces.
    return [], "".join(said)


def _alike(names: NameList, name: str) -> Iterator[tuple[str, int]]:
    """Yields the names, in lower case, that contain ``name``, and how well they agree with it."""
    for found in names.containing(name, _MOST_NAMES):
        yield found, _INSIDE
    for found in names.beginning(name, _MOST_NAMES):
        yield found, _BEGINS
    for found in names.beginning(name + "\n", 1):
        yield found, _LETTERS


def _having(names: Postings, parts: list[str]) -> list[int]:
    """Returns rows that have all parts among their names; none for a single part, which other look-ups find."""
    if len(parts) < 2:
        return []
    common, *others = sorted((names.of(part)[0] for part in parts), key=len)
    for other in others:
        common = common[np.isin(common, other)]
    rows: list[int] = common[:_MOST_NAMES].tolist()
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
