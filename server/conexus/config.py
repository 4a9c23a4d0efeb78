"""Settings: one frozen value, merged from defaults, conexus.toml, initializationOptions and the client's answers."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

Watcher = Literal["auto", "client", "server", "off"]
WorkspaceSymbol = Literal["auto", "on", "off"]

#: The name of the shipped model.
STATIC = "static"

#: The name of the settings file, looked for in the first workspace folder.
SETTINGS_FILE = "conexus.toml"


#: Who may decide a setting; ``Settings`` documents each scope.
Scope = Literal["workspace", "limit", "machine"]


def _setting(default: Any, description: str, *, least: int | None = None, scope: Scope = "workspace") -> Any:
    metadata = {"description": description, "least": least, "scope": scope}
    if isinstance(default, list):
        return field(default=tuple(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a user. On the wire and in conexus.toml their names are written in camelCase.

    A setting of scope ``machine`` decides what runs on the user's computer or how much that may use. The conexus.toml
    of a repository therefore cannot set it: loading a model, for example, can run code. A setting of scope ``limit``
    protects the computer from the repository, so the repository's file can only lower it.
    """

    watcher: Watcher = _setting(
        "auto",
        "Who watches the files: `client` (the editor), `server` (Conexus), `auto` (whichever is reliable here) or `off`"
        " (only saves and the reconcile scan).",
    )
    workspace_symbol: WorkspaceSymbol = _setting(
        "auto",
        "Answer `workspace/symbol` by meaning: `auto` is off for editors that filter the answer by name themselves.",
    )
    exclude: tuple[str, ...] = _setting(
        [], "Patterns of files to leave out, in the syntax of .gitignore, relative to each folder."
    )
    max_file_bytes: int = _setting(1_000_000, "Files with more bytes than this are left out.", least=1, scope="limit")
    max_files: int = _setting(
        200_000,
        "A folder with more files than this is not indexed until `allowLargeFolders` is set.",
        least=1,
        scope="limit",
    )
    allow_large_folders: bool = _setting(
        False,
        "Index a folder even if it is a home directory, `/`, or has more than `maxFiles` files.",
        scope="machine",
    )
    model: str = _setting(
        STATIC,
        "The embedding model: `static` (shipped) or the name or path of a sentence-transformers model"
        " (needs the `transformers` extra).",
        scope="machine",
    )
    model_memory_mib: int = _setting(
        4096, "The memory that a sentence-transformers model's process may use, in MiB.", least=256, scope="machine"
    )
    model_timeout_seconds: int = _setting(
        120,
        "The time that one batch may take in a sentence-transformers model's process, in seconds.",
        least=1,
        scope="machine",
    )
    memory_mib: int = _setting(
        512,
        "How much of the index a query may read, in MiB, over all folders. If the index is larger, LanceDB's indices"
        " choose the rows that are scored.",
        least=0,
        scope="machine",
    )
    workers: int = _setting(
        0,
        "The number of processes that read and embed files while many are waiting; 0 means one for each core, four at"
        " most.",
        least=0,
        scope="machine",
    )


#: Name of the environment variable that overrides the directory of the indexes.
DATA_DIRECTORY_VARIABLE = "CONEXUS_DATA_DIR"


def default_data_directory() -> Path:
    """Returns the directory that CONEXUS_DATA_DIR names, or else the user's data directory for Conexus.

    ``~`` stands for the home directory, because editors and service files set variables without a shell. Raises OSError
    if there is neither.
    """
    given = os.environ.get(DATA_DIRECTORY_VARIABLE)
    try:
        if given:
            return Path(given).expanduser().absolute()
        import platformdirs

        return platformdirs.user_data_path("conexus", appauthor=False)
    except RuntimeError as error:
        raise OSError(
            errno.ENOENT, f"there is no home directory to keep indexes in; set {DATA_DIRECTORY_VARIABLE} to a folder"
        ) from error


#: Maximum number of characters that a message quotes of a foreign name.
_LONGEST_NAME = 60


class Problem(str):
    """One sentence for the user about a setting that was rejected."""

    __slots__ = ()


def camel_case(name: str) -> str:
    """Converts a name to camelCase: ``max_file_bytes`` -> ``maxFileBytes``."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def merge(settings: Settings, given: object, source: str) -> tuple[Settings, list[Problem]]:
    """Returns ``settings`` with the valid values of ``given`` (wire name -> value), and a problem for each other one.

    Never raises: a setting with an invalid value keeps its former value.
    """
    if given is None:
        return settings, []
    if not isinstance(given, Mapping):
        return settings, [Problem(f"{source}: expected settings by name, got {type(given).__name__}")]
    hints = get_type_hints(Settings)
    by_name = {camel_case(item.name): item for item in fields(Settings)}
    taken: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, value in given.items():
        item = by_name.get(str(name))
        if item is None:
            problems.append(Problem(f"{source}: there is no setting `{_short(name)}`"))
            continue
        if value is None:
            continue
        wrong = _wrong(hints[item.name], value, item.metadata["least"])
        if wrong:
            problems.append(Problem(f"{source}: `{name}` {wrong}"))
        else:
            taken[item.name] = tuple(value) if get_origin(hints[item.name]) is tuple else value
    return replace(settings, **taken), problems


def _short(name: object) -> str:
    text = str(name)
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"


def _wrong(hint: Any, value: object, least: int | None) -> str:
    if get_origin(hint) is Literal:
        allowed = get_args(hint)
        return "" if value in allowed else f"must be one of {', '.join(allowed)}"
    if get_origin(hint) is tuple:
        ok = isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(v, str) for v in value)
        return "" if ok else "must be a list of strings"
    if hint is bool or isinstance(value, bool):
        return "" if hint is bool and isinstance(value, bool) else f"must be {_words(hint)}"
    if not isinstance(value, hint):
        return f"must be {_words(hint)}"
    if least is not None and isinstance(value, int) and value < least:
        return f"must be {least} or more"
    return ""


def _words(hint: Any) -> str:
    return {bool: "true or false", int: "a whole number", str: "a string"}.get(hint, str(hint))


def merge_repository(settings: Settings, given: Mapping[str, object]) -> tuple[Settings, list[Problem]]:
    """Returns ``settings`` with the values that a repository may set, and a problem for each refused value.

    ``given`` holds the values of the repository's conexus.toml. They can set settings of scope ``workspace`` and lower
    settings of scope ``limit``.
    """
    by_name = {camel_case(item.name): item for item in fields(Settings)}
    problems: list[Problem] = []
    allowed: dict[str, object] = {}
    for name, value in given.items():
        item = by_name.get(name)
        if item is None or item.metadata["scope"] == "workspace":
            allowed[name] = value
        elif item.metadata["scope"] == "machine":
            problems.append(Problem(f"{SETTINGS_FILE}: a repository cannot set `{name}`"))
        elif isinstance(value, int) and value > (most := getattr(settings, item.name)):
            problems.append(Problem(f"{SETTINGS_FILE}: a repository cannot raise `{name}` above {most}"))
        else:
            allowed[name] = value
    merged, more = merge(settings, allowed, SETTINGS_FILE)
    return merged, problems + more
