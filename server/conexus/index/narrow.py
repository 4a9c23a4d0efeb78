"""Some rows of a segment as a segment of their own, for ranking: nothing is copied but what belongs to those rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conexus.index.dense import Dense
from conexus.index.postings import Counts, Postings, Rows
from conexus.index.segment import OF_ROWS, Crumbs, MemorySegment
from conexus.index.snapshot import View, Whole
from conexus.ragged import Ragged


@dataclass(frozen=True, slots=True, eq=False)
class NarrowPostings(Postings):
    """The postings of all rows, of which it gives some."""

    #: The rows that it gives, ascending; their place here is their number.
    chosen: NDArray[np.int64]

    def at(self, number: int) -> tuple[Rows, Counts]:
        rows, counts = Postings.at(self, number)
        if not len(rows):
            return rows, counts
        # The rows of a common word are many, and the chosen few: look these up in those.
        places = np.minimum(np.searchsorted(rows, self.chosen), len(rows) - 1)
        found = np.flatnonzero(rows[places] == self.chosen)
        return found.astype(np.int32), counts[places[found]]

    @property
    def narrows(self) -> bool:
        return True

    def all_of(self, word: str) -> tuple[Rows, Counts]:
        number = self.lexicon.number(word)
        return Postings.at(self, number) if number >= 0 else Postings.of(self, word)


def narrow(view: View, rows: NDArray[np.int64], sample: NDArray[np.int64]) -> View:
    """A view of some rows, given in ascending order, each once; among them all of the files in ``sample``."""
    whole = view.segment
    fields: dict[str, Any] = {}
    for name in OF_ROWS:
        field: Postings = getattr(whole, name)
        fields[name] = NarrowPostings(
            field.lexicon, field.starts, field.rows, field.counts, field.lengths[rows], chosen=rows
        )
    dense, file_of = whole.dense, whole.file_of[rows]
    first_rows = np.zeros(len(whole.files) + 1, np.int32)
    np.cumsum(np.bincount(file_of, minlength=len(whole.files)), out=first_rows[1:])
    segment: MemorySegment = replace(
        whole,
        first_rows=first_rows,
        file_of=file_of,
        start_lines=whole.start_lines[rows],
        end_lines=whole.end_lines[rows],
        kinds=whole.kinds[rows],
        parts=whole.parts[rows],
        roles=whole.roles[rows],
        digests=whole.digests[rows],
        dense=Dense.small(dense.vectors[rows], dense.of_files),
        # Those of the few rows that are ranked are looked up in the whole.
        tokens=Ragged.empty(len(rows)),
        symbol_numbers=whole.symbol_numbers[rows],
        crumbs=Crumbs(whole.crumbs.words, whole.crumbs.starts, whole.crumbs.of_rows[rows]),
        **fields,
    )
    return View(view.folder, segment, view.alive[rows], whole=Whole(view, rows, sample))
