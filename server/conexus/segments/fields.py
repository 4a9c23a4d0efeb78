"""The types of a segment's fields: how a value of each type is built, merged, saved to a file, loaded and checked.

``MemorySegment`` declares each field once, with one of these types. The modules ``build``, ``merge``, ``file`` and the
columns of the stored tables follow from these declarations.
"""

from __future__ import annotations

import dataclasses
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from pathlib import PurePosixPath
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from conexus.arrays.file import Arrays
from conexus.arrays.ragged import Ragged
from conexus.arrays.strings import Strings
from conexus.chunking.chunk import Chunk
from conexus.embedding.unit_vectors import Vectors
from conexus.segments import postings
from conexus.segments.analysis import FileFacts, IndexedFile
from conexus.segments.checks import (
    check_array,
    check_floats,
    check_halves,
    check_numbers,
    check_starts,
    check_strings,
    require,
)
from conexus.segments.lexicon import Lexicon, Numbers
from conexus.segments.postings import KeptPostings, Occurrences, Postings, Rows
from conexus.segments.row_names import Containers, Symbols
from conexus.segments.vectors import SegmentVectors, StoredVectors, VectorSums

Mask = NDArray[np.bool_]
#: Number of rows of each file, shape (files,).
RowCounts = Sequence[int] | NDArray[np.integer]
Source = TypeVar("Source")
Value = TypeVar("Value")
_DECLARATION = "declaration"
_LANGUAGE = re.compile(r"[A-Za-z0-9_.+#-]{1,60}")


@dataclass(frozen=True)
class SegmentInput:
    """The values that a segment is built from."""

    #: Fingerprint of the model that made the vectors.
    model: str
    dimensions: int
    files: Sequence[FileFacts]
    #: Number of rows of each file.
    row_counts: RowCounts
    #: What each field is built from, by the name of the field. See the types of fields for the types of these values.
    sources: Mapping[str, Any]

    @cached_property
    def paths(self) -> list[PurePosixPath]:
        """The path of each file."""
        return [PurePosixPath(facts.path) for facts in self.files]


@dataclass(frozen=True, slots=True)
class Building:
    """What the fields of a new segment have in common."""

    files: Sequence[FileFacts]
    row_counts: RowCounts
    dimensions: int
    lexicon: Lexicon
    #: The number of each word in the lexicon.
    numbers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class KeptRows:
    """Which files and rows of one segment a merge keeps."""

    #: Masks of the files and of the rows to keep; shapes (files,) and (rows,).
    files: Mask
    rows: Mask
    #: New number of each word of the segment's lexicon, shape (words,), ascending where it is not -1; -1: the merged
    #: segment does not have the word.
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class Merging:
    """What the fields of a merged segment have in common."""

    #: Number of rows of each file that is kept.
    row_counts: RowCounts
    lexicon: Lexicon


@dataclass(frozen=True, slots=True)
class Sizes:
    """The numbers of files, rows and words of a segment that was read from a file, which its fields must agree with."""

    files: int
    rows: int
    words: int


class FieldType(ABC, Generic[Source, Value]):
    """How the values of a field are built, merged, saved, loaded and checked. ``Source``: what it is built from."""

    def words(self, source: Source) -> Iterable[str]:
        """Returns the words that the lexicon must have so that ``build`` can number them; words may be repeated."""
        return ()

    @abstractmethod
    def build(self, source: Source, building: Building) -> Value:
        """Makes the value of a new segment."""

    def mark_words(self, value: Value, files: Mask, rows: Mask, used: Mask) -> None:
        """Sets ``used``, shape (words,), to true for the words that the kept files and rows of a segment need."""

    @abstractmethod
    def merge(self, parts: Sequence[tuple[Value, KeptRows]], merging: Merging) -> Value:
        """Merges the values of several segments. ``parts``: the value of each segment, and what is kept of it."""

    @abstractmethod
    def save(self, name: str, value: Value) -> Arrays:
        """Returns the arrays that a file stores of a value, by names that begin with ``name``."""

    @abstractmethod
    def load(self, name: str, arrays: Arrays, lexicon: Lexicon) -> Value:
        """Makes the value from the arrays of a file: the inverse of ``save``. Raises KeyError if an array is missing.

        ``lexicon``: the lexicon of the segment.
        """

    @abstractmethod
    def check(self, value: Value, sizes: Sizes) -> None:
        """Raises ValueError if a value that was read from a file could make its users fail, whoever wrote the file."""


