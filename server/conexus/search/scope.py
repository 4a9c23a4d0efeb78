"""Determines which rows of a snapshot a request may return: filters become a mask before anything is ranked."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from conexus.chunking import LANGUAGES, canonical_language, did_you_mean
from conexus.chunking.chunk import KINDS
from conexus.search.bm25 import Field
from conexus.search.operators import Operators, kind_named, shown
from conexus.search.segment_facts import SegmentFacts, table
from conexus.segments.roles import Role
from conexus.segments.snapshot import RowRef, Snapshot, View
from conexus.values import BadQuery, Filters, Tests
from conexus.workspace.gitignore import PatternList, byte_string

Mask = NDArray[np.bool_]
#: Maximum number of masks of path patterns that one segment's ``SegmentFacts`` keeps; others are made for each request.
_MOST_CHOSEN = 64
#: Maximum number of values that one snapshot's scopes keep. There are fewer than half as many names, except with
#: unusual weights.
_MOST_MADE = 64
#: Key of a snapshot's whole scope in ``Snapshot.derived``.
_WHOLE = "scope"

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Scope:
    """The rows of all views, numbered view after view, and their files, numbered in the same way."""

    views: tuple[View, ...]
    tables: tuple[SegmentFacts, ...]
    #: The rows of view ``v`` are ``first_rows[v]:first_rows[v + 1]``.
    first_rows: tuple[int, ...]
    first_files: tuple[int, ...]
    #: The file of each row, shape (rows,).
    file_of: NDArray[np.int32]
    #: Sets of ``Role`` (as bits), for each row.
    roles: NDArray[np.uint8]
    #: Index into ``chunk.KINDS``, for each row.
    kinds: NDArray[np.uint8]
    #: Number of the piece of a long definition, from 0, for each row.
    parts: NDArray[np.uint16]
    #: Mask of the rows that the request may return, shape (rows,).
    allowed: Mask
    #: Masks of the live rows and files, which are neither shadowed nor deleted. Statistics count only these, so that
    #: the number of other rows that a segment still has changes no answer. None: all are live.
    counted: Mask | None = None
    counted_files: Mask | None = None
    #: The candidate rows, ascending; None: all rows. Other rows are no answers, but their words are counted, too.
    chosen: NDArray[np.int64] | None = None
    #: The values that ``once`` made, shared by all scopes of a snapshot.
    _made: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def once(self, name: Hashable, make: Callable[[], T]) -> T:
        """Memoises a value derived from this snapshot; ``name`` must determine it. Later requests share the value."""
        known: T | None = self._made.get(name)
        if known is not None:
            return known
        if len(self._made) >= _MOST_MADE:
            self._made.clear()
        made = self._made[name] = make()
        return made

    def field(self, name: Literal["body", "names"]) -> Field:
        """Returns the postings of all rows, of the words in their code (``body``) or in their names."""
        return self.once(
            name, lambda: Field.of([getattr(view.segment, name) for view in self.views], self.first_rows, self.counted)
        )

    def field_of_files(self, name: Literal["stems", "parents"]) -> Field:
        """Returns the postings of all files, of the words in their names or (``parents``) in their folders' names."""
        return self.once(
            name,
            lambda: Field.of(
                [getattr(view.segment, name) for view in self.views], self.first_files, self.counted_files
            ),
        )

    @property
    def rows_of_files(self) -> NDArray[np.int64]:
        """The number of rows of each file, shape (files,)."""
        return self.once("rows of files", lambda: np.bincount(self.file_of, minlength=self.files))

    @property
    def file_lengths(self) -> NDArray[np.float32]:
        """The number of terms in the code of each file, shape (files,)."""
        return self.once("file lengths", lambda: _join((facts.lengths for facts in self.tables), np.float32))

    @property
    def rows(self) -> int:
        """The number of rows, whether they are live or not."""
        return self.first_rows[-1]

    @property
    def files(self) -> int:
        """The number of files, whether they are live or not."""
        return self.first_files[-1]

    def ref(self, row: int) -> RowRef:
        number = self.view_of(row)
        return RowRef(self.views[number], row - self.first_rows[number])

    def view_of(self, row: int) -> int:
        return bisect_right(self.first_rows, row) - 1

    def chosen_of(self, view: int) -> NDArray[np.int64]:
        """Returns the candidate rows of a view, as the view numbers them; none if ``chosen`` is None (all rows)."""
        chosen = np.empty(0, np.int64) if self.chosen is None else self.chosen
        first, last = self.first_rows[view : view + 2]
        own: NDArray[np.int64] = chosen[np.searchsorted(chosen, first) : np.searchsorted(chosen, last)] - first
        return own

    @property
    def population(self) -> int:
        """The number of live rows."""
        counted = self.counted
        return self.rows if counted is None else self.once("population", lambda: int(np.count_nonzero(counted)))

    @property
    def file_population(self) -> int:
        """The number of live files."""
        counted = self.counted_files
        return self.files if counted is None else self.once("files", lambda: int(np.count_nonzero(counted)))


