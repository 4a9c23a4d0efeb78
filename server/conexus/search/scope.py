"""Determines which rows of a snapshot a request may return: filters become a mask before anything is ranked."""

from __future__ import annotations

import re
import time
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from conexus import limits
from conexus.chunking import LANGUAGES, canonical_language, did_you_mean
from conexus.chunking.chunk import KINDS
from conexus.limits import Limit
from conexus.search.bm25 import Field
from conexus.search.operators import Operators, check_size, parse_kind, shortened
from conexus.search.segment_facts import SegmentFacts, facts_of
from conexus.segments.memo import Memo
from conexus.segments.postings import Postings
from conexus.segments.roles import Role
from conexus.segments.snapshot import RowRef, Snapshot, View
from conexus.values import BadQuery, Filters, Tests
from conexus.workspace.gitignore import PatternList, byte_string

Mask = NDArray[np.bool_]
#: Maximum number of values in the memo of a snapshot's scopes. There are fewer than half as many keys, except with
#: unusual weights.
_MAX_DERIVED = 64
#: Key of a snapshot's whole scope in ``Snapshot.memo``.
_WHOLE = "scope"

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Scope:
    """The rows of all views, numbered view after view, and their files, numbered in the same way.

    The shapes below refer to ``rows`` and ``files``, the numbers of all rows and files, live or not. The arrays are
    never changed.
    """

    #: The snapshot's views that have rows.
    views: tuple[View, ...]
    #: The facts of each view's segment, in the order of ``views``.
    facts: tuple[SegmentFacts, ...]
    #: The rows of view ``v`` are ``first_rows[v]:first_rows[v + 1]``; length: number of views + 1.
    first_rows: tuple[int, ...]
    #: The files of view ``v`` are ``first_files[v]:first_files[v + 1]``; length: number of views + 1.
    first_files: tuple[int, ...]
    #: The file of each row, shape (rows,).
    file_of: NDArray[np.int32]
    #: Sets of ``Role`` (as bits), for each row, shape (rows,).
    roles: NDArray[np.uint8]
    #: Index into ``chunk.KINDS``, for each row, shape (rows,).
    kinds: NDArray[np.uint8]
    #: Number of the piece of a long definition, from 0, for each row, shape (rows,).
    parts: NDArray[np.uint16]
    #: Mask of the rows that the request may return: live rows that pass the filters; shape (rows,).
    filter_mask: Mask
    #: Masks of the live rows and files, which are neither shadowed nor deleted; shapes (rows,) and (files,). Statistics
    #: count only these, so that the number of other rows that a segment still has changes no answer. None: all are
    #: live.
    live: Mask | None = None
    live_files: Mask | None = None
    #: The candidate rows, ascending, shape (candidates,); None: all rows. Other rows are no answers, but statistics
    #: count their words, too.
    candidates: NDArray[np.int64] | None = None
    #: What ``memoized`` derived. All scopes of a snapshot share it.
    _memo: Memo = field(default_factory=lambda: Memo(_MAX_DERIVED), repr=False)

    def memoized(self, key: Hashable, derive: Callable[[], T]) -> T:
        """Returns a value that the snapshot and ``key`` determine, whatever the filters. Derives it on first use."""
        return self._memo.get(key, derive)

    def field(self, name: Literal["body", "names"]) -> Field:
        """Returns the postings of all rows, of the words in their code (``body``) or in their names."""
        return self.memoized(name, lambda: Field.from_postings(self._postings(name), self.first_rows, self.live))

    def field_of_files(self, name: Literal["stems", "parents"]) -> Field:
        """Returns the postings of all files, of the words in their names or (``parents``) in their folders' names."""
        return self.memoized(name, lambda: Field.from_postings(self._postings(name), self.first_files, self.live_files))

    def _postings(self, name: str) -> list[Postings]:
        return [getattr(view.segment, name) for view in self.views]

    @property
    def rows_of_files(self) -> NDArray[np.int64]:
        """The number of rows of each file, shape (files,)."""
        return self.memoized("rows of files", lambda: np.bincount(self.file_of, minlength=self.files))

    @property
    def file_lengths(self) -> NDArray[np.float32]:
        """The number of terms in the code of each file, shape (files,)."""
        return self.memoized("file lengths", lambda: _join((facts.lengths for facts in self.facts), np.float32))

    @property
    def rows(self) -> int:
        """The number of rows, whether they are live or not."""
        return self.first_rows[-1]

    @property
    def files(self) -> int:
        """The number of files, whether they are live or not."""
        return self.first_files[-1]

    def ref(self, row: int) -> RowRef:
        """Returns the chunk of a row."""
        number = self.view_of(row)
        return RowRef(self.views[number], row - self.first_rows[number])

    def view_of(self, row: int) -> int:
        """Returns the number of a row's view."""
        return bisect_right(self.first_rows, row) - 1

    def places(self, rows: NDArray[np.integer]) -> NDArray[np.int64]:
        """Returns the rank of each row by folder, path and place in the file; shape (len(rows),).

        It orders rows of equal score. The numbers of the rows do not: they follow the order in which files were read.
        """
        places = np.empty(len(rows), np.int64)
        places[np.lexsort((rows, self._file_ranks(rows)))] = np.arange(len(rows))
        return places

    def _file_ranks(self, rows: NDArray[np.integer]) -> NDArray[np.integer]:
        """Returns the rank of each row's file by folder and path; shape (len(rows),)."""
        if len(self.views) == 1:
            of_rows: NDArray[np.integer] = self.facts[0].path_ranks[self.file_of[rows]]
            return of_rows
        files, owners = np.unique(self.file_of[rows], return_inverse=True)
        keys: list[tuple[str, str]] = []
        for file in files.tolist():
            view = self.views[number := bisect_right(self.first_files, file) - 1]
            keys.append((view.folder, view.segment.files[file - self.first_files[number]].path))
        ranks = np.empty(len(keys), np.int64)
        ranks[sorted(range(len(keys)), key=keys.__getitem__)] = np.arange(len(keys))
        return ranks[owners]

    def first_by_place(self, rows: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
        """Returns the first ``limit`` of the rows, which must ascend, by folder, path and place in the file."""
        kept: list[NDArray[np.int64]] = []
        bounds = np.searchsorted(rows, self.first_rows).tolist()
        for number, (start, end) in enumerate(pairwise(bounds)):
            of_view = rows[start:end]
            if len(of_view) > limit:
                # No other view's rows can push more of this view's rows among the first.
                ranks = self.facts[number].path_ranks[self.file_of[of_view] - self.first_files[number]]
                of_view = of_view[ranks <= np.partition(ranks, limit - 1)[limit - 1]]
            kept.append(of_view)
        found = np.concatenate(kept) if kept else rows
        return found[np.argsort(self.places(found))][:limit]

    def candidates_of(self, view: int) -> NDArray[np.int64]:
        """Returns the candidate rows of a view, as the view numbers them; none if ``candidates`` is None (all rows)."""
        rows = np.empty(0, np.int64) if self.candidates is None else self.candidates
        first, last = self.first_rows[view : view + 2]
        own: NDArray[np.int64] = rows[np.searchsorted(rows, first) : np.searchsorted(rows, last)] - first
        return own

    @property
    def live_count(self) -> int:
        """The number of live rows."""
        live = self.live
        return self.rows if live is None else self.memoized("live rows", lambda: int(np.count_nonzero(live)))

    @property
    def live_file_count(self) -> int:
        """The number of live files."""
        live = self.live_files
        return self.files if live is None else self.memoized("live files", lambda: int(np.count_nonzero(live)))


def scope_of(
    snapshot: Snapshot,
    filters: Filters,
    operators: Operators | None = None,
    check: Callable[[], None] = lambda: None,
) -> Scope:
    """Returns the scope of a request.

    ``check`` is called now and then, and raises if the request was cancelled. Raises BadQuery if a filter's value means
    nothing, or if the filters are too many or too long.
    """
    check_size((*filters.languages, *filters.include, *filters.exclude, *filters.kinds))
    whole = snapshot.memo.get(_WHOLE, lambda: _whole_scope(snapshot))
    operators = operators or Operators()
    _check_languages(operators, whole.facts)
    conditions = _Conditions.from_filters(filters, operators)
    if conditions.are_empty:
        return whole
    pairs = zip(whole.views, whole.facts, strict=True)
    return replace(whole, filter_mask=_join((conditions.rows(view, facts, check) for view, facts in pairs), np.bool_))


def _whole_scope(snapshot: Snapshot) -> Scope:
    """Returns the scope of a request without filters."""
    views = tuple(view for view in snapshot.views if len(view.segment))
    facts = tuple(facts_of(view.segment) for view in views)
    first_rows, first_files = [0], [0]
    for view in views:
        first_rows.append(first_rows[-1] + len(view.segment))
        first_files.append(first_files[-1] + len(view.segment.files))
    file_of = _join(
        (view.segment.file_of + np.int32(first) for view, first in zip(views, first_files, strict=False)), np.int32
    )
    live, live_files = _live_masks(views, facts, file_of)
    return Scope(
        views,
        facts,
        tuple(first_rows),
        tuple(first_files),
        file_of,
        _join((each.roles for each in facts), np.uint8),
        _join((view.segment.kinds for view in views), np.uint8),
        _join((view.segment.parts for view in views), np.uint16),
        _join((view.live for view in views), np.bool_),
        live,
        live_files,
    )


def _live_masks(
    views: Sequence[View], facts: Sequence[SegmentFacts], file_of: NDArray[np.int32]
) -> tuple[Mask | None, Mask | None]:
    """Returns the masks of the live rows and of the live files; None if all are live."""
    # A file without rows does not count, because nothing shows whether it still exists.
    files = _join((each.has_rows for each in facts), np.bool_)
    if all(view.live.all() for view in views):
        return None, None if files.all() else files
    rows = np.concatenate([view.live for view in views])
    files[file_of[~rows]] = False
    return rows, files


def _check_languages(operators: Operators, facts: Sequence[SegmentFacts]) -> None:
    """Raises BadQuery for a language that is neither known nor the language of any file: most likely mistyped."""
    for name in operators.languages:
        if facts and name not in LANGUAGES and not any(name in each.language_numbers for each in facts):
            raise BadQuery(f"no file here is in a language called `{shortened(name)}`{did_you_mean(name)}")


@dataclass(frozen=True, slots=True)
class _Conditions:
    """Filters and operators, in the form that is used to test rows."""

    folders: frozenset[str]
    #: Sets of languages: the file's language must be in each set of ``languages`` and not in ``not_languages``.
    languages: tuple[frozenset[str], ...]
    not_languages: frozenset[str]
    kinds: tuple[NDArray[np.bool_], ...]
    #: Groups of patterns: each group of ``paths`` must match the file, no group of ``not_paths`` may match it.
    paths: tuple[_PathPatterns, ...]
    not_paths: tuple[_PathPatterns, ...]
    tests: tuple[Tests, ...]

    @property
    def are_empty(self) -> bool:
        """Whether every live row passes."""
        some = self.folders or self.languages or self.not_languages or self.kinds or self.paths or self.not_paths
        return not some and all(tests == "include" for tests in self.tests)

    @staticmethod
    def from_filters(filters: Filters, operators: Operators) -> _Conditions:
        languages = tuple(canonical_language(each) for each in filters.languages)
        kinds = [tuple(parse_kind(each) for each in filters.kinds), operators.kinds]
        masks = [np.array([kind in names for kind in KINDS]) for names in kinds if names]
        if operators.not_kinds:
            masks.append(np.array([kind not in operators.not_kinds for kind in KINDS]))
        return _Conditions(
            folders=frozenset(_folder(folder) for folder in filters.folders),
            languages=tuple(frozenset(names) for names in (languages, operators.languages) if names),
            not_languages=frozenset(operators.not_languages),
            kinds=tuple(masks),
            paths=tuple(
                _PathPatterns.of(patterns)
                for patterns in (filters.include, *(_patterns(each) for each in operators.paths))
                if patterns
            ),
            not_paths=tuple(
                _PathPatterns.of(patterns)
                for patterns in (filters.exclude, *(_patterns(each) for each in operators.not_paths))
                if patterns
            ),
            tests=(filters.tests, operators.tests),
        )

    def rows(self, view: View, facts: SegmentFacts, check: Callable[[], None]) -> Mask:
        """Returns the mask of the view's rows that the request may return, shape (rows of the view,)."""
        segment = view.segment
        mask = view.live.copy()
        if self.folders and _folder(view.folder) not in self.folders:
            mask[:] = False
            return mask
        files = self._files(view, facts, check)
        if files is not None:
            mask &= files[segment.file_of]
        for kinds in self.kinds:
            mask &= kinds[segment.kinds]
        for tests in self.tests:
            if tests != "include":
                mask &= ((facts.roles & np.uint8(Role.TEST)) != 0) == (tests == "only")
        return mask

    def _files(self, view: View, facts: SegmentFacts, check: Callable[[], None]) -> Mask | None:
        if not (self.languages or self.not_languages or self.paths or self.not_paths):
            return None
        files = np.ones(len(view.segment.files), np.bool_)
        for names in self.languages:
            files &= _in_languages(facts, names)
        if self.not_languages:
            files &= ~_in_languages(facts, self.not_languages)
        for patterns in self.paths:
            files &= patterns.mask(view, facts, check)
        for patterns in self.not_paths:
            files &= ~patterns.mask(view, facts, check)
        return files


def _folder(path: str) -> str:
    return path.rstrip("/") if len(path) > 1 else path


def _patterns(pattern: str) -> tuple[str, ...]:
    """Returns the patterns for an operator's value: the value itself, or a substring search if it has no wildcard."""
    return (pattern,) if re.search(r"[*?\[!]", pattern) else (_CONTAINS + pattern.lower(),)


#: Marks a pattern that may occur anywhere in the path, in lower case; no path pattern begins with this mark.
_CONTAINS = "\0"


def _in_languages(facts: SegmentFacts, names: Iterable[str]) -> Mask:
    numbers = [facts.language_numbers[name] for name in names if name in facts.language_numbers]
    return np.isin(facts.languages, numbers)


#: Number of paths that are compared with patterns at a time, and seconds after which ``check`` is called.
_PIECE, _CHECK_SECONDS = 8, 0.02


@dataclass(frozen=True, slots=True)
class _PathPatterns:
    """Patterns of paths of one filter."""

    patterns: tuple[str, ...]
    #: The patterns in the syntax of .gitignore; None for a search for a substring.
    rules: PatternList | None

    @classmethod
    def of(cls, patterns: tuple[str, ...]) -> _PathPatterns:
        """Parses patterns. Raises BadQuery for one that is too long or has too many wildcards."""
        if len(patterns) == 1 and patterns[0].startswith(_CONTAINS):
            return cls(patterns, None)
        rules = PatternList.of_lines(patterns)
        if rules.dropped:
            limits.hit(Limit.REQUEST_FILTERS)
            longest = max(patterns, key=len)
            raise BadQuery(f"the pattern `{shortened(longest)}` is too long or has too many wildcards")
        return cls(patterns, rules)

    def mask(self, view: View, facts: SegmentFacts, check: Callable[[], None]) -> Mask:
        """Returns the mask of the view's files that the patterns match, shape (files,)."""
        return facts.path_masks.get(self.patterns, lambda: np.array(self._match(view, check), np.bool_))

    def _match(self, view: View, check: Callable[[], None]) -> list[bool]:
        paths = [file.path for file in view.segment.files]
        found: list[bool] = []
        checked = time.perf_counter()
        matches = self._matcher()
        for first in range(0, len(paths), _PIECE):
            found += [matches(path) for path in paths[first : first + _PIECE]]
            if time.perf_counter() - checked > _CHECK_SECONDS:
                check()
                checked = time.perf_counter()
        return found

    def _matcher(self) -> Callable[[str], bool]:
        rules = self.rules
        if rules is not None:
            directories: dict[str, bool] = {"": False}
            return lambda path: _matches(path, rules, directories)
        word = self.patterns[0].removeprefix(_CONTAINS)
        unanchored = word.removeprefix("/")
        if word != unanchored:  # "/src" is anchored at the folder, as in .gitignore
            return lambda path: path.lower().startswith(unanchored)
        return lambda path: word in path.lower()


def _matches(path: str, rules: PatternList, directories: dict[str, bool]) -> bool:
    """Decides whether the rules match a file or, where no rule applies to it, the nearest directory above it."""
    verdict = rules.ignores(byte_string(path), byte_string(path.rpartition("/")[2]), is_directory=False)
    if verdict is not None:
        return verdict
    undecided: list[str] = []
    parent = path.rpartition("/")[0]
    while parent not in directories:
        verdict = rules.ignores(byte_string(parent), byte_string(parent.rpartition("/")[2]), is_directory=True)
        if verdict is not None:
            directories[parent] = verdict
            break
        undecided.append(parent)
        parent = parent.rpartition("/")[0]
    directories.update((each, directories[parent]) for each in undecided)
    return directories[parent]


def _join(parts: Iterable[NDArray], kind: type) -> NDArray:  # type: ignore[type-arg]
    arrays = list(parts)
    return np.concatenate(arrays) if arrays else np.empty(0, kind)
