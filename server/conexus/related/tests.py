"""Finds ``test`` and ``tested``: tests that exercise the place, and code that the test at the place exercises."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import numpy as np

from conexus.related.calls import referring_rows
from conexus.related.names import affinities, defining_rows, name_rarity
from conexus.related.place import Anchor, RelatedRow, surest_rows
from conexus.search.scope import Scope
from conexus.segments.roles import Role
from conexus.segments.terms import word_terms

_TEST_AFFIX = re.compile(r"^tests?[-_.]|[-_.](?:tests?|spec)$|(?<=[a-z0-9])(?:Tests?|Specs?|TestCase)$|^Test(?=[A-Z])")
_TEST_WORDS = frozenset({"test", "tests", "spec", "should", "it"})


def tests(scope: Scope, anchor: Anchor, limit: int) -> list[RelatedRow]:
    """Returns tests that refer to the anchor's name, are named after it, or are in the test file of its file."""
    if anchor.is_test or not anchor.rows:
        return []
    scores: dict[int, float] = {}
    if anchor.symbol:
        rarity = name_rarity(len(defining_rows(scope, anchor.symbol)))
        rows = referring_rows(scope, anchor)
        rows = rows[scope.roles[rows] & np.uint8(Role.TEST) != 0]
        scores = dict(zip(rows.tolist(), (0.4 * rarity + 0.2 * affinities(scope, anchor, rows)).tolist(), strict=True))
    subject = _terms(anchor.symbol)
    for row in _definitions_of_same_stem(scope, anchor, in_tests=True):
        is_named_after = bool(subject) and subject <= _terms(scope.ref(row).view.segment.symbols[scope.ref(row).row])
        if row in scores or is_named_after or not anchor.symbol:
            scores[row] = scores.get(row, 0.0) + 0.2 + 0.2 * is_named_after
    found = [
        RelatedRow(row, min(score, 1.0), f"tests {anchor.symbol}" if anchor.symbol else "tests this file")
        for row, score in scores.items()
        if scope.filter_mask[row] and row not in anchor.excluded
    ]
    return surest_rows(scope, found, limit)


def tested(scope: Scope, anchor: Anchor, limit: int) -> list[RelatedRow]:
    """Returns code outside tests that a test refers to, first the code after which the test or its file is named."""
    if not anchor.is_test:
        return []
    test_subject = _terms(anchor.symbol)
    same_stem = frozenset(_definitions_of_same_stem(scope, anchor, in_tests=False))
    found: list[RelatedRow] = []
    for name in anchor.references:
        rows = [row for row in defining_rows(scope, name) if not scope.roles[row] & Role.TEST]
        subject = _terms(name)
        for row, affinity in zip(rows, affinities(scope, anchor, np.array(rows, np.int64)).tolist(), strict=True):
            if scope.filter_mask[row] and row not in anchor.excluded:
                score = 0.4 * name_rarity(len(rows)) + 0.2 * affinity
                score += 0.2 * (row in same_stem) + 0.2 * (bool(subject) and subject <= test_subject)
                found.append(RelatedRow(row, score, f"{name} is tested here"))
    return surest_rows(scope, found, limit)


def _definitions_of_same_stem(scope: Scope, anchor: Anchor, *, in_tests: bool) -> list[int]:
    """Returns definitions in files whose name equals the anchor's file name, apart from affixes that mark a test."""
    wanted = _stem(anchor.place.path)
    rows: list[int] = []
    for number, (view, facts) in enumerate(zip(scope.views, scope.facts, strict=True)):
        for file, of_file in enumerate(view.segment.files):
            if wanted in of_file.path.lower() and _stem(of_file.path) == wanted:
                span = view.segment.file_rows(file)
                are_tests = (facts.roles[span.start : span.stop] & Role.TEST) != 0
                definitions = np.flatnonzero(facts.defines[span.start : span.stop] & (are_tests == in_tests))
                rows += (definitions + span.start + scope.first_rows[number]).tolist()
    return rows


def _stem(path: str) -> str:
    return _TEST_AFFIX.sub("", PurePosixPath(path).stem).lower()


def _terms(name: str) -> frozenset[str]:
    found = word_terms(name)
    return frozenset(found[1:] or found) - _TEST_WORDS
