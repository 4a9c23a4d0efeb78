"""Reads a folder's conexus.toml, which a stranger may have written.

The size is limited, symbolic links are not followed, and nothing is raised for what the file may hold.
"""

from __future__ import annotations

import errno
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from conexus.config import SETTINGS_FILE, Problem, Settings, camel_case, merge_repository
from conexus.workspace.read import read_bytes_of

#: Maximum size of a settings file in bytes; larger files are refused. All settings together take a few hundred bytes.
_MAX_BYTES = 64 * 1024
#: Matches a key of more than 20 parts anywhere in the file. tomllib takes quadratic time for such a key (17 s for 64 KB
#: of ``a.a.a…``), and no setting has two parts. The raw text is searched, so that such a key cannot be hidden. Each
#: alternative is possessive and short, or begins where no other can begin, so that the search takes linear time.
_LONG_KEY = re.compile(
    r"""(?<![\w-])(?:(?:[\w-]++|"(?:[^"\\\n]|\\.){0,99}+"|'[^'\n]{0,99}+')[ \t]*+\.[ \t]*+){21}""",
)


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """The content of a settings file, before it is checked against the known settings."""

    #: Values by the names of settings in the file; empty if there is no file, or if it cannot be understood.
    values: Mapping[str, object] = field(default_factory=dict)
    problem: Problem | None = None

    def merged_into(self, settings: Settings) -> tuple[Settings, list[Problem]]:
        """Returns ``settings`` with what a repository may decide replaced, and a problem for each refused value."""
        merged, problems = merge_repository(settings, self.values)
        return merged, problems if self.problem is None else [self.problem, *problems]

    def note(self, settings: Settings) -> str:
        """Returns which of the settings in force the file decides, in a sentence for the user; empty for none.

        Without it, a user could not see that a repository has excluded its files or turned off the watcher.
        """
        default = Settings()
        own, _ = self.merged_into(default)
        names = [
            f"`{camel_case(item.name)}`"
            for item in fields(Settings)
            if getattr(default, item.name) != getattr(own, item.name) == getattr(settings, item.name)
        ]
        return f"{SETTINGS_FILE} sets {', '.join(names)}." if names else ""


def read_settings_file(folder: Path) -> SettingsFile:
    """Reads the settings file of a folder. The call may wait for a disk."""
    try:
        facts, content = read_bytes_of(folder / SETTINGS_FILE, _MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return SettingsFile()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return _problem("it is a symbolic link")
        return _problem(f"it cannot be read ({type(error).__name__})")
    if not stat.S_ISREG(facts.st_mode):
        return _problem("it is not a file")
    if len(content) > _MAX_BYTES:
        return _problem(f"it is larger than {_MAX_BYTES // 1024} KiB")
    return _parse(content)


def load_file(folder: Path, settings: Settings) -> tuple[Settings, list[Problem]]:
    """Returns ``settings`` merged with the folder's settings file, and the problems. The call may wait for a disk."""
    return read_settings_file(folder).merged_into(settings)


def _parse(content: bytes) -> SettingsFile:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _problem("it is not UTF-8")
    if _LONG_KEY.search(text):
        return _problem("it has a key of too many parts")
    try:
        return SettingsFile(tomllib.loads(text))
    except RecursionError:
        return _problem("it is nested too deeply")
    except ValueError as error:  # TOMLDecodeError, or a number of too many digits
        return _problem(str(error))


def _problem(words: str) -> SettingsFile:
    return SettingsFile(problem=Problem(f"{SETTINGS_FILE} has no effect: {words}"))
