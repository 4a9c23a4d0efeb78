"""An immutable, searchable set of chunks: flat arrays in memory, or mapped from a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conexus.array_file import DamagedFile, Mapped
from conexus.chunking.chunk import KINDS
from conexus.embedding.embedder import Vectors
from conexus.embedding.halves import as_float32
from conexus.index import postings
from conexus.index.analysis import Digests, FileFacts, IndexedFile
from conexus.index.dense import Dense, fields_of
from conexus.index.lexicon import Hashes, Lexicon, Numbers
from conexus.index.postings import Occurrences, Part, Postings, Rows
from conexus.index.roles import Role, roles_of
from conexus.index.strings import Strings
from conexus.index.terms import terms
from conexus.ragged import Ragged, places_of

Alive = NDArray[np.bool_]
_QUALIFIED = re.compile(r"\.|::")
_KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}
_TEST_KIND = KINDS.index("test")
_TEST_MODULES = ("test", "tests")


class Symbols(Sequence[str]):
    """The symbol of each row."""

    def __init__(self, words: Strings, numbers: Numbers) -> None:
        self._words, self._numbers = words, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, row: Any) -> Any:
        return self._words[int(self._numbers[row])]

    def __iter__(self) -> Iterator[str]:
        return iter(self._words.take(self._numbers))


class Breadcrumbs(Sequence[tuple[str, ...]]):
    """What encloses each row, outermost first."""

    def __init__(self, words: Strings, crumbs: Crumbs) -> None:
        self._words, self._crumbs = words, crumbs

    def __len__(self) -> int:
        return len(self._crumbs.of_rows)

    def __getitem__(self, row: Any) -> Any:
        crumbs = self._crumbs
        number = int(crumbs.of_rows[row])
        path = crumbs.words[crumbs.starts[number] : crumbs.starts[number + 1]]
        return tuple(self._words[word] for word in path.tolist())

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        names = list(self._words.take(self._crumbs.words))
        starts = self._crumbs.starts.tolist()
        each = [tuple(names[first:last]) for first, last in pairwise(starts)]
        return (each[number] for number in self._crumbs.of_rows.tolist())


@dataclass(frozen=True, slots=True, eq=False)
class Crumbs:
    """Breadcrumbs, each once; crumb ``c`` is the words ``words[starts[c]:starts[c + 1]]``."""

    words: Numbers
    starts: NDArray[np.int32]
    #: The crumb of each row.
    of_rows: Numbers

    @property
    def depths(self) -> NDArray[np.int32]:
        """How many names enclose each row, shape (rows,)."""
        depths: NDArray[np.int32] = np.diff(self.starts)[self.of_rows]
        return depths


@dataclass(frozen=True, eq=False)
class MemorySegment:
    """Chunks of some files. The rows of one file are neighbours; arrays have one entry for each row.

    ``eq=False``: segments are compared and hashed by identity, so that what is derived from one can be kept beside it.
    """

    #: Fingerprint of the model that made ``dense``.
    model: str
    files: tuple[FileFacts, ...]
    #: The rows of file ``f`` are ``first_rows[f]:first_rows[f + 1]``.
    first_rows: Rows
    file_of: Rows
    start_lines: Rows
    #: Exclusive.
    end_lines: Rows
    #: Index into ``chunk.KINDS``.
    kinds: NDArray[np.uint8]
    parts: NDArray[np.uint16]
    #: Sets of ``Role``: the file's, and TEST for a test inside a file of code.
    roles: NDArray[np.uint8]
    digests: Digests
    dense: Dense
    #: The shipped model's tokens of each chunk, each once, ascending; none where they are not known.
    tokens: Ragged
    #: All words: terms, names, symbols.
    lexicon: Lexicon
    symbol_numbers: Numbers
    crumbs: Crumbs
    #: Terms of the code and its documentation.
    body: Postings
    #: Terms of the symbol, the breadcrumb and the path.
    names: Postings
    #: Names that the chunk refers to, exactly as written.
    references: Postings
    #: Rows that define a name, by the name in lower case, qualified as written and alone; first parts only.
    definitions: Postings
    # of files:
    #: Terms of the file's stem, and of the name of the folder that holds it, each once.
    stems: Postings
    parents: Postings
    #: The file's name in lower case.
    file_names: Postings
    #: The file that the arrays are mapped from, None where they are in memory alone.
    path: Path | None = None
    mapped: Mapped | None = None

    def __len__(self) -> int:
        return len(self.file_of)

    def __getstate__(self) -> dict[str, Any]:
        return fields_of(self)

    @property
    def vectors(self) -> NDArray[np.float16]:
        """Shape (rows, dimensions), of about unit length."""
        return self.dense.vectors

    @cached_property
    def symbols(self) -> Symbols:
        return Symbols(self.lexicon.words, self.symbol_numbers)

    @cached_property
    def breadcrumbs(self) -> Breadcrumbs:
        return Breadcrumbs(self.lexicon.words, self.crumbs)

    @cached_property
    def has_symbol(self) -> Alive:
        """Which rows have a symbol."""
        has: Alive = self.lexicon.words.lengths[self.symbol_numbers] > 0
        return has

    @cached_property
    def bytes_walked(self) -> int:
        """What a query may have to look at: all but whole vectors, files and the texts of words."""
        fields = (self.body, self.names, self.references, self.definitions)
        return self.dense.bytes_walked + 32 * len(self) + sum(each.rows.nbytes + each.counts.nbytes for each in fields)

    def referring(self, hashes: Hashes, counted: Alive | None) -> NDArray[np.int64]:
        """In how many of the rows that count (None: all do) some words, given by their hashes, are referred to."""
        known = self.lexicon.hashes
        if not len(known):
            return np.zeros(len(hashes), np.int64)
        numbers = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
        here = known[numbers] == hashes
        firsts, ends = (self.references.starts[numbers + more].astype(np.int64) * here for more in (0, 1))
        often: NDArray[np.int64] = ends - firsts
        if counted is not None:
            places, starts = places_of(firsts, ends)
            before = np.zeros(len(places) + 1, np.int64)
            np.cumsum(counted[self.references.rows[places]], out=before[1:])
            often = before[starts[1:]] - before[starts[:-1]]
        return often

    @property
    def mapped_size(self) -> int:
        """Bytes of the file that the arrays are mapped from."""
        return len(self.mapped) if self.mapped is not None else 0

    def is_whole(self) -> bool:
        """Whether the file that the arrays are mapped from is as it was written. Looks at every byte of it."""
        return self.mapped is None or self.mapped.is_whole()

    def is_untouched(self) -> bool:
        """Whether nobody seems to have written into the file that the arrays are mapped from."""
        return self.mapped is None or self.mapped.is_untouched()

    def release(self) -> None:
        """Let go of what was looked at of the file that the arrays are mapped from."""
        if self.mapped is not None:
            self.mapped.release()

    def rows_of(self, file: int) -> range:
        return range(int(self.first_rows[file]), int(self.first_rows[file + 1]))

    def vectors_of(self, file: int) -> dict[int, Vectors]:
        """The vectors of a file's chunks by their digest, as far as they were made."""
        rows = self.rows_of(file)
        span = slice(rows.start, rows.stop)
        pairs = zip(self.digests[span].tolist(), as_float32(self.vectors[span]), strict=True)
        return {digest: vector for digest, vector in pairs if vector.any()}

    def kind(self, row: int) -> str:
        return KINDS[self.kinds[row]]


