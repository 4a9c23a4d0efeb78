"""Reads a folder's conexus.toml, which may be a stranger's: bounded, never through a link, never raising."""

from __future__ import annotations

import errno
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conexus.config import SETTINGS_FILE, Problem, Settings, merge_repository
from conexus.workspace.files import read_bytes

#: Files above this size, in bytes, are not read. All settings together take a few hundred.
_MAX_BYTES = 64 * 1024
#: A key of more than 20 parts, wherever it may be. tomllib takes quadratic time for it (17 s for 64 KB of ``a.a.a…``),
#: and no setting has two parts. It is looked for in the raw text, so that there is no way to hide it. Each alternative
#: is possessive and short, or begins where no other can, so that this takes linear time.
_LONG_KEY = re.compile(
    r"""(?<![\w-])(?:(?:[\w-]++|"(?:[^"\\\n]|\\.){0,99}+"|'[^'\n]{0,99}+')[ \t]*+\.[ \t]*+){21}""",
)


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """What a settings file says, before it is checked against the settings that there are."""

    #: Values by their names on the wire; empty if there is no file, or if it cannot be understood.
    values: Mapping[str, object] = field(default_factory=dict)
    problem: Problem | None = None

    def merged_into(self, settings: Settings) -> tuple[Settings, list[Problem]]:
        """Returns ``settings`` with what a repository may decide replaced, and a problem for each refused value."""
        merged, problems = merge_repository(settings, self.values)
        return merged, problems if self.problem is None else [self.problem, *problems]


def read_settings_file(folder: Path) -> SettingsFile:
    """Read the settings file of a folder. The call may wait for a disk."""
    try:
        facts, content = read_bytes(folder / SETTINGS_FILE, _MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return SettingsFile()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return _problem("is a symbolic link, which is not followed")
        return _problem(f"cannot be read ({type(error).__name__})")
    if not stat.S_ISREG(facts.st_mode):
        return _problem("is not a file")
    if len(content) > _MAX_BYTES:
        return _problem(f"is larger than {_MAX_BYTES // 1024} KiB")
    return _parse(content)


def load_file(folder: Path, settings: Settings) -> tuple[Settings, list[Problem]]:
    """Returns ``settings`` with those of the folder's settings file taken over. The call may wait for a disk."""
    return read_settings_file(folder).merged_into(settings)


def _parse(content: bytes) -> SettingsFile:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _problem("is not UTF-8")
    if _LONG_KEY.search(text):
        return _problem("has a key of too many parts")
    try:
        return SettingsFile(tomllib.loads(text))
    except RecursionError:
        return _problem("is nested too deeply")
    except ValueError as error:  # TOMLDecodeError, or a number of too many digits
        return _problem(str(error))


def _problem(words: str) -> SettingsFile:
    return SettingsFile(problem=Problem(f"{SETTINGS_FILE}: {words}"))