class ArrayField(FieldType[Source, NDArray[Any]]):
    """A field that is one array."""

    def save(self, name: str, value: NDArray[Any]) -> Arrays:
        return {name: value}

    def load(self, name: str, arrays: Arrays, lexicon: Lexicon) -> NDArray[Any]:
        return arrays[name]


@dataclass(frozen=True)
class RowNumbering(ArrayField[None]):
    """An array that follows from the number of rows of each file, so that it needs no source."""

    from_counts: Callable[[RowCounts], Rows]

    def build(self, source: None, building: Building) -> NDArray[Any]:
        return self.from_counts(building.row_counts)

    def merge(self, parts: Sequence[tuple[NDArray[Any], KeptRows]], merging: Merging) -> NDArray[Any]:
        return self.from_counts(merging.row_counts)

    def check(self, value: NDArray[Any], sizes: Sizes) -> None:
        require(value.dtype == np.int32 and value.ndim == 1, "rows are not numbered")


@dataclass(frozen=True)
class NumberPerRow(ArrayField[Sequence[int] | NDArray[Any]]):
    """An array with one number for each row. Source: these numbers."""

    dtype: DTypeLike

    def build(self, source: Sequence[int] | NDArray[Any], building: Building) -> NDArray[Any]:
        return np.asarray(source, self.dtype)

    def merge(self, parts: Sequence[tuple[NDArray[Any], KeptRows]], merging: Merging) -> NDArray[Any]:
        return np.concatenate([value[kept.rows] for value, kept in parts])

    def check(self, value: NDArray[Any], sizes: Sizes) -> None:
        check_array(value, self.dtype, (sizes.rows,))


@dataclass(frozen=True)
class LabelPerRow(NumberPerRow):
    """An array with one label for each row, as its index into the tuple of all labels. Source: these indices."""

    labels: tuple[str, ...]

    def check(self, value: NDArray[Any], sizes: Sizes) -> None:
        super().check(value, sizes)
        check_numbers(value, len(self.labels))


class WordPerRow(FieldType[Sequence[str], Symbols]):
    """One word of the lexicon for each row. Source: these words."""

    def words(self, source: Sequence[str]) -> Iterable[str]:
        return source

    def build(self, source: Sequence[str], building: Building) -> Symbols:
        numbers = np.fromiter(map(building.numbers.__getitem__, source), np.int32, len(source))
        return Symbols(building.lexicon.words, numbers)

    def mark_words(self, value: Symbols, files: Mask, rows: Mask, used: Mask) -> None:
        used[value.numbers[rows]] = True

    def merge(self, parts: Sequence[tuple[Symbols, KeptRows]], merging: Merging) -> Symbols:
        numbers = np.concatenate([kept.numbers[value.numbers[kept.rows]] for value, kept in parts])
        return Symbols(merging.lexicon.words, numbers)

    def save(self, name: str, value: Symbols) -> Arrays:
        return {name: value.numbers}

    def load(self, name: str, arrays: Arrays, lexicon: Lexicon) -> Symbols:
        return Symbols(lexicon.words, arrays[name])

    def check(self, value: Symbols, sizes: Sizes) -> None:
        check_array(value.numbers, np.int32, (sizes.rows,))
        check_numbers(value.numbers, sizes.words)


class WordPathPerRow(FieldType[Sequence[tuple[str, ...]], Containers]):
    """A short sequence of words of the lexicon for each row. Source: these sequences."""

    def words(self, source: Sequence[tuple[str, ...]]) -> Iterable[str]:
        return chain.from_iterable(set(source))

    def build(self, source: Sequence[tuple[str, ...]], building: Building) -> Containers:
        return Containers.from_names(source, building.lexicon.words, building.numbers)

    def mark_words(self, value: Containers, files: Mask, rows: Mask, used: Mask) -> None:
        used[value.words_of(rows)] = True

    def merge(self, parts: Sequence[tuple[Containers, KeptRows]], merging: Merging) -> Containers:
        kept_parts = [(value, kept.numbers, kept.rows) for value, kept in parts]
        return Containers.from_parts(kept_parts, merging.lexicon.words)

    def save(self, name: str, value: Containers) -> Arrays:
        return {f"{name}.words": value.path_words, f"{name}.starts": value.starts, f"{name}.of_rows": value.paths}

    def load(self, name: str, arrays: Arrays, lexicon: Lexicon) -> Containers:
        return Containers(lexicon.words, *(arrays[f"{name}.{part}"] for part in ("words", "starts", "of_rows")))

    def check(self, value: Containers, sizes: Sizes) -> None:
        check_array(value.path_words, np.int32, (value.path_words.size,))
        check_numbers(value.path_words, sizes.words)
        check_starts(value.starts, np.int32, value.starts.size - 1, len(value.path_words))
        check_array(value.paths, np.int32, (sizes.rows,))
        check_numbers(value.paths, len(value.starts) - 1)


