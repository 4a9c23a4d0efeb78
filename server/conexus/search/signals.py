"""Computes the signals of a query: for each row or file of the scope, how well it answers in one respect."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.ragged import run_starts
from conexus.chunking.chunk import KINDS
from conexus.search.bm25 import Scores, Sought, idf, mean_of, norms, saturated, sums_from
from conexus.search.query import Query
from conexus.search.scope import Scope
from conexus.search.standardize import RunningStats, ZScore
from conexus.search.weights import SignalWeights, Weights
from conexus.segments.postings import Rows
from conexus.segments.segment import own_name
from conexus.segments.vectors import FEW_ROWS, NOWHERE

T = TypeVar("T")


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


#: Query vectors by the fingerprint of the model that made them, each of shape (dimensions,).
QueryVectors = Mapping[str, NDArray[np.float32]]

#: Number of definitions above which a name counts less, because it says little about each of them.
_COMMON_NAME = 20
#: If fewer than 300 rows match any word, vectors decide: scan all of them exactly, up to 250 000 rows.
_FEW_FOUND, _MOST_EXACT = 300, 250_000
#: Factor for a definition whose name is written in other case than the query's.
_OTHER_CASE = 0.7
_MINOR_KINDS = {"property": 0.5, "variable": 0.5, "constant": 0.7, "section": 0.5, "text": 0.3}
#: Factor for a definition by its kind, because a user who names a thing means the type or function, not a field of that
#: name.
_KIND_SHARES = np.array([_MINOR_KINDS.get(kind, 1.0) for kind in KINDS], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class FoundWord:
    """A word of the query and the live rows that have it, each once, in ascending order."""

    word: str
    #: Which of the query's concepts the word stands for.
    concept: int
    #: The word's inverse document frequency times the concept's weight, 0 or more.
    rarity: float
    rows: Rows


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """The values of one signal for each row or each file: 0..1, or a similarity with mean 0 and deviation 1.

    Similarities are standardised over all live rows or files, but z-scores are computed for the requested ones only.
    """

    #: The values before they are standardised, shape (rows,) or (files,).
    raw: Scores
    scale: ZScore
    #: Whether all values are 0.
    silent: bool = False

    @staticmethod
    def none(size: int) -> Signal:
        return Signal(np.broadcast_to(np.float32(0), (size,)), ZScore.none(), silent=True)

    @staticmethod
    def plain(values: Scores) -> Signal:
        return Signal(values, ZScore.none())

    @staticmethod
    def likeness(raw: Scores, counted: NDArray[np.bool_] | None = None) -> Signal:
        """Makes a signal that is standardised over the values that are ``counted`` (None: all)."""
        size = len(raw) if counted is None else int(np.count_nonzero(counted))
        if not size:
            return Signal.none(len(raw))
        # Zeros change no sum, and this is several times faster than a selection of the other values.
        seen = raw if counted is None or size == len(raw) else raw * counted
        return Signal(raw, ZScore.of(seen, size))

    def __getitem__(self, places: NDArray[np.integer] | int) -> Scores:
        """Returns the values at some places, in the given order."""
        return self.scale.of_values(self.raw[places])

    @property
    def values(self) -> Scores:
        """All values, shape (rows,) or (files,)."""
        return self.scale.of_values(self.raw)


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """The values of all signals. The values of rows and files that are not live have no meaning."""

    #: The number of rows of each file, shape (files,).
    rows_of_files: NDArray[np.int64]
    # signals of rows
    #: Similarity: cosine of the query's vector and the chunk's vector.
    dense: Signal
    #: Similarity: BM25 of the code.
    body: Signal
    #: Similarity: BM25 of the symbol, the names that enclose it and the path.
    names: Signal
    #: 0..1: the row defines a name that the query names.
    defined: Signal
    # signals of files
    #: Similarity: as ``dense`` and ``body``, of the whole file.
    file_dense: Signal
    file_body: Signal
    #: 0..1: the share of the query that the names of the file and its folder have.
    stem: Signal
    #: 0..1: the share of the file's name that the query has.
    called: Signal
    #: 0 or 1: the query names the file.
    filed: Signal
    #: The words of the query that were found, with their rows: in the code, and in names.
    in_body: tuple[FoundWord, ...]
    in_names: tuple[FoundWord, ...]
    #: Whether ``dense`` and ``file_dense`` are exact, not cosines of the leading components.
    exact: bool

    @property
    def found(self) -> tuple[FoundWord, ...]:
        return self.in_body + self.in_names

    def total(self, weights: SignalWeights) -> Scores:
        """Returns the weighted sum of all signals for each row, shape (rows,); the sum has no fixed range."""
        of_files, shift = self._sum(weights, OF_FILES, len(self.file_dense.raw))
        of_rows, more = self._sum(weights, OF_ROWS, len(self.dense.raw))
        of_files += np.float32(shift + more)
        # The rows of a file are contiguous.
        of_rows += of_files.repeat(self.rows_of_files)
        return of_rows

    def total_of(self, weights: SignalWeights, rows: NDArray[np.int64], files: NDArray[np.int32]) -> Scores:
        """Returns the weighted sum for some rows, in the given order; ``files`` has the file of each of them."""
        total = np.zeros(len(rows), np.float32)
        for names, places in ((OF_ROWS, rows), (OF_FILES, files)):
            for name in names:
                total += np.float32(getattr(weights, name)) * getattr(self, name)[places]
        return total

    def _sum(self, weights: SignalWeights, names: tuple[str, ...], size: int) -> tuple[Scores, float]:
        """Returns the weighted sum of some signals, shape (size,), and a number to add to each value of it."""
        total = np.zeros(size, np.float32)
        shift = 0.0
        for name in names:
            signal: Signal = getattr(self, name)
            if not signal.silent:
                factor = getattr(weights, name) / float(signal.scale.deviation)
                shift -= factor * float(signal.scale.mean)
                total += signal.raw * np.float32(factor)
        return total, shift


OF_ROWS = ("dense", "body", "names", "defined")
OF_FILES = ("file_dense", "file_body", "stem", "called", "filed")


def signals(
    scope: Scope, query: Query, vectors: QueryVectors, weights: Weights, check: Callable[[], None] = lambda: None
) -> Signals:
    """Returns all signals of a query. A signal whose weight is 0 is 0 everywhere.

    ``check`` is called, in any thread, after each view whose vectors were read, because vectors are most of its bytes.
    """
    few = are_few(scope)
    work = partial(_dense, scope, vectors, check, exact=few)
    # For few rows the cosines are ready before another thread has started.
    likenesses = work if few else run_concurrently(work)
    in_body: list[FoundWord] = []
    in_names: list[FoundWord] = []
    lexicons = [view.segment.lexicon for view in scope.views]
    concepts = [Sought.of(concept, lexicons) for concept in query.concepts]
    body, file_body = _lexical(scope, concepts, weights, in_body)
    names = _names(scope, concepts, weights, in_names)
    stem, called = _paths(scope, concepts)
    defined, filed = _defined(scope, query), _filed(scope, query)
    dense, file_dense, exact = likenesses()
    if not exact and _says_little(scope, in_body + in_names):
        dense, file_dense, exact = _dense(scope, vectors, check, exact=True)
    found = Signals(
        rows_of_files=scope.rows_of_files,
        dense=dense,
        body=body,
        names=names,
        defined=defined,
        file_dense=file_dense,
        file_body=file_body,
        stem=stem,
        called=called,
        filed=filed,
        in_body=tuple(in_body),
        in_names=tuple(in_names),
        exact=exact,
    )
    mix = weights.symbol if query.symbol_like else weights.prose
    quiet = [name for name in OF_ROWS + OF_FILES if not getattr(mix, name)]
    silent: dict[str, Any] = {name: Signal.none(len(getattr(found, name).raw)) for name in quiet}
    return replace(found, **silent) if silent else found


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
    tally, tally_of_files = RunningStats(), RunningStats()
    all_exact = True
    for number, view in enumerate(scope.views):
        vector = vectors.get(view.segment.model)
        of_view = slice(scope.first_rows[number], scope.first_rows[number + 1])
        of_files = slice(scope.first_files[number], scope.first_files[number + 1])
        if vector is None or not vector.any():
            missing.append((of_view, of_files))
            continue
        dense = view.segment.dense
        if scope.chosen is None:
            are_exact = dense.cosines(vector, rows[of_view], exact=exact)
        else:
            own = scope.chosen_of(number)
            rows[of_view][own] = dense.exact_cosines(own, vector)
            are_exact = False
        files_are_exact = dense.cosines_of_files(vector, files[of_files], exact=exact)
        all_exact = all_exact and are_exact and files_are_exact
        counted = None if scope.counted is None else scope.counted[of_view]
        _add(tally, dense.sums, vector, rows[of_view], counted, are_exact=are_exact)
        counted = None if scope.counted_files is None else scope.counted_files[of_files]
        _add(tally_of_files, dense.sums_of_files, vector, files[of_files], counted, are_exact=files_are_exact)
        check()
    if len(missing) == len(scope.views):
        return Signal.none(scope.rows), Signal.none(scope.files), True
    of_rows, of_all_files = Signal(rows, tally.scale()), Signal(files, tally_of_files.scale())
    for of_view, of_files in missing:
        rows[of_view], files[of_files] = of_rows.scale.mean, of_all_files.scale.mean
    return of_rows, of_all_files, all_exact


def _add(
    tally: RunningStats,
    sums: Callable[[NDArray[np.float32], NDArray[np.int64]], tuple[float, float]],
    vector: NDArray[np.float32],
    found: Scores,
    counted: NDArray[np.bool_] | None,
    *,
    are_exact: bool,
) -> None:
    """Adds the exact cosines of the rows or files that are ``counted`` (None: all) to ``tally``.

    ``sums`` returns the sums for all rows or files of the segment except for some places.
    """
    size = len(found) if counted is None else int(np.count_nonzero(counted))
    if are_exact:
        # Zeros change no sum, and this is several times faster than a selection of the other values.
        if counted is not None and size < len(found):
            found = found * counted
        tally.add(size, float(found.sum()), float(np.dot(found, found)))
    else:
        left_out = NOWHERE if counted is None or size == len(found) else np.flatnonzero(~counted)
        tally.add(size, *sums(vector, left_out))


def make_exact(scope: Scope, found: Signals, vectors: QueryVectors, rows: NDArray[np.int64]) -> None:
    """Replaces cosines of some rows and their files that may be approximate by the exact cosines, in ``found``."""
    if found.dense.silent:
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
            found.dense.raw[own] = dense.exact_cosines(own - scope.first_rows[number], vector)
        if dense.basis.shape[1] and not found.file_dense.silent:
            files = np.unique(scope.file_of[own])
            found.file_dense.raw[files] = dense.exact_cosines_of_files(files - scope.first_files[number], vector)


def _says_little(scope: Scope, words: Sequence[FoundWord]) -> bool:
    """Decides whether most candidates are chosen by their cosines alone, so that exact cosines are worth their time.

    For such a query (a rare word or a beginning of one) the best rows are not sure to be among the best rows by leading
    components. Exact cosines of all rows then justify several times the time, unless there are too many rows.
    """
    few = sum(len(word.rows) for word in words) < _FEW_FOUND
    return few and scope.rows < _MOST_EXACT and scope.chosen is None


def are_few(scope: Scope) -> bool:
    """Decides whether there are so few rows that exact cosines of all take no longer than a search in two passes."""
    return scope.chosen is None and scope.rows < FEW_ROWS


def _lexical(
    scope: Scope, concepts: Sequence[Sought], weights: Weights, words: list[FoundWord]
) -> tuple[Signal, Signal]:
    """Returns BM25 of rows and of files, standardised. Appends the words that were found to ``words``."""
    body = scope.field("body")
    k1, b = weights.body_k1, weights.body_b
    mean, file_mean = body.mean_length, _mean_file_length(scope)
    row_norms = scope.once(("norms of body", k1, b), lambda: norms(body.lengths, mean, k1, b))
    file_norms = scope.once(("norms of files", k1, b), lambda: norms(scope.file_lengths, file_mean, k1, b))
    rows = np.zeros(scope.rows, np.float32)
    files = np.zeros(scope.files, np.float32)
    population, file_population = scope.population, scope.file_population
    for number, sought in enumerate(concepts):
        concept = sought.concept
        found, counts = body.occurrences(sought)
        if not len(found):
            continue
        rarity = np.float32(idf(len(found), population) * concept.weight)
        words.append(FoundWord(concept.word, number, float(rarity), found))
        rows[found] += rarity * saturated(counts, row_norms[found])
        owners = scope.file_of[found]
        # The rows of a file are contiguous.
        starts = run_starts(owners)
        hit, in_files = owners[starts], sums_from(starts, counts)
        file_rarity = np.float32(idf(len(hit), file_population) * concept.weight)
        files[hit] += file_rarity * saturated(in_files, file_norms[hit])
    return Signal.likeness(rows, scope.counted), Signal.likeness(files, scope.counted_files)


def _paths(scope: Scope, concepts: Sequence[Sought]) -> tuple[Signal, Signal]:
    """Returns two shares (0..1) for each file: ``Signals.stem`` and ``Signals.called``."""
    stems, parents = scope.field_of_files("stems"), scope.field_of_files("parents")
    population = scope.file_population
    said = np.zeros(scope.files, np.float32)
    called = np.zeros(scope.files, np.float32)
    asked = 1e-6
    for sought in concepts:
        weight = sought.concept.weight
        in_stem, _ = stems.occurrences(sought)
        in_parent, _ = parents.occurrences(sought)
        rarity = idf(len(in_stem), population) * weight
        if weight == 1.0:
            asked += rarity
        if len(in_parent):
            here = np.zeros(scope.files, np.float32)
            here[in_parent] = 0.5
            here[in_stem] = 1
            said += np.float32(rarity) * here
        else:
            said[in_stem] += np.float32(rarity)
        called[in_stem] += 1
    said /= np.float32(asked)
    called /= np.maximum(stems.lengths, 1)
    return Signal.plain(np.minimum(said, 1, out=said)), Signal.plain(np.minimum(called, 1, out=called))


def _names(scope: Scope, concepts: Sequence[Sought], weights: Weights, words: list[FoundWord]) -> Signal:
    names = scope.field("names")
    k1, b = weights.names_k1, weights.names_b
    row_norms = scope.once(("norms of names", k1, b), lambda: norms(names.lengths, names.mean_length, k1, b))
    rows = np.zeros(scope.rows, np.float32)
    population = scope.population
    for number, sought in enumerate(concepts):
        concept = sought.concept
        found, counts = names.occurrences(sought)
        if len(found):
            rarity = np.float32(idf(len(found), population) * concept.weight)
            words.append(FoundWord(concept.word, number, float(rarity), found))
            rows[found] += rarity * saturated(counts, row_norms[found])
    return Signal.likeness(rows, scope.counted)


def _mean_file_length(scope: Scope) -> float:
    return scope.once("mean file length", lambda: mean_of(scope.file_lengths, scope.counted_files))


def _defined(scope: Scope, query: Query) -> Signal:
    """Returns 0..1 for each row: above 0 if it defines a name of the query.

    The value is lower for a name in other case, for a common name, and for a mere property.
    """
    if not query.identifiers:
        return Signal.none(scope.rows)
    rows = np.zeros(scope.rows, np.float32)
    for name in query.identifiers:
        exact: list[int] = []
        alike: list[int] = []
        for first, view in zip(scope.first_rows, scope.views, strict=False):
            defining = view.segment.definitions.of(name.lower())[0]
            for row in defining[view.live[defining]].tolist():
                symbol = view.segment.symbols[row]
                (exact if name in (symbol, own_name(symbol)) else alike).append(first + row)
        found = np.array(exact or alike, np.int64)
        if len(found):
            rarity = min(1.0, (_COMMON_NAME / len(found)) ** 0.5)
            value = (1.0 if exact else _OTHER_CASE) * rarity * _KIND_SHARES[scope.kinds[found]]
            rows[found] = np.maximum(rows[found], value)
    return Signal.plain(rows)


def _filed(scope: Scope, query: Query) -> Signal:
    """Returns 1 for each file whose path ends with a path that the query names, else 0."""
    if not query.files:
        return Signal.none(scope.files)
    files = np.zeros(scope.files, np.float32)
    for path in query.files:
        name = path.rsplit("/", 1)[-1]
        for number, view in enumerate(scope.views):
            for file in view.segment.file_names.of(name)[0].tolist():
                full = "/" + view.segment.files[file].path.lower()
                if full.endswith("/" + path.lstrip("./")):
                    files[scope.first_files[number] + file] = 1
    return Signal.plain(files)
