"""Explains why a row is an answer, in words that a user understands."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from conexus.search.scope import Scope
from conexus.search.signals import Signals, is_member
from conexus.search.weights import SignalWeights
from conexus.segments.snapshot import RowRef

#: Maximum number of words that a reason names.
_MAX_WORDS = 4
#: Standard deviations above the mean from which a cosine is worth naming.
_MIN_DEVIATIONS = 2.0
#: Share (0..1) of the query from which a path that contains it is worth naming.
_MIN_FILE_NAME_MATCH = 0.2


def reasons_of(
    scope: Scope,
    signals: Signals,
    rows: NDArray[np.int64],
    mix: SignalWeights,
    corrected: frozenset[str] = frozenset(),
) -> list[tuple[str, ...]]:
    """Returns the reasons of each row, strongest first; never empty. ``corrected``: see ``Query``."""
    words = _words(signals, rows)
    files = scope.file_of[rows]
    lexical = mix.body * signals.body[rows] + mix.names * signals.names[rows]
    by_signal = (
        signals.defines_name[rows],
        signals.file_named[files],
        lexical,
        signals.dense[rows],
        signals.file_name_match[files],
    )
    by_row = np.array(by_signal, np.float32).T.tolist()
    counts = Counter(files.tolist())
    return [
        _reasons_of_row(
            scope.ref(row), _RowSignals(*by_row[place]), words[place], mix, corrected, several=counts[file] > 1
        )
        or ("words" if signals.dense.is_zero else "meaning",)
        for place, (row, file) in enumerate(zip(rows.tolist(), files.tolist(), strict=True))
    ]


class _RowSignals(NamedTuple):
    """The signals of a row. ``lexical`` is what words add to its weighted sum."""

    defines_name: float
    file_named: float
    lexical: float
    dense: float
    file_name_match: float


def _reasons_of_row(
    ref: RowRef, row: _RowSignals, words: list[str], mix: SignalWeights, corrected: frozenset[str], *, several: bool
) -> tuple[str, ...]:
    """Returns the reasons of one row, strongest first; none if nothing stands out."""
    symbol = ref.view.segment.symbols[ref.row]
    weighted: list[tuple[float, str]] = []
    if row.defines_name > 0:
        weighted.append((100.0, f"spelled like {symbol}" if symbol in corrected else f"defines {symbol}"))
    if row.file_named > 0:
        weighted.append((90.0, f"file: {ref.path}"))
    found_words = [word for word in words if word not in corrected]
    similar_words = [word for word in words if word in corrected and not (weighted and word == symbol)]
    if found_words:
        weighted.append((row.lexical, f"words: {', '.join(found_words)}"))
    if similar_words:
        weighted.append((row.lexical, f"spelled like {', '.join(similar_words)}"))
    if row.dense >= _MIN_DEVIATIONS or (not weighted and row.dense > 0):
        weighted.append((mix.dense * row.dense, "meaning"))
    if row.file_name_match >= _MIN_FILE_NAME_MATCH:
        weighted.append((row.file_name_match, f"path: {ref.path}"))
    if several:
        weighted.append((-1.0, "several matches in this file"))
    weighted.sort(key=lambda each: -each[0])
    return tuple(reason for _, reason in weighted)


def _words(signals: Signals, rows: NDArray[np.int64]) -> list[list[str]]:
    """Returns the words of the query that each row has in its code or names, rarest first."""
    rarest = sorted(signals.found_words, key=lambda each: len(each.rows))
    having = [is_member(rows, each.rows).tolist() for each in rarest]
    return [
        list(dict.fromkeys(each.word for each, has in zip(rarest, having, strict=True) if has[place]))[:_MAX_WORDS]
        for place in range(len(rows))
    ]
