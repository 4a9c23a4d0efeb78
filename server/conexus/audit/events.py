"""Defines the events of the audit log and their fields. ``docs/security/audit.md`` lists the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from conexus.escape import one_line

Event = Literal[
    "eventsLost",
    "fileQuarantined",
    "indexCleared",
    "indexMade",
    "indexRebuilt",
    "indexRefused",
    "indexRemoved",
    "limitReached",
    "logDamaged",
    "modelFailed",
    "modelLoaded",
    "modelRefused",
    "pathRejected",
    "processKilled",
    "processStarted",
    "serverStarted",
    "serverStopped",
    "settingRefused",
    "settingsChanged",
]
Value = str | int | bool
Details = Mapping[str, Value]

#: Maximum number of characters of a text in the log, before it is escaped.
LONGEST_TEXT = 200
#: Fields that hold a path or may hold one.
_PATHS = frozenset({"folder", "model", "path"})
_SEPARATORS, _TRAILING = re.compile(r"[/\\]"), "/\\"
_ABSOLUTE = re.compile(r"[/\\~]|[A-Za-z]:")
_PATH_INSIDE = re.compile(r"(?<![\w.])(?:[/\\~]|[A-Za-z]:[/\\]|\w+://)")


@dataclass(frozen=True, slots=True)
class Kind:
    """An event: what happened, and the names of the fields that it always has and may have."""

    description: str
    fields: tuple[str, ...]
    optional: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """An event, and the time at which it happened, in seconds since the epoch."""

    at: float
    event: Event
    details: Details


#: The type and the meaning of each field, whichever event has it.
FIELDS: Mapping[str, tuple[type, str]] = MappingProxyType(
    {
        "code": (int, "exit status of the server"),
        "count": (int, "number of lost events"),
        "folder": (str, "name of the folder, without the path to it"),
        "id": (int, "number of the process"),
        "index": (str, "name of the index directory: the name of the folder and a key"),
        "limit": (str, "name of the limit, as in `limits` of the status"),
        "model": (str, "name of the model; of a path, the last component"),
        "path": (str, "path of the file, relative to the folder"),
        "process": (str, "what the process does: `worker`, `store`, `candidates`, `model`, `watcher`"),
        "reason": (str, "why, in one word or a few"),
        "setting": (str, "name of the setting"),
        "source": (
            str,
            "where it comes from: `client`, `conexus.toml`, `commandLine`, `repository`, `default`",
        ),
        "times": (int, "how often the limit has acted since the process began"),
        "value": (int, "the new value of a setting that is a number or a boolean"),
        "version": (str, "version of Conexus"),
    }
)

EVENTS: Mapping[str, Kind] = MappingProxyType(
    {
        "eventsLost": Kind("Events before this one were not written.", ("count", "reason")),
        "fileQuarantined": Kind(
            "A file is left out until it changes, because reading it ended a process.",
            ("reason",),
            ("folder", "path"),
        ),
        "indexCleared": Kind("An index was deleted on request, to be rebuilt.", ("index",)),
        "indexMade": Kind("The index of a folder was begun.", ("index",)),
        "indexRebuilt": Kind("An index, or a part of it, was discarded and rebuilt.", ("index", "reason")),
        "indexRefused": Kind("An index is not used or not made.", ("index", "reason")),
        "indexRemoved": Kind("An index was deleted.", ("index", "reason")),
        "limitReached": Kind("A limit acted: recorded the first and every thousandth time.", ("limit", "times")),
        "logDamaged": Kind("The audit log was found changed when it was continued.", ("reason",)),
        "modelFailed": Kind("An embedding model could not be loaded, or failed later.", ("model", "reason")),
        "modelLoaded": Kind("An embedding model was loaded.", ("model",)),
        "modelRefused": Kind("An embedding model must not be loaded.", ("reason",), ("model",)),
        "pathRejected": Kind(
            "A path or URI was rejected, because it leaves the folder or names no file.",
            ("reason",),
            ("source", "folder", "path"),
        ),
        "processKilled": Kind("A process was ended by force.", ("process", "reason", "id")),
        "processStarted": Kind("A process was started.", ("process", "id")),
        "serverStarted": Kind("A server began to serve a client.", ("version",)),
        "serverStopped": Kind("A server ended.", ("code",)),
        "settingRefused": Kind("A setting was not accepted; of many, the first ones are recorded.", ("reason",)),
        "settingsChanged": Kind(
            "A setting was changed, or differs from the default at the start.", ("setting", "source"), ("value",)
        ),
    }
)


def problem(event: str, details: Details) -> str:
    """Returns what is wrong with an event, in words for developers; empty if nothing is."""
    kind = EVENTS.get(event)
    if kind is None:
        return f"there is no event {event!r}"
    for name in kind.fields:
        if name not in details:
            return f"{event} needs {name!r}"
    for name, value in details.items():
        if name not in kind.fields and name not in kind.optional:
            return f"{event} has no {name!r}"
        if not isinstance(value, FIELDS[name][0]):
            return f"{name!r} must be {FIELDS[name][0].__name__}"
    return ""


def bounded(details: Details) -> dict[str, Value]:
    """Returns details as they are written: texts cut and escaped, without paths outside a folder.

    Nothing but the last component is kept of a path that is absolute or leaves its folder. Other texts end where an
    absolute path begins.
    """
    return {
        name: one_line(_relative(value) if name in _PATHS else _without_paths(value))
        if isinstance(value, str)
        else value
        for name, value in details.items()
    }


def _relative(text: str) -> str:
    outside = _ABSOLUTE.match(text) or "://" in text or ".." in _SEPARATORS.split(text)
    return _cut(f"…/{_SEPARATORS.split(text.rstrip(_TRAILING))[-1]}" if outside else text)


def _without_paths(text: str) -> str:
    found = _PATH_INSIDE.search(text)
    return _cut(text if found is None else f"{text[: found.start()]}…")


def _cut(text: str) -> str:
    # A str and no subclass of it, as members of a StrEnum are.
    return str(text) if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
