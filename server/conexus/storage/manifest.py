"""Reads and writes the manifest, which names the segment files of a folder's index, and loads these files.

The manifest need not be up to date. What it names is compared with the files on disk as everything else is, so a
manifest of yesterday costs reading what changed since. It is replaced as a whole, and names only files that are whole.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from conexus import own_files
from conexus.arrays.file import DamagedFile
from conexus.arrays.ragged import Ragged
from conexus.segments.analysis import has_current_tokens
from conexus.segments.file import LAYOUT, load_segment
from conexus.segments.segment import MemorySegment
from conexus.storage.index_directory import MANIFEST_FILE

log = logging.getLogger(__name__)

_SUFFIX = ".segment"
#: Names of segment files, without the suffix.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,200}")
#: Most bytes of a manifest, which names each file that is not live any more: 200 bytes for each of a million files.
_MOST_BYTES = 1 << 28


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
    segments = [{"name": each.name, "hidden": each.hidden, "indexed": each.indexed} for each in entries]
    with own_files.replacing(directory / MANIFEST_FILE) as file:
        file.write(json.dumps({"layout": LAYOUT, "segments": segments}).encode("utf-8", "surrogatepass"))


def read(directory: Path) -> Sequence[ManifestEntry]:
    """Returns the entries of the manifest. Raises DamagedFile or OSError if there is none that can be read."""
    try:
        content = own_files.read(directory / MANIFEST_FILE, _MOST_BYTES)
        found = json.loads(content.decode("utf-8", "surrogatepass"))
        if found["layout"] != LAYOUT:
            raise DamagedFile(f"{MANIFEST_FILE} is of another layout")
        entries = [
            ManifestEntry(str(each["name"]), tuple(map(str, each["hidden"])), bool(each["indexed"]))
            for each in found["segments"]
        ]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedFile(f"{MANIFEST_FILE} is damaged") from error
    names = {each.name for each in entries}
    # A name with a slash would lead out of the directory.
    if len(names) < len(entries) or not all(map(_NAME.fullmatch, names)):
        raise DamagedFile(f"{MANIFEST_FILE} names files that are no segments")
    return entries


def load(directory: Path) -> list[LoadedSegment]:
    """Returns the segments of an index, with every byte verified.

    A damaged segment is left out: its files are read again. Raises DamagedFile or OSError as ``read`` does.
    """
    loaded: list[LoadedSegment] = []
    failures: list[Exception] = []
    for each in read(directory):
        try:
            segment, version = load_segment(segment_path(directory, each.name), verify=True)
        except (OSError, DamagedFile) as error:
            failures.append(error)
            continue
        hidden = frozenset(each.hidden)
        files = tuple(number for number, facts in enumerate(segment.files) if facts.path not in hidden)
        loaded.append(LoadedSegment(_with_valid_tokens(segment, version), each.name, files, version, each.indexed))
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        log.warning("a part of the index cannot be read and is rebuilt: %s%s", failures[0], more)
    return loaded


def _with_valid_tokens(segment: MemorySegment, version: str) -> MemorySegment:
    """Returns the segment, without tokens if their numbers mean nothing, or meant something else when it was made."""
    if has_current_tokens(version) and _are_tokens(segment.tokens):
        return segment
    return replace(segment, tokens=Ragged.empty(len(segment)))


def _are_tokens(tokens: Ragged) -> bool:
    # The import loads the tokenizers' library, so it is made only where a model is loaded already.
    from conexus.embedding.tokenizer import shipped_tokens

    return not len(tokens.values) or int(tokens.values.max()) < shipped_tokens().vocabulary


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
    own_files.remove(path)


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