def scope_of(snapshot: Snapshot, filters: Filters, operators: Operators | None = None) -> Scope:
    """Returns the scope of a request. Raises BadQuery if a filter's value means nothing."""
    whole: Scope | None = snapshot.derived.get(_WHOLE)
    if whole is None:
        whole = snapshot.derived[_WHOLE] = _whole_scope(snapshot)
    operators = operators or Operators()
    _check_languages(operators, whole.tables)
    chosen = _Chosen.of(filters, operators)
    if chosen.all:
        return whole
    pairs = zip(whole.views, whole.tables, strict=True)
    return replace(whole, allowed=_join((chosen.rows(view, facts) for view, facts in pairs), np.bool_))


def _whole_scope(snapshot: Snapshot) -> Scope:
    """Returns the scope of a request without filters."""
    views = tuple(view for view in snapshot.views if len(view.segment))
    tables = tuple(table(view.segment) for view in views)
    first_rows, first_files = [0], [0]
    for view in views:
        first_rows.append(first_rows[-1] + len(view.segment))
        first_files.append(first_files[-1] + len(view.segment.files))
    file_of = _join(
        (view.segment.file_of + np.int32(first) for view, first in zip(views, first_files, strict=False)), np.int32
    )
    counted, counted_files = _counted(views, tables, file_of)
    return Scope(
        views,
        tables,
        tuple(first_rows),
        tuple(first_files),
        file_of,
        _join((each.roles for each in tables), np.uint8),
        _join((view.segment.kinds for view in views), np.uint8),
        _join((view.segment.parts for view in views), np.uint16),
        _join((view.live for view in views), np.bool_),
        counted,
        counted_files,
    )


def _counted(
    views: Sequence[View], tables: Sequence[SegmentFacts], file_of: NDArray[np.int32]
) -> tuple[Mask | None, Mask | None]:
    """Returns the masks of the live rows and of the live files; None if all are live."""
    # A file without rows does not count, because nothing shows whether it still exists.
    files = _join((facts.has_rows for facts in tables), np.bool_)
    if all(view.live.all() for view in views):
        return None, None if files.all() else files
    rows = np.concatenate([view.live for view in views])
    files[file_of[~rows]] = False
    return rows, files


