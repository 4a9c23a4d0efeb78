"""The signals of a query: for each row of the scope, how well it answers in one respect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conexus.chunking.chunk import KINDS
from conexus.index.dense import FEW_ROWS, NOWHERE
from conexus.index.postings import Rows
from conexus.index.segment import own_name
from conexus.ragged import run_starts
from conexus.search.bm25 import Scores, Sought, idf, mean_of, norms, saturated, sums_from
from conexus.search.concurrently import run_concurrently
from conexus.search.query import Query
from conexus.search.scope import Scope
from conexus.search.standardize import RunningStats, ZScore
from conexus.search.weights import SignalWeights, Weights

#: Query vectors by the fingerprint of the model that made them, each of shape (dimensions,).
QueryVectors = Mapping[str, NDArray[np.float32]]

#: A name that many rows define says little about each of them.
_COMMON_NAME = 20
#: So few rows with words of the query are less than candidates; and of more rows than this not all are looked at.
_FEW_FOUND, _MOST_EXACT = 300, 250_000
#: What a definition counts whose name is written in other case than the query's.
_OTHER_CASE = 0.7
_MINOR_KINDS = {"property": 0.5, "variable": 0.5, "constant": 0.7, "section": 0.5, "text": 0.3}
#: What a definition counts by its kind: who names a thing means the type or function, not a field of that name.
_KIND_SHARES = np.array([_MINOR_KINDS.get(kind, 1.0) for kind in KINDS], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class FoundWord:
    """A word of the query and the rows that have it, in ascending order."""

    word: str
    #: Which of the query's concepts the word stands for.
    concept: int
    #: Its inverse document frequency times the concept's weight.
    rarity: float
    rows: Rows


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """What one signal says of each row, or of each file: 0..1, or a likeness with mean 0 and deviation 1.

    Likenesses are standardised over all rows or files that count, but only those are computed that are asked for.
    """

    #: Shape (rows,) or (files,).
    raw: Scores
    scale: ZScore
    #: Whether it says 0 of everything.
    silent: bool = False

    @staticmethod
    def none(size: int) -> Signal:
        return Signal(np.broadcast_to(np.float32(0), (size,)), ZScore.none(), silent=True)

    @staticmethod
    def plain(values: Scores) -> Signal:
        return Signal(values, ZScore.none())

    @staticmethod
    def likeness(raw: Scores, counted: NDArray[np.bool_] | None = None) -> Signal:
        """Standardised over those that are ``counted`` (None: all)."""
        size = len(raw) if counted is None else int(np.count_nonzero(counted))
        if not size:
            return Signal.none(len(raw))
        # Zeros change no sum: several times faster than choosing the others.
        seen = raw if counted is None or size == len(raw) else raw * counted
        return Signal(raw, ZScore.of(seen, size))

    def __getitem__(self, places: NDArray[np.integer] | int) -> Scores:
        """What is said of some, in the order given."""
        return self.scale.of_values(self.raw[places])

    @property
    def values(self) -> Scores:
        """What is said of all."""
        return self.scale.of_values(self.raw)


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """What all signals say. Of what does not count they say anything."""

    #: How many rows each file has, file after file.
    rows_of_files: NDArray[np.int64]
    # of rows
    #: Likeness: cosine of the query's vector and the chunk's.
    dense: Signal
    #: Likeness: BM25 of the code.
    body: Signal
    #: Likeness: BM25 of the symbol, what encloses it and the path.
    names: Signal
    #: 0..1: the row defines a name that the query names.
    defined: Signal
    # of files
    #: As ``dense`` and ``body``, of the whole file.
    file_dense: Signal
    file_body: Signal
    #: 0..1: how much of the query the names of the file and its folder say.
    stem: Signal
    #: 0..1: how much of the file's name the query says.
    called: Signal
    #: 0 or 1: the query names the file.
    filed: Signal
    #: Which words of the query were found where, in the code and in names.
    in_body: tuple[FoundWord, ...]
    in_names: tuple[FoundWord, ...]
    #: Whether ``dense`` and ``file_dense`` are exact, and not by leading components.
    exact: bool

    @property
    def found(self) -> tuple[FoundWord, ...]:
        return self.in_body + self.in_names

    def total(self, weights: SignalWeights) -> Scores:
        """The weighted sum for each row, shape (rows,)."""
        of_files, shift = self._sum(weights, OF_FILES, len(self.file_dense.raw))
        of_rows, more = self._sum(weights, OF_ROWS, len(self.dense.raw))
        of_files += np.float32(shift + more)
        # The rows of a file are neighbours.
        of_rows += of_files.repeat(self.rows_of_files)
        return of_rows

    def total_of(self, weights: SignalWeights, rows: NDArray[np.int64], files: NDArray[np.int32]) -> Scores:
        """The weighted sum for some rows, in the order given, and the files that they are of."""
        total = np.zeros(len(rows), np.float32)
        for names, places in ((OF_ROWS, rows), (OF_FILES, files)):
            for name in names:
                total += np.float32(getattr(weights, name)) * getattr(self, name)[places]
        return total

    def _sum(self, weights: SignalWeights, names: tuple[str, ...], size: int) -> tuple[Scores, float]:
        """The weighted sum, and what is to be added to each number of it."""
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
    """All signals of a query. One whose weight is 0 says nothing: it is 0 everywhere.

    ``check`` is called after each view whose vectors were looked at, which are most of its bytes, in any thread.
    """
    few = are_few(scope)
    work = partial(_dense, scope, vectors, check, exact=few)
    # Of few rows they are there before another thread has begun.
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
    """Cosines of rows and of files, and whether they are exact; 0 where a view's model has no vector of the query."""
    # Of rows that are not looked at it is 0: memory that is never written to takes none.
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
    """Add the exact cosines of what is ``counted`` (None: all); ``sums`` has those of a segment but for some places."""
    size = len(found) if counted is None else int(np.count_nonzero(counted))
    if are_exact:
        # Zeros change no sum: several times faster than choosing the others.
        if counted is not None and size < len(found):
            found = found * counted
        tally.add(size, float(found.sum()), float(np.dot(found, found)))
    else:
        left_out = NOWHERE if counted is None or size == len(found) else np.flatnonzero(~counted)
        tally.add(size, *sums(vector, left_out))


