"""Computes what is added to the ranker's scores: for names, wanted roles, and the files that the user has open.

This is not left to the ranker: names are rare in its training data and no matter of degree, and it does not know which
files are open.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np

from conexus.search.bm25 import Scores
from conexus.search.candidates import Candidates
from conexus.search.signals import is_member
from conexus.search.weights import Weights
from conexus.segments.roles import Role
from conexus.segments.segment import own_name
from conexus.segments.snapshot import FileKey

#: Maximum number of rows with a word for which the word alone identifies the wanted rows.
_MAX_ROWS_OF_RARE_WORD = 5
#: Factor for a definition outside the file of its name.
_IN_OTHER_FILE = np.float32(0.8)


def name_bonus(candidates: Candidates) -> Scores:
    """Returns 0..1 for each candidate: whether the query calls it, or its file, by its name. Shape (candidates,)."""
    scope, rows = candidates.scope, candidates.rows
    file_named = candidates.signals.file_named[scope.file_of[rows]]
    if not candidates.query.symbol_like:
        return file_named
    defines_name = candidates.signals.defines_name[rows]
    for place in np.flatnonzero(defines_name).tolist():
        ref = scope.ref(int(rows[place]))
        # Of several definitions of one name, people mean the definition in the file of this name.
        name = own_name(ref.view.segment.symbols[ref.row])
        if PurePosixPath(ref.path).stem.lower() != name.lower():
            defines_name[place] *= _IN_OTHER_FILE
    return np.maximum(np.maximum(file_named, defines_name), rare_word_bonus(candidates))


def rare_word_bonus(candidates: Candidates) -> Scores:
    """Returns 1 for candidates that have the one word of the query if hardly any other row has it, else 0.

    A rare word alone identifies the wanted rows. Shape (candidates,).
    """
    bonus = np.zeros(len(candidates.rows), np.float32)
    words = {concept.word for concept in candidates.query.concepts if concept.weight == 1}
    # Concept 0 is the whole word; its parts are later concepts.
    found = [word.rows for word in candidates.signals.found_words if word.concept == 0 and len(words) == 1]
    rows = np.unique(np.concatenate(found)) if found else np.empty(0, np.int32)
    if 0 < len(rows) <= _MAX_ROWS_OF_RARE_WORD:
        bonus[is_member(candidates.rows, rows)] = 1
    return bonus


def role_bonus(candidates: Candidates) -> Scores:
    """Returns 1 for candidates of a role that the query wants (``tests for the parser``), else 0.

    Shape (candidates,).
    """
    query = candidates.query
    wanted = Role.TEST * query.wants_tests | Role.EXAMPLE * query.wants_examples
    return ((candidates.scope.roles[candidates.rows] & np.uint8(wanted)) > 0).astype(np.float32)


def open_files_bonus(
    candidates: Candidates, near: FileKey | None, open_files: frozenset[FileKey], weights: Weights
) -> Scores:
    """Returns the bonus of each candidate for its closeness to the user's files, weighted, 0 or more.

    ``near`` is the file that the user is viewing. Shape (candidates,).
    """
    scope, rows = candidates.scope, candidates.rows
    bonus = np.zeros(len(rows), np.float32)
    if near is None and not open_files:
        return bonus
    bonus_of_file: dict[int, float] = {}
    for place, row in enumerate(rows.tolist()):
        file = int(scope.file_of[row])
        if file not in bonus_of_file:
            number = scope.view_of(row)
            view = scope.views[number]
            key = (view.folder, view.segment.files[file - scope.first_files[number]].path)
            of_open = weights.open_file_bonus * (key in open_files)
            bonus_of_file[file] = of_open + weights.near_bonus * closeness(key, near)
        bonus[place] = bonus_of_file[file]
    return bonus


def closeness(one: FileKey, other: FileKey | None) -> float:
    """Returns the closeness (0..1) of two files: 1 in one directory, less for files farther apart.

    It is 0 for files without a common workspace folder, and if ``other`` is None.
    """
    if other is None or one[0] != other[0]:
        return 0.0
    ours, theirs = one[1].split("/")[:-1], other[1].split("/")[:-1]
    common = 0
    for left, right in zip(ours, theirs, strict=False):
        if left != right:
            break
        common += 1
    return (1 + common) / (1 + max(len(ours), len(theirs)))
