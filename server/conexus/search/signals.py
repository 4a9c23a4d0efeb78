"""The signals of a query: for each row of the scope, how well it answers in one respect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from conexus.chunking.chunk import KINDS
from conexus.index.dense import FEW_ROWS
from conexus.index.postings import Rows
from conexus.index.segment import MemorySegment, own_name
from conexus.index.snapshot import View
from conexus.search.bm25 import Field, Scores, idf, mean_of, saturated
from conexus.search.query import Query
from conexus.search.sampling import files_with, sampled
from conexus.search.scale import Scale, Spread
from conexus.search.scope import Scope
from conexus.search.weights import SignalWeights, Weights

#: Query vectors by the fingerprint of the model that made them, each of shape (dimensions,).
QueryVectors = Mapping[str, NDArray[np.float32]]

#: A name that many rows define says little about each of them.
_COMMON_NAME = 20
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
class Signals:
    """All float32. Likenesses are standardised over all rows or files: mean 0, deviation 1."""

    #: The file of each row.
    file_of: Rows
    # of rows, shape (rows,)
    #: Cosine of the query's vector and the chunk's, standardised.
    dense: Scores
    #: BM25 of the code, standardised.
    body: Scores
    #: BM25 of the symbol, what encloses it and the path, standardised.
    names: Scores
    #: 0..1: the row defines a name that the query names.
    defined: Scores
    # of files, shape (files,)
    #: As ``dense`` and ``body``, of the whole file.
    file_dense: Scores
    file_body: Scores
    #: 0..1: how much of the query the names of the file and its folder say.
    stem: Scores
    #: 0..1: how much of the file's name the query says.
    called: Scores
    #: 0 or 1: the query names the file.
    filed: Scores
    #: Which words of the query were found where, in the code and in names.
    in_body: tuple[FoundWord, ...]
    in_names: tuple[FoundWord, ...]
    #: By what ``dense`` and ``file_dense`` are standardised.
    dense_scale: Scale
    file_dense_scale: Scale

    @property
    def found(self) -> tuple[FoundWord, ...]:
        return self.in_body + self.in_names

    def total(self, weights: SignalWeights) -> Scores:
        """The weighted sum for each row, shape (rows,)."""
        of_files = self._sum(weights, OF_FILES, len(self.file_dense))
        return self._sum(weights, OF_ROWS, len(self.dense)) + of_files[self.file_of]

    def total_of(self, weights: SignalWeights, rows: NDArray[np.int64]) -> Scores:
        """The weighted sum for some rows, in the order given."""
        files = self.file_of[rows]
        total = np.zeros(len(rows), np.float32)
        for names, places in ((OF_ROWS, rows), (OF_FILES, files)):
            for name in names:
                total += np.float32(getattr(weights, name)) * getattr(self, name)[places]
        return total

    def _sum(self, weights: SignalWeights, names: tuple[str, ...], size: int) -> Scores:
        total = np.zeros(size, np.float32)
        for name in names:
            total += np.float32(getattr(weights, name)) * getattr(self, name)
        return total


OF_ROWS = ("dense", "body", "names", "defined")
OF_FILES = ("file_dense", "file_body", "stem", "called", "filed")


def signals(scope: Scope, query: Query, vectors: QueryVectors, weights: Weights) -> Signals:
    """All signals of a query. One whose weight is 0 says nothing: it is 0 everywhere."""
    in_body: list[FoundWord] = []
    in_names: list[FoundWord] = []
    dense, file_dense = _dense(scope, vectors)
    body, file_body = _lexical(scope, query, weights, in_body)
    stem, called = _paths(scope, query)
    found = Signals(
        file_of=scope.file_of,
        dense=dense.values,
        body=body,
        names=_names(scope, query, weights, in_names),
        defined=_defined(scope, query),
        file_dense=file_dense.values,
        file_body=file_body,
        stem=stem,
        called=called,
        filed=_filed(scope, query),
        in_body=tuple(in_body),
        in_names=tuple(in_names),
        dense_scale=dense.scale,
        file_dense_scale=file_dense.scale,
    )
    mix = weights.symbol if query.symbol_like else weights.prose
    silent = {name: np.zeros_like(getattr(found, name)) for name in OF_ROWS + OF_FILES if not getattr(mix, name)}
    return replace(found, **silent) if silent else found


def _dense(scope: Scope, vectors: QueryVectors) -> tuple[Likeness, Likeness]:
    """Standardised cosines of rows and of files; 0 where a view's model has no vector of the query."""
    rows = np.zeros(scope.rows, np.float32)
    files = np.zeros(scope.files, np.float32)
    has_rows = np.zeros(scope.rows, np.bool_)
    has_files = np.zeros(scope.files, np.bool_)
    left_out = 0.0
    exact = are_few(scope)
    sampled: list[Scores] = []
    for number, view in enumerate(scope.views):
        vector = vectors.get(view.segment.model)
        if vector is None or not vector.any():
            continue
        of_view = slice(scope.first_rows[number], scope.first_rows[number + 1])
        of_files = slice(scope.first_files[number], scope.first_files[number + 1])
        variance = view.segment.dense.cosines(vector, rows[of_view], exact=exact)
        left_out += variance * len(view.segment) / max(scope.rows, 1)
        whole = _whole(view)
        whole.dense.cosines_of_files(vector, files[of_files], exact=exact)
        if scope.narrowed:
            sampled.append(whole.dense.sampled_cosines(vector))
        has_rows[of_view] = True
        has_files[of_files] = True
    if scope.counted is not None:
        has_rows &= scope.counted
    if scope.counted_files is not None:
        has_files &= scope.counted_files
    if sampled:
        few = np.concatenate(sampled)
        return Likeness.by(Scale.of(few), rows, has_rows), Likeness.of(files, has_files)
    return Likeness.of(rows, has_rows, left_out), Likeness.of(files, has_files)