def make_exact(scope: Scope, found: Signals, vectors: QueryVectors, rows: NDArray[np.int64]) -> None:
    """Put the exact likenesses of some rows and their files in the place of those that may be approximate."""
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
    """Whether likenesses by vectors are all that most candidates are chosen by.

    The best by such a query, a rare word or a beginning of one, are not sure to be among those that are best by
    leading components: it is worth several times the time to look at all, where there are not too many.
    """
    few = sum(len(word.rows) for word in words) < _FEW_FOUND
    return few and scope.rows < _MOST_EXACT and scope.chosen is None


def are_few(scope: Scope) -> bool:
    """Whether there are so few rows that looking at all of them exactly takes no longer than finding the best first."""
    return scope.chosen is None and scope.rows < FEW_ROWS


def _lexical(
    scope: Scope, concepts: Sequence[Sought], weights: Weights, words: list[FoundWord]
) -> tuple[Signal, Signal]:
    """BM25 of rows and of files."""
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
        # The rows of a file are neighbours.
        starts = run_starts(owners)
        hit, in_files = owners[starts], sums_from(starts, counts)
        file_rarity = np.float32(idf(len(hit), file_population) * concept.weight)
        files[hit] += file_rarity * saturated(in_files, file_norms[hit])
    return Signal.likeness(rows, scope.counted), Signal.likeness(files, scope.counted_files)


def _paths(scope: Scope, concepts: Sequence[Sought]) -> tuple[Signal, Signal]:
    """For each file, the share of the query that its name and folder say, and of its name that the query says."""
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
    """0..1 for a row that defines a name of the query: less for a name in other case, a common one, a mere property."""
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
    """1 for a file whose path ends with one that the query names."""
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