class RaggedPerRow(FieldType[Ragged, Ragged]):
    """Any number of 16-bit numbers for each row. Source: these numbers."""

    def build(self, source: Ragged, building: Building) -> Ragged:
        return source

    def merge(self, parts: Sequence[tuple[Ragged, KeptRows]], merging: Merging) -> Ragged:
        return Ragged.joined([value.select(kept.rows) for value, kept in parts])

    def save(self, name: str, value: Ragged) -> Arrays:
        return {f"{name}.values": value.values, f"{name}.starts": value.starts}

    def load(self, name: str, arrays: Arrays, lexicon: Lexicon) -> Ragged:
        return Ragged(arrays[f"{name}.values"], arrays[f"{name}.starts"])

    def check(self, value: Ragged, sizes: Sizes) -> None:
        check_array(value.values, np.uint16, (value.values.size,))
        check_starts(value.starts, np.int64, sizes.rows, len(value.values))


class VectorPerRow(FieldType[Vectors | StoredVectors, SegmentVectors]):
    """One vector for each row, and what follows from them. Source: the vectors, shape (rows, dimensions)."""

    #: The names of arrays in files, and the attributes of ``SegmentVectors`` that they hold.
    _ARRAYS: Mapping[str, str] = {
        "vectors": "vectors",
        "of_files": "file_vectors",
        "basis": "basis",
        "leading": "leading",
        "leading_of_files": "file_leading",
    }
    _SUMS: Mapping[str, str] = {"moments": "sums", "moments_of_files": "file_sums"}

    def build(self, source: Vectors | StoredVectors, building: Building) -> SegmentVectors:
        vectors = source if len(source) else np.empty((0, building.dimensions), np.float32)
        return SegmentVectors.from_rows(vectors, first_rows(building.row_counts))

    def merge(self, parts: Sequence[tuple[SegmentVectors, KeptRows]], merging: Merging) -> SegmentVectors:
        return SegmentVectors.from_parts([(value, kept.rows, kept.files) for value, kept in parts])

    def save(self, name: str, value: SegmentVectors) -> Arrays:
        arrays: Arrays = {f"{name}.{part}": getattr(value, attribute) for part, attribute in self._ARRAYS.items()}
        for part, attribute in self._SUMS.items():
            sums: VectorSums = getattr(value, attribute)
            arrays |= {f"{name}.{part}.first": sums.total, f"{name}.{part}.second": sums.outer}
        return arrays

    def load(self, name: str, arrays: Arrays, lexicon: Lexicon) -> SegmentVectors:
        values: dict[str, Any] = {attribute: arrays[f"{name}.{part}"] for part, attribute in self._ARRAYS.items()}
        for part, attribute in self._SUMS.items():
            values[attribute] = VectorSums(arrays[f"{name}.{part}.first"], arrays[f"{name}.{part}.second"])
        return SegmentVectors(**values)

    def check(self, value: SegmentVectors, sizes: Sizes) -> None:
        require(value.basis.ndim == 2, "there are no directions")
        dimensions, components = value.basis.shape
        check_halves(value.vectors, (sizes.rows, dimensions))
        check_halves(value.file_vectors, (sizes.files, dimensions))
        check_floats(value.basis, (dimensions, components))
        # A small segment has no leading components of no row.
        check_floats(value.leading, (sizes.rows if components else 0, components))
        check_floats(value.file_leading, (sizes.files if components else 0, components))
        for sums in (value.sums, value.file_sums):
            known = dimensions if components else 0
            check_floats(sums.total, (known,))
            check_floats(sums.outer, (known, known))


