"""The checks of ``conexus doctor``. A check never raises, because an error is its finding."""

from __future__ import annotations

import os
import platform
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Literal

from conexus import __version__, diagnosis, own_files
from conexus.cli.status_text import counted, size
from conexus.config import Settings, audit_place, default_data_directory
from conexus.processes.start import python, run
from conexus.values import EngineError
from conexus.workspace.settings_file import load_file

Level = Literal["OK", "WARN", "FAIL"]

_TESTED_PYTHON = ((3, 11), (3, 13))
_INOTIFY = Path("/proc/sys/fs/inotify")
#: Bytes of free disk space below which indexing soon fails, and below which it may fail.
_SCARCE_BYTES, _LOW_BYTES = 100 * 2**20, 2**30
_IMPORT_SECONDS = 120
#: Maximum number of problems with settings that are reported. A hostile file has thousands.
_MOST_PROBLEMS = 20
#: Packages with native code, which this machine may be unable to run although they are installed.
_NATIVE = ("lancedb", "pyarrow", "numpy", "tokenizers", "tree_sitter", "watchfiles")
#: Advice to install Conexus. It does not use the bare name, which is another product's on the Python package index.
_INSTALL = "install Conexus from a clone of its repository (`pip install .` there), or again from the editor"
_OWN_DIRECTORIES = (own_files.INDEXES, own_files.RESULTS, own_files.VECTORS)
_OTHER_DIRECTORY = "set CONEXUS_DATA_DIR to a folder that you can write to"
_IMPORT = "import importlib, sys\nfor name in sys.argv[1:]: print(name, flush=True); importlib.import_module(name)"
#: The smallest definition of each language, to check that its grammar and its query work on this machine.
_SAMPLES = {
    "bash": "brew() { echo tea; }",
    "c": "int brew(void) { return 1; }",
    "cpp": "class Kettle { int brew() { return 1; } };",
    "csharp": "class Kettle { int Brew() { return 1; } }",
    "elixir": "defmodule Kettle do\n  def brew do\n    :tea\n  end\nend",
    "go": "package kettle\n\nfunc Brew() int { return 1 }",
    "haskell": "brew :: Int -> Int\nbrew x = x + 1",
    "java": "class Kettle { int brew() { return 1; } }",
    "javascript": "function brew() { return 1; }",
    "kotlin": "fun brew(): Int { return 1 }",
    "lua": "function brew() return 1 end",
    "markdown": "# Kettle\n\nHow tea is made.",
    "php": "<?php function brew() { return 1; }",
    "python": "def brew():\n    return 1",
    "ruby": "def brew\n  1\nend",
    "rust": "fn brew() -> i32 { 1 }",
    "scala": "object Kettle { def brew: Int = 1 }",
    "swift": "func brew() -> Int { return 1 }",
    "tsx": "function Brew() { return <p>tea</p>; }",
    "typescript": "function brew(): number { return 1; }",
    "zig": "fn brew() i32 { return 1; }",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. ``advice`` says in a sentence what to do; it is empty if there is nothing to do."""

    level: Level
    subject: str
    found: str
    advice: str = ""


def all_checks(folder: Path, model: str | None = None) -> Iterator[Check]:
    """Yields the checks of the installation, of a sentence-transformers model if one is named, and of a folder.

    Each check runs when it is requested.
    """
    yield from installation_checks()
    if model is not None:
        yield from _guarded("own model", lambda: own_model(model))
    yield from folder_checks(folder)


def installation_checks() -> Iterator[Check]:
    """Checks that everything is installed and that this machine can run it."""
    yield _python()
    yield _packages()
    yield _native_code()
    yield from _guarded("model", _model)
    yield from _guarded("grammars", _grammars)


def folder_checks(folder: Path) -> Iterator[Check]:
    """Checks that this folder (absolute) can be indexed and watched, and that its index can be kept."""
    yield from _guarded("data", _data_directory)
    yield from _guarded("disk", _disk_space)
    yield from _guarded("audit", _audit)
    yield from _guarded("settings", lambda: _settings(folder))
    yield from _guarded("watcher", lambda: _watcher(folder))
    yield from _guarded("index", lambda: _index(folder))


def _guarded(subject: str, check: Callable[[], Check]) -> Iterator[Check]:
    try:
        yield check()
    except Exception as error:  # the doctor must not die of what it is there to find  # noqa: BLE001
        yield Check("FAIL", subject, f"{type(error).__name__}: {error}", _INSTALL)


def _python() -> Check:
    first, last = _TESTED_PYTHON
    found = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if not first <= sys.version_info[:2] <= last:
        return Check("WARN", "python", found, f"tested with {first[0]}.{first[1]} to {last[0]}.{last[1]}")
    if platform.system() != "Linux":
        return Check("WARN", "python", found, "only Linux is tested")
    return Check("OK", "python", found)


def _packages() -> Check:
    try:
        required = metadata.requires("conexus") or []
    except metadata.PackageNotFoundError:
        return Check("WARN", "packages", f"conexus {__version__} runs from a source tree", _INSTALL)
    names = [match[0] for line in required if "extra ==" not in line and (match := re.match(r"[\w.-]+", line))]
    found, missing = [f"conexus {__version__}"], []
    for name in names:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Check("FAIL", "packages", f"missing: {', '.join(missing)}", _INSTALL)
    return Check("OK", "packages", ", ".join(found))


def _native_code() -> Check:
    # In a process of its own, because code for another processor ends the process that runs it.
    try:
        result = run(python(["-c", _IMPORT, *_NATIVE]), _IMPORT_SECONDS)
    except TimeoutExpired:
        return Check("FAIL", "native code", f"not imported within {_IMPORT_SECONDS} s", "check the load of the machine")
    if result.returncode == 0:
        return Check("OK", "native code", f"{', '.join(_NATIVE)} can be imported")
    name = (result.stdout.decode(errors="replace").split() or ["python"])[-1]
    if result.returncode < 0:
        found = f"importing {name} ended the process with signal {-result.returncode}"
        return Check("FAIL", "native code", found, "its wheel may be built for another processor")
    reason = (result.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
    return Check("FAIL", "native code", f"{name} cannot be imported ({reason})", f"install {name} again")


def _model() -> Check:
    found, carries_meaning = diagnosis.try_shipped_model()
    if not carries_meaning:
        return Check("FAIL", "model", f"{found}: its vectors carry no meaning", _INSTALL)
    return Check("OK", "model", found)


def _grammars() -> Check:
    known = diagnosis.languages()
    broken = diagnosis.languages_without_definitions({language: _SAMPLES[language] for language in known})
    if broken:
        found = f"no definitions are found in {', '.join(broken)}"
        return Check("FAIL", "grammars", found, "install tree-sitter-language-pack again")
    return Check("OK", "grammars", f"all {len(known)} work")


def _data_directory() -> Check:
    directory = default_data_directory()
    if not directory.exists():
        parent = next(parent for parent in directory.parents if parent.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            return Check("FAIL", "data", f"{directory} cannot be created", _OTHER_DIRECTORY)
        if os.path.lexists(directory):
            return Check("FAIL", "data", f"{directory} is a link that leads nowhere", _OTHER_DIRECTORY)
        return Check("OK", "data", f"{directory} does not exist yet")
    if not directory.is_dir():
        return Check("FAIL", "data", f"{directory} is not a directory", _OTHER_DIRECTORY)
    if refused := _refusal(directory, *_OWN_DIRECTORIES):
        return Check("FAIL", "data", f"{directory} is not used: {refused}")
    if not os.access(directory, os.W_OK | os.X_OK):
        return Check("FAIL", "data", f"{directory} is not writable", _OTHER_DIRECTORY)
    used = size(_bytes_below(directory))
    mode = directory.stat().st_mode & 0o777
    exposed = next(filter(_is_open_to_all, directory.resolve().parents), None)
    if exposed is not None:
        found = f"{directory}, {used}: other users can replace it, because they can write to {exposed}"
        return Check("WARN", "data", found, _OTHER_DIRECTORY)
    if os.name == "posix" and mode & 0o077:
        found = f"{directory}, {used}, is open to other users (mode {mode:o})"
        return Check("WARN", "data", found, f"run `chmod 700 {directory}`")
    return Check("OK", "data", f"{directory}, {used}, mode {mode:o}")


def _refusal(directory: Path, *names: str) -> str:
    """Returns why the data directory, or one of our directories in it, is not used; empty if it is used."""
    try:
        own_files.check_directories(directory)
        for name in names:
            own_files.check_directories(directory, name)
    except own_files.Untrusted as error:
        return str(error.strerror)
    return ""


def _is_open_to_all(directory: Path) -> bool:
    """Returns whether everyone can remove and rename what is in a directory."""
    mode = directory.stat().st_mode
    return os.name == "posix" and bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def _bytes_below(directory: Path) -> int:
    return sum(path.lstat().st_size for path in directory.rglob("*") if own_files.is_regular(path))


def _audit() -> Check:
    from conexus.audit import chain

    place = audit_place(Settings(), "doctor")
    if place is None:
        return Check("WARN", "audit", "there is no audit log, because there is no data directory", _OTHER_DIRECTORY)
    if not place.directory.is_dir():
        return Check("OK", "audit", "nothing was recorded yet")
    report = chain.verify(place.directory)
    found = f"{counted(report.lines, 'line')} in {counted(report.files, 'file')}"
    if report.problems:
        return Check("WARN", "audit", f"{found}: the log was changed", "`conexus audit verify` says where")
    return Check("OK", "audit", f"{found}: nothing was changed or removed")


def _disk_space() -> Check:
    directory = default_data_directory()
    existing = next(parent for parent in (directory, *directory.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    advice = "free some space, or set CONEXUS_DATA_DIR to a folder on another disk"
    if free < _SCARCE_BYTES:
        return Check("FAIL", "disk", f"{size(free)} free", advice)
    if free < _LOW_BYTES:
        return Check("WARN", "disk", f"{size(free)} free", advice)
    return Check("OK", "disk", f"{size(free)} free")


def _settings(folder: Path) -> Check:
    _, problems = load_file(folder, Settings())
    if problems:
        more = f"; and {len(problems) - _MOST_PROBLEMS} more" if len(problems) > _MOST_PROBLEMS else ""
        return Check("WARN", "settings", "; ".join(problems[:_MOST_PROBLEMS]) + more, "see docs/configuration.md")
    return Check("OK", "settings", "no problem found")


def own_model(model: str) -> Check:
    """Checks that a sentence-transformers model, as the setting ``model`` names it, loads and embeds."""
    try:
        return Check("OK", "own model", diagnosis.try_model(model))
    except EngineError as error:
        return Check("FAIL", "own model", str(error), "the shipped model answers instead")


def _watcher(folder: Path) -> Check:
    if not _INOTIFY.is_dir():
        return Check("OK", "watcher", "no limits to check on this system")
    watches = int((_INOTIFY / "max_user_watches").read_text(encoding="ascii"))
    instances = int((_INOTIFY / "max_user_instances").read_text(encoding="ascii"))
    directories = sum(1 for _ in os.walk(folder))
    here = counted(directories, "directory", "directories")
    found = f"{here} to watch; the system allows each user {watches} watches and {instances} watchers"
    if directories > watches // 2:
        level: Level = "FAIL" if directories > watches else "WARN"
        limit = max(524288, 4 * directories)
        advice = f"run `sudo sysctl fs.inotify.max_user_watches={limit}`, or set `watcher` to `client`"
        return Check(level, "watcher", found, advice)
    return Check("OK", "watcher", found)


def _index(folder: Path) -> Check:
    directory = diagnosis.stored_index_of(folder)
    if directory is None:
        return Check("OK", "index", f"{folder} has not been indexed yet")
    try:
        own_files.check_directories(directory.parents[1], directory.parent.name, directory.name)
        own_files.check_entries(directory)
    except own_files.Untrusted as error:
        return Check("FAIL", "index", f"{directory} is not used: {error.strerror}")
    found = f"{directory}, {size(_bytes_below(directory))}"
    if os.name == "posix" and directory.stat().st_mode & 0o077:
        return Check("WARN", "index", f"{found}, is open to other users", f"run `chmod -R go= {directory}`")
    return Check("OK", "index", found)