def name_parts(symbol: str) -> list[str]:
    """The parts of a qualified name: ``Ecto.Query`` -> Ecto, Query; ``Shape::area`` -> Shape, area."""
    return _QUALIFIED.split(symbol)


def own_name(symbol: str) -> str:
    """The last part of a qualified name; any other symbol as it is."""
    return name_parts(symbol)[-1] or symbol


@dataclass(frozen=True, slots=True)
class Columns:
    """What a segment is made of, as Python values and arrays with one entry for each row."""

    model: str
    files: Sequence[FileFacts]
    #: Rows of each file.
    counts: Sequence[int]
    start_lines: Rows
    end_lines: Rows
    kinds: NDArray[np.uint8]
    parts: NDArray[np.uint16]
    symbols: Sequence[str]
    breadcrumbs: Sequence[tuple[str, ...]]
    digests: Digests
    vectors: Vectors | NDArray[np.float16]
    tokens: Ragged
    #: Of consecutive runs of rows.
    body: Sequence[Occurrences]
    names: Sequence[Occurrences]
    references: Sequence[Occurrences]


def build_segment(files: Sequence[IndexedFile], model: str, dimensions: int) -> MemorySegment:
    """A segment of whole files."""
    chunks = [chunk for file in files for chunk in file.chunks]
    vectors = [file.vectors for file in files if len(file.vectors)]
    return segment_of(
        Columns(
            model=model,
            files=[file.facts for file in files],
            counts=[len(file.chunks) for file in files],
            start_lines=np.array([chunk.start_line for chunk in chunks], np.int32),
            end_lines=np.array([chunk.end_line for chunk in chunks], np.int32),
            kinds=np.array([_KIND_NUMBERS[chunk.kind] for chunk in chunks], np.uint8),
            parts=np.array([min(chunk.part, 65535) for chunk in chunks], np.uint16),
            symbols=[chunk.symbol for chunk in chunks],
            breadcrumbs=[chunk.breadcrumb for chunk in chunks],
            digests=np.concatenate([file.digests for file in files]) if files else np.empty(0, np.int64),
            vectors=np.concatenate(vectors) if vectors else np.empty((0, dimensions), np.float32),
            tokens=Ragged.joined([file.tokens for file in files]),
            body=[file.body for file in files],
            names=[file.names for file in files],
            references=[file.references for file in files],
        )
    )