def _check_languages(operators: Operators, tables: Sequence[SegmentFacts]) -> None:
    """Raises BadQuery for a language that is neither known nor the language of any file: most likely mistyped."""
    for name in operators.languages:
        if tables and name not in LANGUAGES and not any(name in facts.language_numbers for facts in tables):
            raise BadQuery(f"no file here is in a language called `{shown(name)}`{did_you_mean(name)}")


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Filters and operators, in the form that is used to test rows."""

    folders: frozenset[str]
    #: Sets of languages: the file's language must be in each set of ``languages`` and not in ``not_languages``.
    languages: tuple[frozenset[str], ...]
    not_languages: frozenset[str]
    kinds: tuple[NDArray[np.bool_], ...]
    #: Groups of patterns: each group of ``paths`` must match the file, no group of ``not_paths`` may match it.
    paths: tuple[tuple[str, ...], ...]
    not_paths: tuple[tuple[str, ...], ...]
    tests: tuple[Tests, ...]

    @property
    def all(self) -> bool:
        """Whether nothing is filtered."""
        chosen = self.folders or self.languages or self.not_languages or self.kinds or self.paths or self.not_paths
        return not chosen and all(tests == "include" for tests in self.tests)

    @staticmethod
    def of(filters: Filters, operators: Operators) -> _Chosen:
        asked = tuple(canonical_language(each) for each in filters.languages)
        kinds = [tuple(kind_named(each) for each in filters.kinds), operators.kinds]
        masks = [np.array([kind in names for kind in KINDS]) for names in kinds if names]
        if operators.not_kinds:
            masks.append(np.array([kind not in operators.not_kinds for kind in KINDS]))
        return _Chosen(
            folders=frozenset(_folder(folder) for folder in filters.folders),
            languages=tuple(frozenset(names) for names in (asked, operators.languages) if names),
            not_languages=frozenset(operators.not_languages),
            kinds=tuple(masks),
            paths=tuple(
                patterns for patterns in (filters.include, *(_word(each) for each in operators.paths)) if patterns
            ),
            not_paths=tuple(
                patterns for patterns in (filters.exclude, *(_word(each) for each in operators.not_paths)) if patterns
            ),
            tests=(filters.tests, operators.tests),
        )

    def rows(self, view: View, facts: SegmentFacts) -> Mask:
        """Returns the mask of the view's rows that the request may return, shape (rows of the view,)."""
        segment = view.segment
        allowed = view.live.copy()
        if self.folders and _folder(view.folder) not in self.folders:
            allowed[:] = False
            return allowed
        files = self._files(view, facts)
        if files is not None:
            allowed &= files[segment.file_of]
        for kinds in self.kinds:
            allowed &= kinds[segment.kinds]
        for tests in self.tests:
            if tests != "include":
                allowed &= ((facts.roles & np.uint8(Role.TEST)) != 0) == (tests == "only")
        return allowed

    def _files(self, view: View, facts: SegmentFacts) -> Mask | None:
        if not (self.languages or self.not_languages or self.paths or self.not_paths):
            return None
        files = np.ones(len(view.segment.files), np.bool_)
        for names in self.languages:
            files &= _in_languages(facts, names)
        if self.not_languages:
            files &= ~_in_languages(facts, self.not_languages)
        for patterns in self.paths:
            files &= _matching(view, facts, patterns)
        for patterns in self.not_paths:
            files &= ~_matching(view, facts, patterns)
        return files


def _folder(path: str) -> str:
    return path.rstrip("/") if len(path) > 1 else path


def _word(pattern: str) -> tuple[str, ...]:
    """Returns the patterns for an operator's value: the value itself, or a substring search if it has no wildcard."""
    return (pattern,) if re.search(r"[*?\[!]", pattern) else (_CONTAINS + pattern.lower(),)


#: Marks a pattern that may occur anywhere in the path, in lower case; no path pattern begins with this mark.
_CONTAINS = "\0"


def _in_languages(facts: SegmentFacts, names: Iterable[str]) -> Mask:
    numbers = [facts.language_numbers[name] for name in names if name in facts.language_numbers]
    return np.isin(facts.languages, numbers)


def _matching(view: View, facts: SegmentFacts, patterns: tuple[str, ...]) -> Mask:
    known = facts.chosen.get(patterns)
    if known is not None:
        return known
    paths = [file.path for file in view.segment.files]
    mask = np.array(_match(paths, patterns), np.bool_)
    if len(facts.chosen) < _MOST_CHOSEN:
        facts.chosen[patterns] = mask
    return mask


def _match(paths: Sequence[str], patterns: tuple[str, ...]) -> list[bool]:
    if len(patterns) == 1 and patterns[0].startswith(_CONTAINS):
        word = patterns[0].removeprefix(_CONTAINS)
        whole = word.removeprefix("/")
        # "/src" is anchored at the folder, as in .gitignore.
        return [path.lower().startswith(whole) if word != whole else word in path.lower() for path in paths]
    rules = PatternList.of_lines(patterns)
    directories: dict[str, bool] = {"": False}
    return [_chosen(path, rules, directories) for path in paths]


def _chosen(path: str, rules: PatternList, directories: dict[str, bool]) -> bool:
    """Decides whether the rules match a file or, where no rule applies to it, the nearest directory above it."""
    verdict = rules.ignores(byte_string(path), byte_string(path.rpartition("/")[2]), is_directory=False)
    if verdict is not None:
        return verdict
    silent: list[str] = []
    parent = path.rpartition("/")[0]
    while parent not in directories:
        verdict = rules.ignores(byte_string(parent), byte_string(parent.rpartition("/")[2]), is_directory=True)
        if verdict is not None:
            directories[parent] = verdict
            break
        silent.append(parent)
        parent = parent.rpartition("/")[0]
    directories.update((each, directories[parent]) for each in silent)
    return directories[parent]


def _join(parts: Iterable[NDArray], kind: type) -> NDArray:  # type: ignore[type-arg]
    arrays = list(parts)
    return np.concatenate(arrays) if arrays else np.empty(0, kind)