@dataclass(frozen=True)
class WordPostings(FieldType[Sequence[Occurrences], Postings]):
    """The postings of words over the rows, or over the files. Source: the occurrences in consecutive runs of these."""

    over_files: bool = False

    def words(self, source: Sequence[Occurrences]) -> Iterable[str]:
        return chain.from_iterable(run.vocabulary for run in source)

    def build(self, source: Sequence[Occurrences], building: Building) -> Postings:
        return postings.build(source, building.lexicon, building.numbers)

    def mark_words(self, value: Postings, files: Mask, rows: Mask, used: Mask) -> None:
        kept = (files if self.over_files else rows)[value.rows]
        counts = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept, dtype=np.int64)])[value.starts]
        used |= np.diff(counts) > 0

    def merge(self, parts: Sequence[tuple[Postings, KeptRows]], merging: Merging) -> Postings:
        masks = [kept.files if self.over_files else kept.rows for _, kept in parts]
        kept_parts = [KeptPostings(value, kept.numbers, mask) for (value, kept), mask in zip(parts, masks, strict=True)]
        return postings.merge(kept_parts, merging.lexicon)

    def save(self, name: str, value: Postings) -> Arrays:
        return {f"{name}.{part}": getattr(value, part) for part in ("starts", "rows", "counts", "lengths")}

    def load(self, name: str, arrays: Arrays, lexicon: Lexicon) -> Postings:
        return Postings(lexicon, *(arrays[f"{name}.{part}"] for part in ("starts", "rows", "counts", "lengths")))

    def check(self, value: Postings, sizes: Sizes) -> None:
        places = sizes.files if self.over_files else sizes.rows
        check_array(value.rows, np.int32, (value.rows.size,))
        check_numbers(value.rows, places)
        check_array(value.counts, np.uint8, (value.rows.size,))
        check_starts(value.starts, np.uint32, sizes.words, len(value.rows))
        check_floats(value.lengths, (places,))
        require(not places or float(value.lengths.min()) >= 0, "a length is negative")


class AllWords(FieldType[None, Lexicon]):
    """The lexicon of the segment, which is made before all other fields. It needs no source."""

    def build(self, source: None, building: Building) -> Lexicon:
        return building.lexicon

    def merge(self, parts: Sequence[tuple[Lexicon, KeptRows]], merging: Merging) -> Lexicon:
        return merging.lexicon

    def save(self, name: str, value: Lexicon) -> Arrays:
        return {f"{name}.hashes": value.hashes, **_save_strings(f"{name}.words", value.words)}

    def load(self, name: str, arrays: Arrays, lexicon: Lexicon) -> Lexicon:
        return lexicon

    def check(self, value: Lexicon, sizes: Sizes) -> None:
        check_array(value.hashes, np.uint64, (sizes.words,))
        require(bool((value.hashes[1:] > value.hashes[:-1]).all()), "words are not in order")
        check_strings(value.words, sizes.words)


class FactsPerFile(FieldType[None, tuple[FileFacts, ...]]):
    """The facts of each file. They need no source."""

    def build(self, source: None, building: Building) -> tuple[FileFacts, ...]:
        return tuple(building.files)

    def merge(self, parts: Sequence[tuple[tuple[FileFacts, ...], KeptRows]], merging: Merging) -> tuple[FileFacts, ...]:
        return tuple(files[number] for files, kept in parts for number in np.flatnonzero(kept.files).tolist())

    def save(self, name: str, value: tuple[FileFacts, ...]) -> Arrays:
        arrays: Arrays = {}
        for part in ("path", "language", "digest"):
            arrays |= _save_strings(f"{name}.{part}", Strings.from_strings(getattr(facts, part) for facts in value))
        for part in ("size", "mtime_ns"):
            arrays[f"{name}.{part}"] = np.array([getattr(facts, part) for facts in value], np.int64)
        return arrays

    def load(self, name: str, arrays: Arrays, lexicon: Lexicon) -> tuple[FileFacts, ...]:
        numbers = [arrays[f"{name}.{part}"] for part in ("size", "mtime_ns")]
        texts = [_load_strings(f"{name}.{part}", arrays) for part in ("path", "language", "digest")]
        # Facts are made here, so what they are made of is checked here.
        count = len(numbers[0])
        for part in numbers:
            check_array(part, np.int64, (count,))
        for strings in texts:
            check_strings(strings, count)
        paths, languages, digests = texts
        columns = (paths, languages, numbers[0].tolist(), numbers[1].tolist(), digests)
        return tuple(FileFacts(*facts) for facts in zip(*columns, strict=True))

    def check(self, value: tuple[FileFacts, ...], sizes: Sizes) -> None:
        require(len({facts.path for facts in value}) == len(value), "a file occurs twice")
        for facts in value:
            require(_is_inside(facts.path), "a path leads out of the folder")
            require(_LANGUAGE.fullmatch(facts.language) is not None, "a language has no name")


