"""Where a word occurs in all of an index of which only some rows are looked at: a sample, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from conexus.index.postings import Postings
from conexus.ragged import places_of
from conexus.search.bm25 import Scores
from conexus.search.query import Concept
from conexus.search.scope import Scope

#: Occurrences of a term in one segment that stand for all.
_FEW = 96
#: Segments in which occurrences are looked for.
_FEW_VIEWS = 6


@dataclass(frozen=True, slots=True)
class Sample:
    """Arrays have one entry for each occurrence."""

    #: How often the word is in the row, and how many words the row has.
    counts: Scores
    lengths: Scores
    #: The same of the row's file.
    in_files: Scores
    file_lengths: Scores
    #: How much each stands for where files are counted: a file is met as often as its rows are.
    shares: Scores


def files_with(scope: Scope, concept: Concept) -> int:
    """In how many files any of the concept's terms is, at most."""
    often = 0
    for view in scope.views:
        segment = view.segment if view.whole is None else view.whole.view.segment
        numbers = [segment.lexicon.number(term) for term, _ in concept.terms]
        often += sum(int(segment.files_with[number]) for number in numbers if number >= 0)
    return min(often, scope.files)


def sampled(scope: Scope, name: Literal["body", "names"], concept: Concept) -> Sample:
    """Some occurrences of a concept's terms, evenly spread over all."""
    parts: list[NDArray[np.float32]] = []
    every = max(1, len(scope.views) // _FEW_VIEWS)
    for view, facts in islice(zip(scope.views, scope.tables, strict=True), 0, None, every):
        segment = view.segment if view.whole is None else view.whole.view.segment
        whole: Postings = getattr(segment, name)
        for term, weight in concept.terms:
            rows, counts = getattr(view.segment, name).all_of(term)
            if not len(rows):
                continue
            chosen = np.arange(0, len(rows), max(1, len(rows) // _FEW))
            files = segment.file_of[rows[chosen]]
            first = np.searchsorted(rows, segment.first_rows[files])
            last = np.searchsorted(rows, segment.first_rows[files + 1])
            places, starts = places_of(first, last)
            in_files = np.add.reduceat(counts[places].astype(np.float32), starts[:-1])
            stands_for = np.float32(len(rows) / len(chosen))
            parts.append(
                np.stack(
                    [
                        counts[chosen] * np.float32(weight),
                        whole.lengths[rows[chosen]],
                        in_files * np.float32(weight),
                        facts.lengths[files],
                        stands_for / (last - first),
                    ]
                ).astype(np.float32)
            )
    together = np.concatenate(parts, axis=1) if parts else np.empty((5, 0), np.float32)
    return Sample(*together)