def _whole(view: View) -> MemorySegment:
    return view.segment if view.whole is None else view.whole.view.segment


def make_exact(scope: Scope, found: Signals, vectors: QueryVectors, rows: NDArray[np.int64]) -> None:
    """Put the exact likenesses of some rows and their files in the place of those that may be approximate."""
    owners = np.searchsorted(scope.first_rows, rows, side="right") - 1
    for number in np.unique(owners).tolist():
        view = scope.views[number]
        dense, of_files = view.segment.dense, _whole(view).dense
        vector = vectors.get(view.segment.model)
        if vector is None or not found.dense.any():
            continue
        own = rows[owners == number]
        if dense.basis.shape[1]:
            exact = dense.exact_cosines(own - scope.first_rows[number], vector)
            found.dense[own] = found.dense_scale.of_values(exact)
        if of_files.basis.shape[1]:
            files = np.unique(scope.file_of[own])
            exact = of_files.exact_cosines_of_files(files - scope.first_files[number], vector)
            found.file_dense[files] = found.file_dense_scale.of_values(exact)


def are_exact(scope: Scope) -> bool:
    """Whether all likenesses by vectors are exact from the start."""
    return are_few(scope) or all(_whole(view).dense.exact for view in scope.views)


def are_few(scope: Scope) -> bool:
    """Whether there are so few rows that looking at all of them exactly takes no longer than finding the best first."""
    return not scope.narrowed and scope.rows < FEW_ROWS


@dataclass(frozen=True, slots=True)
class Likeness:
    """Standardised values, and by what."""

    values: Scores
    scale: Scale

    @staticmethod
    def of(values: Scores, counted: NDArray[np.bool_] | None = None, variance: float = 0.0) -> Likeness:
        """Values standardised, 0 where not ``counted``. ``variance`` is that of what the values leave out."""
        size = len(values) if counted is None else int(np.count_nonzero(counted))
        if not size:
            return Likeness(np.zeros_like(values), Scale(np.float32(0), np.float32(1)))
        # Zeros change no sum: several times faster than choosing the others.
        seen = values if counted is None or size == len(values) else values * counted
        return Likeness.by(Scale.of(seen, variance, size), values, counted)

    @staticmethod
    def by(scale: Scale, values: Scores, counted: NDArray[np.bool_] | None = None) -> Likeness:
        """Values standardised by a known scale, 0 where not ``counted``."""
        result = scale.of_values(values)
        if counted is not None and not counted.all():
            result[~counted] = 0
        return Likeness(result, scale)


def standardised(values: Scores, counted: NDArray[np.bool_] | None = None) -> Scores:
    """Values less their mean, over their deviation; 0 where not ``counted``."""
    return Likeness.of(values, counted).values


def _lexical(scope: Scope, query: Query, weights: Weights, words: list[FoundWord]) -> tuple[Scores, Scores]:
    """Standardised BM25 of rows and of files."""
    body = Field.of([view.segment.body for view in scope.views], scope.first_rows, scope.counted)
    file_lengths = _lengths(scope)
    mean, file_mean = _mean_length(scope, "body", body), mean_of(file_lengths, scope.counted_files)
    rows = np.zeros(scope.rows, np.float32)
    files = np.zeros(scope.files, np.float32)
    k1, b = weights.body_k1, weights.body_b
    population, narrowed, file_population = scope.population, scope.narrowed, scope.file_population
    if narrowed:
        spread = Spread(population, int(np.count_nonzero(scope.sampled)))
        file_spread = Spread(scope.files, len(scope.sampled_files))
    for number, concept in enumerate(query.concepts):
        found, counts = body.occurrences(concept)
        if not len(found):
            continue
        frequency = body.frequency(concept, found)
        rarity = np.float32(idf(frequency, population) * concept.weight)
        words.append(FoundWord(concept.word, number, float(rarity), found))
        gained = rarity * saturated(counts, body.lengths[found], mean, k1, b)
        rows[found] += gained
        in_files = np.bincount(scope.file_of[found], counts, scope.files).astype(np.float32)
        hit = np.flatnonzero(in_files > 0)
        file_frequency = files_with(scope, concept) if narrowed else len(hit)
        file_rarity = np.float32(idf(file_frequency, file_population) * concept.weight)
        files[hit] += file_rarity * saturated(in_files[hit], file_lengths[hit], file_mean, k1, b)
        if narrowed:
            few = sampled(scope, "body", concept)
            spread.add(
                rarity * saturated(few.counts, few.lengths, mean, k1, b), frequency, gained[scope.sampled[found]]
            )
            of_files = file_rarity * saturated(few.in_files, few.file_lengths, file_mean, k1, b)
            standing = scope.sampled_files
            standing_gained = file_rarity * saturated(in_files[standing], file_lengths[standing], file_mean, k1, b)
            file_spread.add(of_files, file_frequency, standing_gained, few.shares)
    if narrowed:
        of_rows = spread.scale(rows[scope.sampled]).of_values(rows)
        return of_rows, file_spread.scale(files[scope.sampled_files]).of_values(files)
    return standardised(rows, scope.counted), standardised(files, scope.counted_files)


