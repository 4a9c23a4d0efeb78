"""Saves segments to files and maps them.

Workers return their results in such files. A stored index is made of them, so that it can be searched at once.
"""

from __future__ import annotations

from pathlib import Path

from conexus.arrays.file import Arrays, DamagedFile, MappedFile, load, save
from conexus.segments.fields import declarations, load_lexicon
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
    """Maps a segment from a file and returns it with its version. With ``verify``, checks every byte by a checksum.

    Raises OSError or DamagedFile if there is no segment that can be read.
    """
    arrays, metadata, mapped = load(path, verify=verify)
    if metadata.get("layout") != LAYOUT:
        raise DamagedFile(f"{path.name} is of another layout")
    try:
        return _segment(arrays, metadata, path, mapped), metadata["version"]
    except (KeyError, ValueError, UnicodeDecodeError) as error:
        raise DamagedFile(f"{path.name} is no segment") from error


def _segment(arrays: Arrays, metadata: dict[str, str], path: Path, mapped: MappedFile) -> MemorySegment:
    declared = declarations(MemorySegment)
    lexicon = load_lexicon(declared["lexicon"].array, arrays)
    values = {name: each.type.load(each.array, arrays, lexicon) for name, each in declared.items()}
    return MemorySegment(model=metadata["model"], path=path, mapped=mapped, **values)
