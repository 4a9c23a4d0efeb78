"""Saves segments to files and maps them: workers hand over their results so, and a stored index is there at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conexus.arrays.file import Arrays, DamagedFile, Mapped, load, save
from conexus.arrays.ragged import Ragged
from conexus.arrays.strings import Strings
from conexus.segments.analysis import FileFacts
from conexus.segments.lexicon import Lexicon
from conexus.segments.postings import Postings
from conexus.segments.segment import OF_FILES, OF_ROWS, Crumbs, MemorySegment
from conexus.segments.vectors import Dense, Moments

#: Version of the layout, which is part of every file. A file of another layout is not read.
LAYOUT = "2"
_ROWS = ("first_rows", "file_of", "start_lines", "end_lines", "kinds", "parts", "roles", "digests", "symbol_numbers")
_DENSE = ("vectors", "of_files", "basis", "leading", "leading_of_files")
_MOMENTS = ("moments", "moments_of_files")


def save_segment(path: Path, segment: MemorySegment, version: str) -> None:
    """Writes a segment to a file. ``version`` names everything that decided what its rows are.

    Raises OSError if the file cannot be written.
    """
    arrays: dict[str, NDArray[Any]] = {name: getattr(segment, name) for name in _ROWS}
    arrays |= {f"dense.{name}": getattr(segment.dense, name) for name in _DENSE}
    for name in _MOMENTS:
        moments: Moments = getattr(segment.dense, name)
        arrays |= {f"dense.{name}.first": moments.first, f"dense.{name}.second": moments.second}
    arrays |= {"tokens.values": segment.tokens.values, "tokens.starts": segment.tokens.starts}
    arrays |= {"lexicon.hashes": segment.lexicon.hashes, **_strings("lexicon.words", segment.lexicon.words)}
    arrays |= {f"crumbs.{name}": getattr(segment.crumbs, name) for name in ("words", "starts", "of_rows")}
    for name in (*OF_ROWS, *OF_FILES):
        field: Postings = getattr(segment, name)
        arrays |= {f"{name}.{part}": getattr(field, part) for part in ("starts", "rows", "counts", "lengths")}
    files = segment.files
    arrays |= _strings("files.path", Strings.of(facts.path for facts in files))
    arrays |= _strings("files.language", Strings.of(facts.language for facts in files))
    arrays |= _strings("files.digest", Strings.of(facts.digest for facts in files))
    arrays["files.size"] = np.array([facts.size for facts in files], np.int64)
    arrays["files.mtime_ns"] = np.array([facts.mtime_ns for facts in files], np.int64)
    about = {"layout": LAYOUT, "model": segment.model, "version": version}
    save(path, arrays, about)


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


def _segment(arrays: Arrays, metadata: dict[str, str], path: Path, mapped: Mapped) -> MemorySegment:
    lexicon = Lexicon(arrays["lexicon.hashes"], _taken(arrays, "lexicon.words"))
    columns = (
        _taken(arrays, "files.path"),
        _taken(arrays, "files.language"),
        arrays["files.size"].tolist(),
        arrays["files.mtime_ns"].tolist(),
        _taken(arrays, "files.digest"),
    )
    fields: dict[str, Any] = {
        name: Postings(lexicon, *(arrays[f"{name}.{part}"] for part in ("starts", "rows", "counts", "lengths")))
        for name in (*OF_ROWS, *OF_FILES)
    }
    fields |= {name: arrays[name] for name in _ROWS}
    dense: dict[str, Any] = {name: arrays[f"dense.{name}"] for name in _DENSE}
    dense |= {name: Moments(arrays[f"dense.{name}.first"], arrays[f"dense.{name}.second"]) for name in _MOMENTS}
    return MemorySegment(
        model=metadata["model"],
        files=tuple(FileFacts(*facts) for facts in zip(*columns, strict=True)),
        dense=Dense(**dense),
        tokens=Ragged(arrays["tokens.values"], arrays["tokens.starts"]),
        lexicon=lexicon,
        crumbs=Crumbs(*(arrays[f"crumbs.{name}"] for name in ("words", "starts", "of_rows"))),
        path=path,
        mapped=mapped,
        **fields,
    )


def _strings(name: str, strings: Strings) -> Arrays:
    return {f"{name}.blob": strings.blob, f"{name}.starts": strings.starts}


def _taken(arrays: Arrays, name: str) -> Strings:
    return Strings(arrays[f"{name}.blob"], arrays[f"{name}.starts"])
