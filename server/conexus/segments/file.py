"""Saves segments to files and maps them.

Workers return their results in such files. A stored index is made of them, so that it can be searched at once.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from conexus.arrays.file import Arrays, DamagedFile, MappedFile, load, save
from conexus.segments.checks import check_starts, require
from conexus.segments.fields import Sizes, declarations, file_of_rows, load_lexicon
from conexus.segments.segment import MemorySegment

#: Version of the layout, which is part of every file. A file of another layout is not read.
LAYOUT = "2"


def save_segment(path: Path, segment: MemorySegment, version: str) -> None:
    """Writes a segment to a file. ``version`` names everything that decided what its rows are.

    Raises OSError if the file cannot be written.
    """
    arrays: Arrays = {}
    for name, declaration in declarations(MemorySegment).items():
        arrays |= declaration.type.save(declaration.array, getattr(segment, name))
    save(path, arrays, {"layout": LAYOUT, "model": segment.model, "version": version})


def load_segment(path: Path, *, verify: bool) -> tuple[MemorySegment, str]:
    """Maps a segment from a file and returns it with its version.

    With ``verify``, checks every byte by a checksum, and that the arrays agree with each other: then a segment that
    someone made up may answer wrong, but makes nothing fail. Without, the file must be one that this process or a child
    of it has just written, or has verified. Raises OSError or DamagedFile if there is no segment that can be read.
    """
    arrays, metadata, mapped = load(path, verify=verify)
    if metadata.get("layout") != LAYOUT:
        raise DamagedFile(f"{path.name} is of another layout")
    try:
        segment = _segment(arrays, metadata, path, mapped)
        if verify:
            _check(segment)
        return segment, metadata["version"]
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise DamagedFile(f"{path.name} is no segment") from error


def _segment(arrays: Arrays, metadata: dict[str, str], path: Path, mapped: MappedFile) -> MemorySegment:
    declared = declarations(MemorySegment)
    lexicon = load_lexicon(declared["lexicon"].array, arrays)
    values = {name: each.type.load(each.array, arrays, lexicon) for name, each in declared.items()}
    return MemorySegment(model=metadata["model"], path=path, mapped=mapped, **values)


def _check(segment: MemorySegment) -> None:
    """Raises ValueError if the values of a segment do not agree with each other."""
    sizes = Sizes(files=len(segment.files), rows=segment.file_of.size, words=segment.lexicon.hashes.size)
    for name, declaration in declarations(MemorySegment).items():
        declaration.type.check(getattr(segment, name), sizes)
    check_starts(segment.first_rows, np.int32, sizes.files, sizes.rows)
    require(np.array_equal(segment.file_of, file_of_rows(np.diff(segment.first_rows))), "rows belong to other files")
    lines = segment.start_lines, segment.end_lines
    require(not sizes.rows or int(lines[0].min()) >= 0, "a line is negative")
    require(bool((lines[0] <= lines[1]).all()), "lines end before they begin")
