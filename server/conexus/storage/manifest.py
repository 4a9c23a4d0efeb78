"""Reads and writes the manifest, which names the segment files of a folder's index, and loads these files.

The manifest need not be up to date. What it names is compared with the files on disk as everything else is, so a
manifest of yesterday costs reading what changed since. It is replaced as a whole, and names only files that are whole.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from conexus.arrays.file import DamagedFile
from conexus.arrays.ragged import Ragged
from conexus.segments.analysis import has_current_tokens
from conexus.segments.file import LAYOUT, load_segment
from conexus.segments.segment import MemorySegment
from conexus.storage.index_directory import MANIFEST_FILE

log = logging.getLogger(__name__)

_SUFFIX = ".segment"


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """An entry of the manifest: a segment file, and in ``hidden`` the paths of its files that are not live any more."""

    name: str
    hidden: tuple[str, ...] = ()
    #: Whether LanceDB's indices cover its rows.
    indexed: bool = False


@dataclass(frozen=True, slots=True)
class LoadedSegment:
    """A segment that was loaded from disk."""

    segment: MemorySegment
    name: str
    #: Numbers of its live files.
    files: tuple[int, ...]
    #: Versions of everything that made its rows; see ``analysis.analysis_version``.
    version: str
    #: Whether LanceDB's indices cover its rows.
    indexed: bool = False


def segment_path(directory: Path, name: str) -> Path:
    """Returns the path of a segment file of an index."""
    return directory / f"{name}{_SUFFIX}"


def write(directory: Path, entries: Iterable[ManifestEntry]) -> None:
    """Replaces the manifest. Raises OSError if it cannot be written."""
    draft = directory / f"{MANIFEST_FILE}.{os.getpid()}.draft"
    segments = [{"name": each.name, "hidden": each.hidden, "indexed": each.indexed} for each in entries]
    try:
        draft.write_text(json.dumps({"layout": LAYOUT, "segments": segments}), encoding="utf-8", errors="surrogatepass")
        draft.replace(directory / MANIFEST_FILE)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def read(directory: Path) -> Sequence[ManifestEntry]:
    """Returns the entries of the manifest. Raises DamagedFile or OSError if there is none that can be read."""
    try:
        found = json.loads((directory / MANIFEST_FILE).read_text(encoding="utf-8", errors="surrogatepass"))
        if found["layout"] != LAYOUT:
            raise DamagedFile(f"{MANIFEST_FILE} is of another layout")
        return [
            ManifestEntry(str(each["name"]), tuple(map(str, each["hidden"])), bool(each["indexed"]))
            for each in found["segments"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFile(f"{MANIFEST_FILE} is damaged") from error


def load(directory: Path) -> list[LoadedSegment]:
    """Returns the segments of an index, with every byte verified.

    A damaged segment is left out: its files are read again. Raises DamagedFile or OSError as ``read`` does.
    """
    loaded: list[LoadedSegment] = []
    for each in read(directory):
        try:
            segment, version = load_segment(segment_path(directory, each.name), verify=True)
        except (OSError, DamagedFile) as error:
            log.warning("a part of the index cannot be read and is rebuilt: %s", error)
            continue
        hidden = frozenset(each.hidden)
        files = tuple(number for number, facts in enumerate(segment.files) if facts.path not in hidden)
        loaded.append(LoadedSegment(_with_valid_tokens(segment, version), each.name, files, version, each.indexed))
    return loaded


def _with_valid_tokens(segment: MemorySegment, version: str) -> MemorySegment:
    """Returns the segment, without tokens if their numbers meant something else to the release that made it."""
    if has_current_tokens(version):
        return segment
    return replace(segment, tokens=Ragged.empty(len(segment)))


def remove_orphans(directory: Path, kept: Collection[str]) -> None:
    """Removes segment files and drafts that are not in ``kept`` and that no living process may be about to use."""
    for path in directory.iterdir():
        name = path.name.removesuffix(_SUFFIX)
        owner = name.split("-", 1)[0] if path.name.endswith(_SUFFIX) else _owner_of_draft(path.name)
        if name not in kept and owner.isdigit() and not _is_alive(int(owner)):
            remove_file(path)


def remove_segment(path: Path) -> None:
    """Removes a segment file that nobody uses, and the drafts of it that a killed process has written."""
    with contextlib.suppress(OSError):  # it is removed by the next process that becomes the writer
        for draft in path.parent.glob(f"{path.name}.*.draft"):
            remove_file(draft)
        remove_file(path)


def remove_file(path: Path) -> None:
    """Removes a file of an index, or whatever someone put in its place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _owner_of_draft(name: str) -> str:
    return name.removesuffix(".draft").rpartition(".")[2] if name.endswith(".draft") else ""


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
