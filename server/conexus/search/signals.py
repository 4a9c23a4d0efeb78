"""Computes the signals of a query: for each row or file of the scope, how well it answers in one respect."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.ragged import run_starts
from conexus.chunking.chunk import KINDS
from conexus.search.bm25 import NumberedConcept, Scores, idf, live_mean, norms, run_sums, saturated
from conexus.search.query import Query
from conexus.search.query_vectors import QueryVectors
from conexus.search.scope import Scope
from conexus.search.standardize import RunningStats, Signal
from conexus.search.weights import SignalWeights, Weights
from conexus.segments.postings import Rows
from conexus.segments.segment import own_name
from conexus.segments.vectors import FEW_ROWS, NO_ROWS

T = TypeVar("T")

#: Number of definitions above which a name counts less, because it says little about each of them.
_COMMON_NAME = 20
#: If fewer than 300 rows match any word, vectors decide: scan all of them exactly, up to 250 000 rows.
_FEW_MATCHES, _MAX_EXACT_ROWS = 300, 250_000
#: Factor for a definition whose name is written in other case than the query's.
_OTHER_CASE = 0.7
_MINOR_KINDS = {"property": 0.5, "variable": 0.5, "constant": 0.7, "section": 0.5, "text": 0.3}
#: Factor for a definition by its kind, because a user who names a thing means the type or function, not a field of that
#: name.
_KIND_SHARES = np.array([_MINOR_KINDS.get(kind, 1.0) for kind in KINDS], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class FoundWord:
    """A word of the query that was found in one field of some live rows."""

    #: The word as the user wrote it.
    word: str
    #: Number of the query's concept that the word stands for.
    concept: int
    #: The word's inverse document frequency (a natural logarithm) times the concept's weight, 0 or more.
    rarity: float
    #: The live rows that have the word or another form of it, as the scope numbers them: ascending, each once, not
    #: empty; shape (found rows,).
    rows: Rows


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """The values of all signals. The values of rows and files that are not live have no meaning.

    A signal is either a similarity, standardised to mean 0 and deviation 1 over all live rows or files and without
    fixed limits, or a share of 0..1. ``make_exact`` alone changes values.
    """

    #: The number of rows of each file, shape (files,).
    rows_of_files: NDArray[np.int64]
    # signals of rows, shape (rows,)
    #: Similarity: cosine of the query's vector and the chunk's vector.
    dense: Signal
    #: Similarity: BM25 of the code.
    body: Signal
    #: Similarity: BM25 of the symbol, the names that enclose it and the path.
    names: Signal
    #: 0..1: whether the row defines a name of the query; less for a name in other case, a common name, a property.
    defines_name: Signal
    # signals of files, shape (files,)
    #: Similarity: cosine of the query's vector and the mean of the vectors of the file's chunks.
    file_dense: Signal
    #: Similarity: BM25 of the code of all chunks of the file.
    file_body: Signal
    #: 0..1: the share of the query, weighted by rarity, that the names of the file and its folder have.
    file_name_match: Signal
    #: 0..1: the share of the words of the file's name that the query has.
    file_name_coverage: Signal
    #: 0 or 1: whether the query names the file.
    file_named: Signal
    #: The words of the query that were found in the code.
    in_body: tuple[FoundWord, ...]
    #: The words of the query that were found in names.
    in_names: tuple[FoundWord, ...]
    #: Whether ``dense`` and ``file_dense`` are exact, not cosines of the leading components.
    exact: bool

    @property
    def found_words(self) -> tuple[FoundWord, ...]:
        return self.in_body + self.in_names

    def total(self, weights: SignalWeights) -> Scores:
        """Returns the weighted sum of all signals for each row, shape (rows,); the sum has no fixed range."""
        of_files, offset_of_files = self._sum(weights, FILE_SIGNALS, len(self.file_dense.raw))
        of_rows, offset_of_rows = self._sum(weights, ROW_SIGNALS, len(self.dense.raw))
        of_files += np.float32(offset_of_files + offset_of_rows)
        # The rows of a file are contiguous.
        of_rows += of_files.repeat(self.rows_of_files)
        return of_rows

    def total_of(self, weights: SignalWeights, rows: NDArray[np.int64], files: NDArray[np.int32]) -> Scores:
        """Returns the weighted sum for some rows, in the given order; ``files`` has the file of each of them.

        The arguments and the result have the shape (requested rows,).
        """
        total = np.zeros(len(rows), np.float32)
        for names, places in ((ROW_SIGNALS, rows), (FILE_SIGNALS, files)):
            for name in names:
                total += np.float32(getattr(weights, name)) * getattr(self, name)[places]
        return total

    def _sum(self, weights: SignalWeights, names: tuple[str, ...], size: int) -> tuple[Scores, float]:
        """Returns the weighted sum of some signals, shape (size,), and a number to add to each value of it."""
        total = np.zeros(size, np.float32)
        offset = 0.0
        for name in names:
            signal: Signal = getattr(self, name)
            if not signal.is_zero:
                factor = getattr(weights, name) / float(signal.z_score.deviation)
                offset -= factor * float(signal.z_score.mean)
                total += signal.raw * np.float32(factor)
        return total, offset


ROW_SIGNALS = ("dense", "body", "names", "defines_name")
FILE_SIGNALS = ("file_dense", "file_body", "file_name_match", "file_name_coverage", "file_named")


def compute_signals(
    scope: Scope, query: Query, vectors: QueryVectors, weights: Weights, check: Callable[[], None] = lambda: None
) -> Signals:
    """Returns all signals of a query. A signal whose weight is 0 is 0 everywhere.

    ``check`` is called, in any thread, after each view whose vectors were read, because vectors are most of its bytes.
    """
    few = has_few_rows(scope)
    compute = partial(_dense, scope, vectors, check, exact=few)
    # For few rows the cosines are ready before another thread has started.
    cosines = compute if few else run_concurrently(compute)
    in_body: list[FoundWord] = []
    in_names: list[FoundWord] = []
    lexicons = [view.segment.lexicon for view in scope.views]
    concepts = [NumberedConcept.from_lexicons(concept, lexicons) for concept in query.concepts]
    body, file_body = _lexical(scope, concepts, weights, in_body)
    names = _names(scope, concepts, weights, in_names)
    file_name_match, file_name_coverage = _file_names(scope, concepts)
    defines_name, file_named = _defines_name(scope, query), _file_named(scope, query)
    dense, file_dense, exact = cosines()
    if not exact and _has_few_matches(scope, in_body + in_names):
        dense, file_dense, exact = _dense(scope, vectors, check, exact=True)
    signals = Signals(
        rows_of_files=scope.rows_of_files,
        dense=dense,
        body=body,
        names=names,
        defines_name=defines_name,
        file_dense=file_dense,
        file_body=file_body,
        file_name_match=file_name_match,
        file_name_coverage=file_name_coverage,
        file_named=file_named,
        in_body=tuple(in_body),
        in_names=tuple(in_names),
        exact=exact,
    )
    mix = weights.mix(symbol_like=query.symbol_like)
    unweighted = [name for name in ROW_SIGNALS + FILE_SIGNALS if not getattr(mix, name)]
    zeros: dict[str, Any] = {name: Signal.zero(len(getattr(signals, name).raw)) for name in unweighted}
    return replace(signals, **zeros) if zeros else signals


def _dense(
    scope: Scope, vectors: QueryVectors, check: Callable[[], None], *, exact: bool
) -> tuple[Signal, Signal, bool]:
    """Returns the cosines of rows and of files, and whether they are exact.

    The standardised cosine is 0 in a view whose model has no vector of the query.
    """
    # Rows that are no candidates keep 0, because pages that are never written to take no memory.
    rows = np.zeros(scope.rows, np.float32)
    files = np.empty(scope.files, np.float32)
    missing: list[tuple[slice, slice]] = []
    stats, stats_of_files = RunningStats(), RunningStats()
    all_exact = True
    for number, view in enumerate(scope.views):
        vector = vectors.get(view.segment.model)
        of_view = slice(scope.first_rows[number], scope.first_rows[number + 1])
        of_files = slice(scope.first_files[number], scope.first_files[number + 1])
        if vector is None or not vector.any():
            missing.append((of_view, of_files))
            continue
        dense = view.segment.dense
        if scope.candidates is None:
            are_exact = dense.cosines(vector, rows[of_view], exact=exact)
        else:
            own = scope.candidates_of(number)
            rows[of_view][own] = dense.exact_cosines(own, vector)
            are_exact = False
        files_are_exact = dense.file_cosines(vector, files[of_files], exact=exact)
        all_exact = all_exact and are_exact and files_are_exact
        live = None if scope.live is None else scope.live[of_view]
        _add_cosines(stats, dense.cosine_moments, vector, rows[of_view], live, are_exact=are_exact)
        live = None if scope.live_files is None else scope.live_files[of_files]
        _add_cosines(
            stats_of_files, dense.file_cosine_moments, vector, files[of_files], live, are_exact=files_are_exact
        )
        check()
    if len(missing) == len(scope.views):
        return Signal.zero(scope.rows), Signal.zero(scope.files), True
    row_signal, file_signal = Signal(rows, stats.z_score()), Signal(files, stats_of_files.z_score())
    for of_view, of_files in missing:
        rows[of_view], files[of_files] = row_signal.z_score.mean, file_signal.z_score.mean
    return row_signal, file_signal, all_exact


def _add_cosines(
    stats: RunningStats,
    sums: Callable[[NDArray[np.float32], NDArray[np.int64]], tuple[float, float]],
    vector: NDArray[np.float32],
    cosines: Scores,
    live: NDArray[np.bool_] | None,
    *,
    are_exact: bool,
) -> None:
    """Adds the exact cosines of one view's live rows or files (``live`` is None: of all) to ``stats``.

    ``sums`` returns the sums for all rows or files of the segment except for some places.
    """
    size = len(cosines) if live is None else int(np.count_nonzero(live))
    if are_exact:
        # Zeros change no sum, and this is several times faster than a selection of the other values.
        if live is not None and size < len(cosines):
            cosines = cosines * live
        stats.add(size, float(cosines.sum()), float(np.dot(cosines, cosines)))
    else:
        left_out = NO_ROWS if live is None or size == len(cosines) else np.flatnonzero(~live)
        stats.add(size, *sums(vector, left_out))


def make_exact(scope: Scope, signals: Signals, vectors: QueryVectors, rows: NDArray[np.int64]) -> None:
    """Replaces cosines of some rows and their files that may be approximate by the exact cosines, in ``signals``."""
    if signals.dense.is_zero:
        return
    owners = np.searchsorted(scope.first_rows, rows, side="right") - 1
    for number in np.unique(owners).tolist():
        view = scope.views[number]
        dense = view.segment.dense
        vector = vectors.get(view.segment.model)
        if vector is None or not vector.any():
            continue
        own = rows[owners == number]
        if dense.basis.shape[1]:
            signals.dense.raw[own] = dense.exact_cosines(own - scope.first_rows[number], vector)
        if dense.basis.shape[1] and not signals.file_dense.is_zero:
            files = np.unique(scope.file_of[own])
            signals.file_dense.raw[files] = dense.exact_file_cosines(files - scope.first_files[number], vector)


def _has_few_matches(scope: Scope, words: Sequence[FoundWord]) -> bool:
    """Decides whether most candidates are selected by their cosines alone, so that exact cosines are worth their time.

    For such a query (a rare word or a beginning of one) the best rows are not sure to be among the best rows by leading
    components. Exact cosines of all rows then justify several times the time, unless there are too many rows.
    """
    few = sum(len(word.rows) for word in words) < _FEW_MATCHES
    return few and scope.rows < _MAX_EXACT_ROWS and scope.candidates is None


def has_few_rows(scope: Scope) -> bool:
    """Decides whether there are so few rows that exact cosines of all take no longer than a search in two passes."""
    return scope.candidates is None and scope.rows < FEW_ROWS


def _lexical(
    scope: Scope, concepts: Sequence[NumberedConcept], weights: Weights, words: list[FoundWord]
) -> tuple[Signal, Signal]:
    """Returns BM25 of rows and of files, standardised. Appends the words that were found to ``words``."""
    body = scope.field("body")
    k1, b = weights.body_k1, weights.body_b
    mean, file_mean = body.mean_length, _mean_file_length(scope)
    row_norms = scope.memoized(("norms of body", k1, b), lambda: norms(body.lengths, mean, k1, b))
    file_norms = scope.memoized(("norms of files", k1, b), lambda: norms(scope.file_lengths, file_mean, k1, b))
    rows = np.zeros(scope.rows, np.float32)
    files = np.zeros(scope.files, np.float32)
    live_count, live_file_count = scope.live_count, scope.live_file_count
    for number, numbered in enumerate(concepts):
        concept = numbered.concept
        found, counts = body.occurrences(numbered)
        if not len(found):
            continue
        rarity = np.float32(idf(len(found), live_count) * concept.weight)
        words.append(FoundWord(concept.word, number, float(rarity), found))
        rows[found] += rarity * saturated(counts, row_norms[found])
        owners = scope.file_of[found]
        # The rows of a file are contiguous.
        starts = run_starts(owners)
        hit, in_files = owners[starts], run_sums(starts, counts)
        file_rarity = np.float32(idf(len(hit), live_file_count) * concept.weight)
        files[hit] += file_rarity * saturated(in_files, file_norms[hit])
    return Signal.from_similarities(rows, scope.live), Signal.from_similarities(files, scope.live_files)


def _file_names(scope: Scope, concepts: Sequence[NumberedConcept]) -> tuple[Signal, Signal]:
    """Returns two shares (0..1) for each file: ``Signals.file_name_match`` and ``Signals.file_name_coverage``."""
    stems, parents = scope.field_of_files("stems"), scope.field_of_files("parents")
    live_file_count = scope.live_file_count
    match = np.zeros(scope.files, np.float32)
    coverage = np.zeros(scope.files, np.float32)
    total_rarity = 1e-6
    for numbered in concepts:
        weight = numbered.concept.weight
        in_stem, _ = stems.occurrences(numbered)
        in_parent, _ = parents.occurrences(numbered)
        rarity = idf(len(in_stem), live_file_count) * weight
        if weight == 1.0:
            total_rarity += rarity
        if len(in_parent):
            share = np.zeros(scope.files, np.float32)
            share[in_parent] = 0.5
            share[in_stem] = 1
            match += np.float32(rarity) * share
        else:
            match[in_stem] += np.float32(rarity)
        coverage[in_stem] += 1
    match /= np.float32(total_rarity)
    coverage /= np.maximum(stems.lengths, 1)
    np.minimum(match, 1, out=match)
    np.minimum(coverage, 1, out=coverage)
    return Signal.from_shares(match), Signal.from_shares(coverage)


def _names(scope: Scope, concepts: Sequence[NumberedConcept], weights: Weights, words: list[FoundWord]) -> Signal:
    """Returns BM25 of the rows' names, standardised. Appends the words that were found to ``words``."""
    names = scope.field("names")
    k1, b = weights.names_k1, weights.names_b
    row_norms = scope.memoized(("norms of names", k1, b), lambda: norms(names.lengths, names.mean_length, k1, b))
    rows = np.zeros(scope.rows, np.float32)
    live_count = scope.live_count
    for number, numbered in enumerate(concepts):
        concept = numbered.concept
        found, counts = names.occurrences(numbered)
        if len(found):
            rarity = np.float32(idf(len(found), live_count) * concept.weight)
            words.append(FoundWord(concept.word, number, float(rarity), found))
            rows[found] += rarity * saturated(counts, row_norms[found])
    return Signal.from_similarities(rows, scope.live)


