"""Explains why a row is an answer, in words that a user understands."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from conexus.search.scope import Scope
from conexus.search.signals import Signals
from conexus.search.weights import SignalWeights
from conexus.segments.postings import Rows
from conexus.segments.snapshot import RowRef

_MOST_WORDS = 4
#: Standard deviations above the mean from which a cosine is worth naming.
_REMARKABLE = 2.0
#: Share (0..1) of the query from which a path that contains it is worth naming.
_TELLING = 0.2


def of_rows(
    scope: Scope,
    found: Signals,
    rows: NDArray[np.int64],
    mix: SignalWeights,
    corrected: frozenset[str] = frozenset(),
) -> list[tuple[str, ...]]:
    """Returns the reasons of each row, strongest first; never empty. ``corrected``: see ``Query``."""
    words = _words(found, rows)
    files = scope.file_of[rows]
    lexical = mix.body * found.body[rows] + mix.names * found.names[rows]
    said = (found.defined[rows], found.filed[files], lexical, found.dense[rows], found.stem[files])
    numbers = np.array(said, np.float32).T.tolist()
    counts = Counter(files.tolist())
    return [
        _of_row(scope.ref(row), _Said(*numbers[place]), words[place], mix, corrected, several=counts[file] > 1)
        or ("words" if found.dense.silent else "meaning",)
        for place, (row, file) in enumerate(zip(rows.tolist(), files.tolist(), strict=True))
    ]


class _Said(NamedTuple):
    """The signals of a row. ``lexical`` is what words add to its weighted sum."""

    defined: float
    filed: float
    lexical: float
    dense: float
    stem: float


def _of_row(
    ref: RowRef, said: _Said, words: list[str], mix: SignalWeights, corrected: frozenset[str], *, several: bool
) -> tuple[str, ...]:
    """Returns the reasons of one row, strongest first; none if nothing stands out."""
    symbol = ref.view.segment.symbols[ref.row]
    why: list[tuple[float, str]] = []
    if said.defined > 0:
        why.append((100.0, f"spelled like {symbol}" if symbol in corrected else f"defines {symbol}"))
    if said.filed > 0:
        why.append((90.0, f"file: {ref.path}"))
    written = [word for word in words if word not in corrected]
    likened = [word for word in words if word in corrected and not (why and word == symbol)]
    if written:
        why.append((said.lexical, f"words: {', '.join(written)}"))
    if likened:
        why.append((said.lexical, f"spelled like {', '.join(likened)}"))
    if said.dense >= _REMARKABLE or (not why and said.dense > 0):
        why.append((mix.dense * said.dense, "meaning"))
    if said.stem >= _TELLING:
        why.append((said.stem, f"path: {ref.path}"))
    if several:
        why.append((-1.0, "several matches in this file"))
    why.sort(key=lambda each: -each[0])
    return tuple(reason for _, reason in why)


def _words(found: Signals, rows: NDArray[np.int64]) -> list[list[str]]:
    """Returns the words of the query that each row has in its code or names, rarest first."""
    rarest = sorted(found.found, key=lambda each: len(each.rows))
    having = [among(rows, each.rows).tolist() for each in rarest]
    return [
        list(dict.fromkeys(each.word for each, has in zip(rarest, having, strict=True) if has[place]))[:_MOST_WORDS]
        for place in range(len(rows))
    ]


def among(rows: Rows | NDArray[np.int64], ascending: Rows) -> NDArray[np.bool_]:
    """Decides for each row whether it is in ``ascending``, which must not be empty. Shape (rows,)."""
    # The rows get the type of ``ascending``; with another type, all of ``ascending`` would be copied for the search.
    sought = rows.astype(ascending.dtype, copy=False)
    found: NDArray[np.bool_] = ascending.take(ascending.searchsorted(sought), mode="clip") == sought
    return found
