"""Formats the status of an index in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from conexus.escape import one_line
from conexus.values import FolderStatus, Status

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
_SEARCH_MODES = {
    "exact": "exact: a query scores every chunk",
    "indexed": "indexed: a query scores the candidates of LanceDB's indices",
}
_ROLES = {"writer": "writer", "reader": "reader: another process writes the index, or it is read-only"}


def size(count: int) -> str:
    """Returns a number of bytes in the largest unit that leaves a number of at least 1, with one decimal."""
    number, unit = float(count), 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{count} bytes" if unit == 0 else f"{number:.1f} {_UNITS[unit]}"


def amount(part: Status | FolderStatus) -> str:
    """Returns the number of files and chunks in words: ``1 file, 2 chunks``."""
    return f"{counted(part.files, 'file')}, {counted(part.chunks, 'chunk')}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Returns a number with its noun: ``1 file``, ``2 files``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def skipped_words(status: Status) -> str:
    """Returns `` (12 left out: 10 binary, 2 larger than maxFileBytes)``, or an empty text if no file was left out."""
    reasons = Counter[str]()
    for part in status.folders:
        reasons.update(part.skipped)
    if not reasons.total():
        return ""
    words = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common())
    return f" ({reasons.total()} left out: {words})"


def status_lines(status: Status) -> Iterator[str]:
    """Yields a status for people, one fact per line."""
    for part in status.folders:
        complete = "complete" if part.complete else "incomplete"
        yield f"folder   {part.path}"
        yield f"index    {amount(part)}, {complete}{skipped_words(status)}"
        if part.quarantined:
            yield f"failed   {', '.join(one_line(path) for path in part.quarantined)}"
        yield f"search   {_SEARCH_MODES[part.search_mode]}"
    yield f"health   {status.health}{': ' + status.message if status.message else ''}"
    yield f"model    {status.model.name}, {status.model.dimensions} dimensions"
    yield f"embedded {counted(status.embedded_chunks, 'chunk')} in this run"
    yield f"on disk  {size(status.index_bytes)}"
    yield f"role     {_ROLES[status.role]}"
