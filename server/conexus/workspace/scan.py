"""Finds the files of a workspace folder by a walk of the disk.

Never raises for anything that a file system may hold.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from conexus import limits
from conexus.config import Settings
from conexus.limits import Limit
from conexus.workspace.ignore import IGNORED, IgnoreRules
from conexus.workspace.inside import Inside
from conexus.workspace.read import NOT_REGULAR, NOT_UTF8_NAME, SYMLINK, TOO_LARGE, reason_of, state_of
from conexus.workspace.roots import needs_consent

#: What the user can do about a folder that needs consent.
CONSENT = "Set `allowLargeFolders` to index it."
#: Number of entries of a directory that are examined in one step.
_STEP = 64
#: Memory in bytes that the paths of the files and directories of a folder may take together, without consent. All
#: processes together use six times as much: each keeps paths for several purposes. A path has up to 4096 bytes, and the
#: paths of 200,000 real files take 30 MB.
_MOST_BYTES_OF_PATHS = 48 << 20


class Entry(NamedTuple):
    """A file that the ignore rules allow. A named tuple and no dataclass, because a scan makes one for every file."""

    #: Path relative to the folder, with ``/``.
    path: str
    #: Size in bytes.
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Scan:
    """The result of a walk."""

    entries: list[Entry]
    #: Number of files and directories that were left out although no pattern ignores them, by reason.
    skipped: dict[str, int]
    #: Why the entries may not be all files of the folder, in a sentence for the user; None if they are all.
    refused: str | None = None


def scan(
    root: Path | str,
    rules: IgnoreRules,
    settings: Settings,
    *,
    below: str = "",
    stop: Callable[[], bool] = lambda: False,
) -> Scan:
    """Returns what ``scan_in_steps`` finds. The scan is stopped if ``stop``, called after every step, returns True."""
    steps = scan_in_steps(root, rules, settings, below=below)
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            found: Scan = ended.value
            return found
        if stop():
            return Scan([], {}, "The scan was stopped.")


def scan_in_steps(
    root: Path | str, rules: IgnoreRules, settings: Settings, *, below: str = ""
) -> Generator[None, None, Scan]:
    """Finds the files at or below a path of a folder: all files by default, one if the path is a file, or none.

    A scan of the whole folder reads changed ignore files again, and is refused if the user must consent first. Symbolic
    links are not followed, so that a file is found once, at its real path. A step examines at most one directory, or
    ``_STEP`` entries of a larger one.
    """
    root = str(root).rstrip("/\\")
    found = Scan([], {})
    if not below:
        refused = None if settings.allow_large_folders else needs_consent(root or "/")
        if refused:
            return replace(found, refused=f"{refused} {CONSENT}")
        rules.forget()
        refused = yield from _walk(root, "", rules, settings, found)
        rules.all_read()
        return replace(found, refused=refused)
    facts = state_of(root or "/", below)
    if facts is None:
        return found
    is_directory = stat.S_ISDIR(facts.st_mode)
    if not _is_wanted(rules.reason(below, is_directory), below, found.skipped):
        return found
    if is_directory:
        return replace(found, refused=(yield from _walk(root, below, rules, settings, found)))
    _take(below, facts, settings, found)
    return found


def _walk(
    root: str, top: str, rules: IgnoreRules, settings: Settings, found: Scan
) -> Generator[None, None, str | None]:
    """Adds the files below ``top`` to ``found``. Returns why the walk ended early, or None if it did not."""
    most = None if settings.allow_large_folders else settings.max_files
    directories = [top]
    room = float("inf") if settings.allow_large_folders else _MOST_BYTES_OF_PATHS
    with Inside(root or "/") as inside:
        while directories:
            yield
            directory = directories.pop()
            prefix = f"{directory}/" if directory else ""
            level = rules.level(directory)
            if level is None:
                continue  # it became a link, or its rules have changed
            try:
                with inside.listed(directory) as items:
                    for number, item in enumerate(items, 1):
                        if number % _STEP == 0:
                            yield
                        path = prefix + item.name
                        is_directory = item.is_dir(follow_symlinks=False)
                        if not _is_wanted(level.reason(path, item.name, is_directory), path, found.skipped):
                            continue
                        room -= sys.getsizeof(path)
                        if room < 0:
                            return f"The paths of this folder's files are too long together. {CONSENT}"
                        if is_directory:
                            directories.append(path)
                        elif len(found.entries) == most:
                            if not top:
                                limits.hit(Limit.FILES)
                            return f"This folder has more than {most} files. {CONSENT}"
                        else:
                            _take(path, item, settings, found)
            except (OSError, ValueError) as error:
                if not directory:
                    return "This folder does not exist or cannot be read."
                _count(found.skipped, reason_of(error))
    return None


def _is_wanted(reason: str | None, path: str, skipped: dict[str, int]) -> bool:
    """Decides whether an entry is scanned. ``reason``: why the rules leave it out, None if they do not."""
    if reason is not None:
        if reason is not IGNORED:
            _count(skipped, reason)
        return False
    if not path.isascii():
        try:
            path.encode()
        except UnicodeEncodeError:
            _count(skipped, NOT_UTF8_NAME)
            return False
    return True


def _take(path: str, item: os.DirEntry[str] | os.stat_result, settings: Settings, found: Scan) -> None:
    try:
        facts = item.stat(follow_symlinks=False) if isinstance(item, os.DirEntry) else item
    except OSError as error:
        _count(found.skipped, reason_of(error))
        return
    if stat.S_ISLNK(facts.st_mode):
        _count(found.skipped, SYMLINK)
    elif not stat.S_ISREG(facts.st_mode):
        _count(found.skipped, NOT_REGULAR)
    elif facts.st_size > settings.max_file_bytes:
        _count(found.skipped, TOO_LARGE)
    else:
        found.entries.append(Entry(path, facts.st_size, facts.st_mtime_ns))


def _count(skipped: dict[str, int], reason: str) -> None:
    skipped[reason] = skipped.get(reason, 0) + 1
