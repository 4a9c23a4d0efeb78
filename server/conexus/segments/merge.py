"""Merges some files of several segments into one segment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.file import DamagedFile
from conexus.arrays.ragged import Ragged
from conexus.segments import postings
from conexus.segments.lexicon import Lexicon, Numbers
from conexus.segments.postings import Part, Postings
from conexus.segments.segment import OF_FILES, OF_ROWS, Crumbs, LiveMask, MemorySegment
from conexus.segments.vectors import Dense


def merge_segments(
    parts: Sequence[tuple[MemorySegment, Sequence[int]]], pause: Callable[[], None] = lambda: None
) -> MemorySegment:
    """Merges some files of several segments of the same model. ``parts``: (segment, numbers of the files to keep).

    ``pause`` is called between two steps; a step takes some milliseconds for a few thousand rows. Raises DamagedFile if
    the file that a segment is mapped from was overwritten: the merged segment gets a checksum of its own, so nobody
    could detect the damage later.
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


def _mask(size: int, numbers: Sequence[int]) -> LiveMask:
    mask = np.zeros(size, np.bool_)
    mask[list(numbers)] = True
    return mask


def _used(segment: MemorySegment, files: LiveMask, rows: LiveMask) -> LiveMask:
    """Returns which words of a segment's lexicon its kept files and rows need, shape (words,)."""
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


def _merged_crumbs(parts: Sequence[tuple[Crumbs, Numbers, LiveMask]]) -> Crumbs:
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