def _mean_file_length(scope: Scope) -> float:
    return scope.memoized("mean file length", lambda: live_mean(scope.file_lengths, scope.live_files))


def _defines_name(scope: Scope, query: Query) -> Signal:
    """Returns 0..1 for each row: above 0 if it defines a name of the query.

    The value is lower for a name in other case, for a common name, and for a mere property.
    """
    if not query.identifiers:
        return Signal.zero(scope.rows)
    rows = np.zeros(scope.rows, np.float32)
    for name in query.identifiers:
        exact: list[int] = []
        other_case: list[int] = []
        for first, view in zip(scope.first_rows, scope.views, strict=False):
            defining = view.segment.definitions.rows_with(name.lower())[0]
            for row in defining[view.live[defining]].tolist():
                symbol = view.segment.symbols[row]
                (exact if name in (symbol, own_name(symbol)) else other_case).append(first + row)
        found = np.array(exact or other_case, np.int64)
        if len(found):
            rarity = min(1.0, (_COMMON_NAME / len(found)) ** 0.5)
            value = (1.0 if exact else _OTHER_CASE) * rarity * _KIND_SHARES[scope.kinds[found]]
            rows[found] = np.maximum(rows[found], value)
    return Signal.from_shares(rows)


def _file_named(scope: Scope, query: Query) -> Signal:
    """Returns 1 for each file whose path ends with a path that the query names, else 0."""
    if not query.files:
        return Signal.zero(scope.files)
    files = np.zeros(scope.files, np.float32)
    for path in query.files:
        name = path.rsplit("/", 1)[-1]
        for number, view in enumerate(scope.views):
            for file in view.segment.file_names.rows_with(name)[0].tolist():
                full = "/" + view.segment.files[file].path.lower()
                if full.endswith("/" + path.lstrip("./")):
                    files[scope.first_files[number] + file] = 1
    return Signal.from_shares(files)


def run_concurrently(work: Callable[[], T]) -> Callable[[], T]:
    """Starts ``work`` on the second thread and returns a function that waits for its result.

    If that thread is busy or there is only one core, the returned function does the work itself. It must be called
    once, and raises what ``work`` raises.
    """
    thread = _thread()
    if thread is None:
        return work
    future = thread.submit(work)

    def result() -> T:
        # ``cancel`` succeeds if the work has not begun, because the thread is busy with another request.
        return work() if future.cancel() else future.result()

    return result


@lru_cache(maxsize=1)
def _thread() -> ThreadPoolExecutor | None:
    """Returns the one second thread of the process; None if there is only one core."""
    return ThreadPoolExecutor(1, "conexus-concurrently") if (os.cpu_count() or 1) > 1 else None


def is_member(rows: NDArray[np.integer], ascending: Rows) -> NDArray[np.bool_]:
    """Decides for each row whether it is in ``ascending``, which must not be empty. Shape (rows,)."""
    # The rows get the type of ``ascending``; with another type, all of ``ascending`` would be copied for the search.
    sought = rows.astype(ascending.dtype, copy=False)
    found: NDArray[np.bool_] = ascending.take(ascending.searchsorted(sought), mode="clip") == sought
    return found
