"""Merges some files of several segments into one segment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from conexus.arrays.file import DamagedFile
from conexus.segments.fields import KeptRows, Merging, declarations
from conexus.segments.lexicon import Lexicon
from conexus.segments.segment import LiveMask, MemorySegment


def merge_segments(parts: Sequence[tuple[MemorySegment, Sequence[int]]]) -> MemorySegment:
    """Merges some files of several segments of the same model. ``parts``: (segment, numbers of the files to keep).

    Raises DamagedFile if the file that a segment is mapped from was overwritten: the merged segment gets a checksum of
    its own, so nobody could detect the damage later.
    """
    segments = [segment for segment, _ in parts]
    for segment in segments:
        if not segment.is_whole():
            raise DamagedFile(f"{segment.path} was overwritten")
    files = [_mask(len(segment.files), chosen) for segment, chosen in parts]
    rows = [mask[segment.file_of] for segment, mask in zip(segments, files, strict=True)]
    used = [_used_words(*each) for each in zip(segments, files, rows, strict=True)]
    lexicon, numbers = Lexicon.merged([(segment.lexicon, words) for segment, words in zip(segments, used, strict=True)])
    kept = [KeptRows(*each) for each in zip(files, rows, numbers, strict=True)]
    row_counts = [np.diff(segment.first_rows)[mask] for segment, mask in zip(segments, files, strict=True)]
    merging = Merging(np.concatenate(row_counts), lexicon)
    values: dict[str, Any] = {}
    for name, declaration in declarations(MemorySegment).items():
        pairs = [(getattr(segment, name), each) for segment, each in zip(segments, kept, strict=True)]
        values[name] = declaration.type.merge(pairs, merging)
    return MemorySegment(model=segments[0].model, **values)


def _mask(size: int, numbers: Sequence[int]) -> LiveMask:
    mask = np.zeros(size, np.bool_)
    mask[list(numbers)] = True
    return mask


def _used_words(segment: MemorySegment, files: LiveMask, rows: LiveMask) -> LiveMask:
    """Returns which words of a segment's lexicon its kept files and rows need, shape (words,)."""
    if files.all():
        return np.ones(len(segment.lexicon), np.bool_)
    used = np.zeros(len(segment.lexicon), np.bool_)
    for name, declaration in declarations(MemorySegment).items():
        declaration.type.mark_words(getattr(segment, name), files, rows, used)
    return used