def segment_of(columns: Columns) -> MemorySegment:
    """A segment with all that is derived from its columns."""
    paths = [PurePosixPath(facts.path) for facts in columns.files]
    of_files = {
        "stems": [set(terms(path.name.partition(".")[0] or path.name)) for path in paths],
        "parents": [set(terms(path.parent.name)) for path in paths],
        "file_names": [{path.name.lower()} for path in paths],
    }
    found = {name: [postings.occurrences(words)] for name, words in of_files.items()}
    found |= {
        "body": [*columns.body],
        "names": [*columns.names],
        "references": [*columns.references],
        "definitions": [postings.occurrences(_defined(columns.symbols, columns.parts))],
    }
    crumbs: dict[tuple[str, ...], int] = {}
    crumb_of = [crumbs.setdefault(crumb, len(crumbs)) for crumb in columns.breadcrumbs]
    words = [word for parts in found.values() for part in parts for word in part.vocabulary]
    lexicon, numbers = Lexicon.of((*words, *columns.symbols, *(name for crumb in crumbs for name in crumb)))
    fields: dict[str, Any] = {name: postings.build(parts, lexicon, numbers) for name, parts in found.items()}
    first_rows = np.zeros(len(columns.counts) + 1, np.int32)
    np.cumsum(columns.counts, out=first_rows[1:])
    file_of = np.repeat(np.arange(len(columns.counts), dtype=np.int32), columns.counts)
    return MemorySegment(
        model=columns.model,
        files=tuple(columns.files),
        first_rows=first_rows,
        file_of=file_of,
        start_lines=columns.start_lines,
        end_lines=columns.end_lines,
        kinds=columns.kinds,
        parts=columns.parts,
        roles=_roles(columns, file_of),
        digests=columns.digests,
        dense=Dense.of(columns.vectors, first_rows),
        tokens=columns.tokens,
        lexicon=lexicon,
        symbol_numbers=np.fromiter((numbers[symbol] for symbol in columns.symbols), np.int32, len(columns.symbols)),
        crumbs=Crumbs(
            np.array([numbers[name] for crumb in crumbs for name in crumb], np.int32),
            np.cumsum([0, *map(len, crumbs)], dtype=np.int32),
            np.array(crumb_of, np.int32),
        ),
        **fields,
    )


def _defined(symbols: Sequence[str], parts: NDArray[np.uint16]) -> list[set[str]]:
    return [
        {symbol.lower(), own_name(symbol).lower()} if symbol and part == 0 else set()
        for symbol, part in zip(symbols, parts.tolist(), strict=True)
    ]


def _roles(columns: Columns, file_of: Rows) -> NDArray[np.uint8]:
    of_files = np.array([int(roles_of(facts.path)) for facts in columns.files], np.uint8)
    roles = of_files[file_of]
    roles[columns.kinds == _TEST_KIND] |= np.uint8(Role.TEST)
    inside = [any(name in crumb for name in _TEST_MODULES) for crumb in columns.breadcrumbs]
    roles[np.array(inside, np.bool_)] |= np.uint8(Role.TEST)
    return roles


#: Fields of postings, by what they are over.
OF_ROWS = ("body", "names", "references", "definitions")
OF_FILES = ("stems", "parents", "file_names")