def _is_inside(path: str) -> bool:
    """Returns whether a path is relative, in its shortest form, and stays below the folder it is relative to."""
    return "\0" not in path and all(part not in {"", ".", ".."} for part in path.split("/"))


def load_lexicon(name: str, arrays: Arrays) -> Lexicon:
    """Makes the lexicon from the arrays of a file, which all other fields are loaded with."""
    return Lexicon(arrays[f"{name}.hashes"], _load_strings(f"{name}.words", arrays))


def _save_strings(name: str, strings: Strings) -> Arrays:
    return {f"{name}.blob": strings.blob, f"{name}.starts": strings.starts}


def _load_strings(name: str, arrays: Arrays) -> Strings:
    return Strings(arrays[f"{name}.blob"], arrays[f"{name}.starts"])


def first_rows(row_counts: RowCounts) -> Rows:
    """Returns the first row of each file, then the number of rows, shape (files + 1,)."""
    starts = np.zeros(len(row_counts) + 1, np.int32)
    np.cumsum(row_counts, out=starts[1:])
    return starts


def file_of_rows(row_counts: RowCounts) -> Rows:
    """Returns the number of the file of each row, shape (rows,)."""
    return np.repeat(np.arange(len(row_counts), dtype=np.int32), row_counts)


# --- declarations ---

#: Returns what a field is built from, taken from analysed files.
Collect = Callable[[Sequence[IndexedFile]], Any]
#: Returns what a field is built from, derived from what other fields are built from.
Derive = Callable[[SegmentInput], Any]


@dataclass(frozen=True)
class Declaration:
    """Everything that the modules of this package and the stored tables must know of one field.

    Raises ValueError if the tables could not restore the field.
    """

    type: FieldType[Any, Any]
    #: At most one of them is present; neither if a value of this type needs no source.
    collect: Collect | None = None
    derive: Derive | None = None
    #: Column of the table of chunks that stores the values of ``collect``; empty for a field without ``collect``.
    column: str = ""
    #: Name of the field's arrays in a segment file; empty: the field's own name. Files keep the names that fields had
    #: when the layout of files was made.
    array: str = ""

    def __post_init__(self) -> None:
        if (self.collect is not None) != bool(self.column) or (self.collect and self.derive):
            raise ValueError("a field is collected from files and has a column, or is derived, or is neither")


def declare(
    type_: FieldType[Any, Any],
    *,
    collect: Collect | None = None,
    derive: Derive | None = None,
    column: str = "",
    array: str = "",
) -> dict[str, Declaration]:
    """Returns the metadata of a dataclass field that declares it a field of a segment. See ``Declaration``."""
    return {_DECLARATION: Declaration(type_, collect, derive, column, array)}


@cache
def declarations(segment_class: type) -> dict[str, Declaration]:
    """Returns the declarations of the fields of a class of segments by name, in their order."""
    declared: dict[str, Declaration] = {}
    for field in dataclasses.fields(segment_class):
        if _DECLARATION in field.metadata:
            declaration: Declaration = field.metadata[_DECLARATION]
            declared[field.name] = dataclasses.replace(declaration, array=declaration.array or field.name)
    return declared


def each_chunk(read: Callable[[Chunk], Any]) -> Collect:
    """Returns a function that reads one value from every chunk of some files."""
    return lambda files: list(map(read, chain.from_iterable(file.chunks for file in files)))


def each_file(read: Callable[[IndexedFile], Any]) -> Collect:
    """Returns a function that reads one value from every one of some files."""
    return lambda files: list(map(read, files))
