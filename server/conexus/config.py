"""Settings: one frozen value, merged from defaults, conexus.toml, initializationOptions and the client's answers."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from conexus import audit

Watcher = Literal["auto", "client", "server", "off"]
WorkspaceSymbol = Literal["auto", "on", "off"]

#: The name of the shipped model.
STATIC = "static"

#: The name of the settings file, looked for in the first workspace folder.
SETTINGS_FILE = "conexus.toml"


#: Who may decide a setting; ``Settings`` documents each scope.
Scope = Literal["workspace", "limit", "machine"]


#: The greatest value of a setting that is a number: no conversion of it, to bytes or to a system's time, overflows.
_MOST = 2**31 - 1


def _setting(
    default: Any, description: str, *, least: int | None = None, most: int = _MOST, scope: Scope = "workspace"
) -> Any:
    metadata = {"description": description, "least": least, "most": most, "scope": scope}
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
    max_file_bytes: int = _setting(
        1_000_000, "Files with more bytes than this are left out.", least=1, most=2**40, scope="limit"
    )
    max_files: int = _setting(
        200_000,
        "A folder with more files than this is not indexed until `allowLargeFolders` is set.",
        least=1,
        scope="limit",
    )
    max_file_chunks: int = _setting(
        20_000,
        "A file with more chunks than this is searched in pieces of many lines instead of by its definitions.",
        least=1,
        scope="limit",
    )
    max_folder_mib: int = _setting(
        8192, "Files beyond this total size in a folder are left out, in MiB.", least=1, scope="limit"
    )
    max_folder_chunks: int = _setting(
        3_000_000, "Files beyond this total number of chunks in a folder are left out.", least=1, scope="limit"
    )
    max_depth: int = _setting(
        200, "Directories that are nested deeper than this in a folder are left out.", least=1, scope="limit"
    )
    max_watched_directories: int = _setting(
        100_000,
        "Conexus watches at most this many directories of a folder itself; changes in others are found by the"
        " reconcile scan.",
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
        "The embedding model: `static` (shipped) or the name or absolute path of a sentence-transformers model"
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
        most=64,
        scope="machine",
    )
    index_secrets: bool = _setting(
        False,
        "Index files that are likely to hold secrets, such as `.env` and private keys.",
        scope="machine",
    )
    max_query_length: int = _setting(
        10_000, "A query with more characters than this is refused.", least=1, scope="machine"
    )
    max_waiting_requests: int = _setting(
        512, "Further requests are refused while this many requests wait.", least=1, scope="machine"
    )
    request_timeout_seconds: int = _setting(
        30, "A request that takes longer than this is ended with an error, in seconds.", least=1, scope="machine"
    )
    max_message_mib: int = _setting(
        64,
        "A message that is larger than this, in MiB, is refused; open documents are then searched as they are on disk"
        " until the editor sends their whole text.",
        least=1,
        scope="machine",
    )
    max_message_depth: int = _setting(
        100, "A message whose arrays and objects are nested deeper than this is refused.", least=10, scope="machine"
    )
    max_unread_mib: int = _setting(
        64, "The connection ends if the client leaves more than this unread, in MiB.", least=1, scope="machine"
    )
    max_documents: int = _setting(
        10_000, "Open documents beyond this number are searched as they are on disk.", least=1, scope="machine"
    )
    max_documents_mib: int = _setting(
        256,
        "Open documents beyond this total size are searched as they are on disk, in MiB.",
        least=1,
        scope="machine",
    )
    worker_memory_mib: int = _setting(
        512,
        "The memory that all processes that read files may use together, in MiB. A file that needs more is left out"
        " until it changes.",
        least=128,
        scope="machine",
    )
    store_memory_mib: int = _setting(
        4096,
        "The memory that the process that writes LanceDB's tables may use, in MiB; above it, the process is restarted.",
        least=256,
        scope="machine",
    )
    server_memory_mib: int = _setting(
        4096,
        "The memory that the server may use, in MiB; above it, no more files are indexed.",
        least=256,
        scope="machine",
    )
    max_data_mib: int = _setting(
        51_200,
        "The size of all indexes on disk, in MiB; above it, the indexes that were not used for longest are removed.",
        least=1,
        scope="machine",
    )
    index_age_days: int = _setting(
        90, "An index that was not used for this many days is removed.", least=1, scope="machine"
    )
    audit: bool = _setting(
        True,
        "Keep an audit log of what was refused, limited, removed and changed, without code and queries.",
        scope="machine",
    )
    audit_mib: int = _setting(
        10, "The size of the audit log, in MiB; above it, its oldest file is removed.", least=1, scope="machine"
    )
    audit_days: int = _setting(90, "Files of the audit log are removed after this many days.", least=1, scope="machine")


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


#: The directory of the audit log in the data directory.
AUDIT_DIRECTORY = "audit"

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
        wrong = _wrong(hints[item.name], value, item.metadata["least"], item.metadata["most"])
        if wrong:
            problems.append(Problem(f"{source}: `{name}` {wrong}"))
        else:
            taken[item.name] = tuple(value) if get_origin(hints[item.name]) is tuple else value
    return replace(settings, **taken), problems


def _short(name: object) -> str:
    text = str(name)
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"


def _wrong(hint: Any, value: object, least: int | None, most: int) -> str:
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
    if isinstance(value, int) and value > most:
        return f"must be {most} or less"
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


def audit_place(settings: Settings, command: str) -> audit.Place | None:
    """Returns where the settings have the audit log kept; None if there is to be none, or no data directory.

    ``command`` is the command that runs, for example ``serve``.
    """
    if not settings.audit:
        return None
    try:
        directory = default_data_directory() / AUDIT_DIRECTORY
    except OSError:
        return None
    return audit.Place(directory, command, settings.audit_mib, settings.audit_days)


def record_changes(former: Settings, settings: Settings, layers: Iterable[tuple[str, object]]) -> None:
    """Records the settings that differ from ``former`` in the audit log, without the values of texts.

    ``layers`` are the places that settings may come from, from the weakest to the strongest: a name, and what is given
    there by the names on the wire, if anything is.
    """
    given = [(source, values) for source, values in layers if isinstance(values, Mapping)]
    for item in fields(Settings):
        value, name = getattr(settings, item.name), camel_case(item.name)
        if value == getattr(former, item.name):
            continue
        sources = [source for source, values in given if _same(values.get(name), value)]
        if not sources and value != item.default:
            continue  # nobody set it: what the client can do decides it
        source = sources[-1] if sources else "default"
        if isinstance(value, int):
            audit.record("settingsChanged", setting=name, source=source, value=value)
        else:
            audit.record("settingsChanged", setting=name, source=source)


def _same(given: object, value: object) -> bool:
    return (type(given) is type(value) and given == value) or (isinstance(given, list) and tuple(given) == value)