def merge_segments(
    parts: Sequence[tuple[MemorySegment, Sequence[int]]], pause: Callable[[], None] = lambda: None
) -> MemorySegment:
    """One segment of some files of several segments with the same model; files are named by their numbers.

    ``pause`` is called between two steps, which take some milliseconds each for a few thousand rows. DamagedFile where
    a file was overwritten that a segment is mapped from: nobody could tell any more, once that has another checksum.
    """
    segments = [segment for segment, _ in parts]
    for segment in segments:
        if not segment.is_whole():
            raise DamagedFile(f"{segment.path} was overwritten")
    kept_files = [_mask(len(segment.files), numbers) for segment, numbers in parts]
    kept = [files[segment.file_of] for segment, files in zip(segments, kept_files, strict=True)]
    counts = np.concatenate(
        [np.diff(segment.first_rows)[files] for segment, files in zip(segments, kept_files, strict=True)]
    )
    lexicon, numbers = Lexicon.merged(
        [
            (segment.lexicon, _used(segment, files, rows))
            for segment, files, rows in zip(segments, kept_files, kept, strict=True)
        ]
    )
    pause()
    together = list(zip(segments, numbers, kept, kept_files, strict=True))
    first_rows = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=first_rows[1:])

    def joined(name: str) -> NDArray:  # type: ignore[type-arg]
        return np.concatenate([getattr(segment, name)[rows] for segment, _, rows, _ in together])

    def merged(name: str) -> Postings:
        pause()
        return postings.merge(
            [
                Part(getattr(segment, name), words, rows if name in OF_ROWS else files)
                for segment, words, rows, files in together
            ],
            lexicon,
        )

    fields: dict[str, Any] = {name: merged(name) for name in (*OF_ROWS, *OF_FILES)}
    file_of = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    pause()
    dense = Dense.merged([(segment.dense, rows, files) for segment, _, rows, files in together])
    pause()
    return MemorySegment(
        model=segments[0].model,
        files=tuple(
            segment.files[number]
            for segment, files in zip(segments, kept_files, strict=True)
            for number in np.flatnonzero(files).tolist()
        ),
        first_rows=first_rows,
        file_of=file_of,
        start_lines=joined("start_lines"),
        end_lines=joined("end_lines"),
        kinds=joined("kinds"),
        parts=joined("parts"),
        roles=joined("roles"),
        digests=joined("digests"),
        dense=dense,
        tokens=Ragged.joined([segment.tokens.kept(rows) for segment, _, rows, _ in together]),
        lexicon=lexicon,
        symbol_numbers=np.concatenate([words[segment.symbol_numbers[rows]] for segment, words, rows, _ in together]),
        crumbs=_merged_crumbs([(segment.crumbs, words, rows) for segment, words, rows, _ in together]),
        **fields,
    )


def _mask(size: int, numbers: Sequence[int]) -> Alive:
    mask = np.zeros(size, np.bool_)
    mask[list(numbers)] = True
    return mask


def _used(segment: MemorySegment, files: Alive, rows: Alive) -> Alive:
    """Which words of a segment's lexicon its kept files and rows need."""
    if files.all():
        return np.ones(len(segment.lexicon), np.bool_)
    used = np.zeros(len(segment.lexicon), np.bool_)
    for names, kept in ((OF_ROWS, rows), (OF_FILES, files)):
        for name in names:
            field: Postings = getattr(segment, name)
            ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept[field.rows], dtype=np.int64)])[field.starts]
            used |= np.diff(ends) > 0
    used[segment.symbol_numbers[rows]] = True
    crumbs = segment.crumbs
    kept_crumbs = np.zeros(len(crumbs.starts) - 1, np.bool_)
    kept_crumbs[crumbs.of_rows[rows]] = True
    used[crumbs.words[np.repeat(kept_crumbs, np.diff(crumbs.starts))]] = True
    return used


def _merged_crumbs(parts: Sequence[tuple[Crumbs, Numbers, Alive]]) -> Crumbs:
    numbers: dict[tuple[int, ...], int] = {}
    of_rows: list[Numbers] = []
    for crumbs, words, rows in parts:
        kept = crumbs.of_rows[rows]
        renamed = words[crumbs.words].tolist() if len(crumbs.words) else []
        starts = crumbs.starts.tolist()
        mapping = np.zeros(len(starts) - 1, np.int32)
        for crumb in np.unique(kept).tolist():
            mapping[crumb] = numbers.setdefault(tuple(renamed[starts[crumb] : starts[crumb + 1]]), len(numbers))
        of_rows.append(mapping[kept])
    return Crumbs(
        np.array([word for crumb in numbers for word in crumb], np.int32),
        np.cumsum([0, *map(len, numbers)], dtype=np.int32),
        np.concatenate(of_rows) if of_rows else np.empty(0, np.int32),
    )
