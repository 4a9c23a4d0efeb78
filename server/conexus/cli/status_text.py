"""Formats the status of an index in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from conexus.values import Status

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def size(count: int) -> str:
    """Returns a number of bytes in the largest unit that leaves a number of at least 1, with one decimal."""
    number, unit = float(count), 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{count} bytes" if unit == 0 else f"{number:.1f} {_UNITS[unit]}"


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
        yield f"index    {part.files} files, {part.chunks} chunks, {complete}{skipped_words(status)}"
    yield f"health   {status.health}{': ' + status.message if status.message else ''}"
    yield f"model    {status.model.name}, {status.model.dimensions} dimensions"
    yield f"embedded {status.embedded_chunks} chunks now"
    yield f"on disk  {size(status.index_bytes)}"
    yield f"role     {status.role}"