def _paths(scope: Scope, query: Query) -> tuple[Scores, Scores]:
    """For each file, the share of the query that its name and folder say, and of its name that the query says."""
    stems = Field.of([view.segment.stems for view in scope.views], scope.first_files, scope.counted_files)
    parents = Field.of([view.segment.parents for view in scope.views], scope.first_files, scope.counted_files)
    population = scope.file_population
    said = np.zeros(scope.files, np.float32)
    called = np.zeros(scope.files, np.float32)
    asked = 1e-6
    for concept in query.concepts:
        in_stem, _ = stems.occurrences(concept)
        in_parent, _ = parents.occurrences(concept)
        rarity = idf(len(in_stem), population) * concept.weight
        if concept.weight == 1.0:
            asked += rarity
        here = np.zeros(scope.files, np.float32)
        here[in_parent] = 0.5
        here[in_stem] = 1
        said += np.float32(rarity) * here
        called[in_stem] += 1
    return np.minimum(said / np.float32(asked), 1), np.minimum(called / np.maximum(stems.lengths, 1), 1)


def _names(scope: Scope, query: Query, weights: Weights, words: list[FoundWord]) -> Scores:
    names = Field.of([view.segment.names for view in scope.views], scope.first_rows, scope.counted)
    mean = _mean_length(scope, "names", names)
    rows = np.zeros(scope.rows, np.float32)
    population, narrowed = scope.population, scope.narrowed
    if narrowed:
        spread = Spread(population, int(np.count_nonzero(scope.sampled)))
    for number, concept in enumerate(query.concepts):
        found, counts = names.occurrences(concept)
        if len(found):
            frequency = names.frequency(concept, found)
            rarity = np.float32(idf(frequency, population) * concept.weight)
            words.append(FoundWord(concept.word, number, float(rarity), found))
            gained = rarity * saturated(counts, names.lengths[found], mean, weights.names_k1, weights.names_b)
            rows[found] += gained
            if narrowed:
                few = sampled(scope, "names", concept)
                found_few = rarity * saturated(few.counts, few.lengths, mean, weights.names_k1, weights.names_b)
                spread.add(found_few, frequency, gained[scope.sampled[found]])
    return spread.scale(rows[scope.sampled]).of_values(rows) if narrowed else standardised(rows, scope.counted)


def _mean_length(scope: Scope, name: str, field: Field) -> float:
    if not scope.narrowed:
        return field.mean_length()
    sizes = [len(_whole(view)) for view in scope.views]
    means = [facts.mean_lengths[name] for facts in scope.tables]
    return sum(size * mean for size, mean in zip(sizes, means, strict=True)) / max(sum(sizes), 1)


def _lengths(scope: Scope) -> Scores:
    return np.concatenate([facts.lengths for facts in scope.tables]) if scope.tables else np.empty(0, np.float32)


def _defined(scope: Scope, query: Query) -> Scores:
    """0..1 for a row that defines a name of the query: less for a name in other case, a common one, a mere property."""
    rows = np.zeros(scope.rows, np.float32)
    for name in query.identifiers:
        exact: list[int] = []
        alike: list[int] = []
        for first, view in zip(scope.first_rows, scope.views, strict=False):
            defining = view.segment.definitions.of(name.lower())[0]
            for row in defining[view.alive[defining]].tolist():
                symbol = view.segment.symbols[row]
                (exact if name in (symbol, own_name(symbol)) else alike).append(first + row)
        found = np.array(exact or alike, np.int64)
        if len(found):
            rarity = min(1.0, (_COMMON_NAME / len(found)) ** 0.5)
            value = (1.0 if exact else _OTHER_CASE) * rarity * _KIND_SHARES[scope.kinds[found]]
            rows[found] = np.maximum(rows[found], value)
    return rows


def _filed(scope: Scope, query: Query) -> Scores:
    """1 for a file whose path ends with one that the query names."""
    files = np.zeros(scope.files, np.float32)
    for path in query.files:
        name = path.rsplit("/", 1)[-1]
        for number, view in enumerate(scope.views):
            for file in view.segment.file_names.of(name)[0].tolist():
                full = "/" + view.segment.files[file].path.lower()
                if full.endswith("/" + path.lstrip("./")):
                    files[scope.first_files[number] + file] = 1
    return files
