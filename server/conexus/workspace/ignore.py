"""Decides by the ignore rules which paths of a workspace folder are part of the workspace.

The sources of rules, strongest first: the setting `exclude`, `.conexusignore` files, `.gitignore` files, the
repository's `info/exclude`, the user's global excludes, and a few names that nobody wants to search. Within a kind, the
file nearest to the path is strongest; within a file, the last pattern that matches decides. As in git, nothing below an
ignored directory can be included again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from conexus.workspace.gitignore import PatternList, byte_string
from conexus.workspace.repository import (
    GitSettings,
    common_directory,
    enclosing_work_tree,
    git_settings,
    read_small_file,
)

IGNORE_FILES = (".gitignore", ".conexusignore")
#: Directories with the data of version control. No rule includes them.
_CONTROL_DIRECTORIES = frozenset({".git", ".hg", ".svn"})
#: Installed dependencies and caches, for folders without an ignore file. The pattern `!node_modules/` includes one.
_USUALLY_UNWANTED = PatternList.of_lines(
    ["node_modules/", "bower_components/", "__pycache__/", ".venv/", ".tox/", ".nox/", ".gradle/"]
)


@dataclass(frozen=True, slots=True)
class _Rules:
    """A pattern list, and how to make a path relative to the directory that the list belongs to."""

    patterns: PatternList
    #: The text to put before a path relative to the folder (for rules of its parents), and the number of characters to
    #: cut off such a path (for rules of directories in the folder).
    prefix: str = ""
    cut: int = 0

    def ignores(self, path: str, name: str, is_directory: bool) -> bool | None:
        return self.patterns.ignores(self.prefix + path[self.cut :], name, is_directory)


@dataclass(frozen=True, slots=True)
class _Level:
    """The rules for the entries of one directory. In each kind, the strongest rules are first."""

    exclude: tuple[_Rules, ...]
    own: tuple[_Rules, ...]
    git: tuple[_Rules, ...]
    #: The path of the shared data of the repository that the directory belongs to; None without a repository.
    repository: str | None

    def allows(self, path: str, name: str, is_directory: bool) -> bool:
        if name in _CONTROL_DIRECTORIES:
            return False
        path, name = byte_string(path), byte_string(name)
        for kind in (self.exclude, self.own, self.git):
            for rules in kind:
                verdict = rules.ignores(path, name, is_directory)
                if verdict is not None:
                    return not verdict
        return not _USUALLY_UNWANTED.ignores(path, name, is_directory)


_UNKNOWN = _Level((), (), (), None)


class IgnoreRules:
    """The ignore rules of a workspace folder, for scanning as well as for watching it.

    Paths are relative to the folder and written with ``/``. The rules read for a directory are kept until `forget`.
    Safe to use from several threads; never raises.
    """

    def __init__(
        self,
        root: Path,
        *,
        exclude: Sequence[str] = (),
        left_out: Iterable[Path] = (),
        git: GitSettings | None = None,
    ) -> None:
        """``left_out`` are directories that are never included, for example our own data."""
        self._root = os.path.realpath(root)
        self._left_out = frozenset(os.path.realpath(path) for path in left_out)
        settings = git_settings(self._root) if git is None else git
        self._ignore_case = settings.ignore_case
        self._everywhere = PatternList.of_bytes(settings.global_excludes, ignore_case=self._ignore_case)
        self._exclude = PatternList.of_lines(exclude, ignore_case=self._ignore_case)
        self._levels: dict[str, _Level | None] = {}

    def allows(self, path: str, is_directory: bool) -> bool:
        """Decides whether a file or directory is part of the workspace. The folder itself, ``""``, always is."""
        if not path:
            return True
        parent, _, name = path.rpartition("/")
        level = self._level(parent)
        return level is not None and level.allows(path, name, is_directory)

    def forget(self, path: str | None = None) -> bool:
        """Forgets the rules that concern a changed path (all rules without a path), so that they are read again.

        Returns whether the rules of other paths may have changed, so that the directory of the path needs a scan.
        """
        if path is None:
            self._levels.clear()
            return True
        directory, _, name = path.rpartition("/")
        decides = name in IGNORE_FILES or name == ".git"
        if not decides:
            directory = path
        if directory in self._levels or decides:
            below = directory + "/" if directory else ""
            for known in list(self._levels):
                if known == directory or known.startswith(below):
                    self._levels.pop(known, None)
        return decides

    def _level(self, directory: str) -> _Level | None:
        """Returns the rules in a directory, or None if the directory is not part of the workspace."""
        missing = []  # from here upwards, in a list because paths can be deeper than the stack
        while (level := self._levels.get(directory, _UNKNOWN)) is _UNKNOWN:
            if not directory:
                level = self._levels[""] = self._top()
                break
            missing.append(directory)
            directory = directory.rpartition("/")[0]
        for path in reversed(missing):
            level = None if level is None else self._below(level, path)
            self._levels[path] = level
        return level

    def _below(self, above: _Level, path: str) -> _Level | None:
        if not above.allows(path, path.rpartition("/")[2], is_directory=True):
            return None
        absolute = f"{self._root}/{path}"
        # A symbolic link leads out of the folder, or to files that are found at their real path anyway.
        if os.path.islink(absolute) or (  # noqa: PTH114 - hot: Path costs more than the call
            self._left_out and os.path.realpath(absolute) in self._left_out
        ):
            return None
        here = len(byte_string(path)) + 1
        git, repository = above.git, above.repository
        nested = common_directory(absolute) if os.path.lexists(f"{absolute}/.git") else None
        if nested is not None:
            if nested == repository:
                return None  # another worktree of this repository: the same files once more
            git, repository = self._of_repository(nested, cut=here), nested
        return _Level(
            above.exclude,
            self._read(f"{absolute}/.conexusignore", cut=here) + above.own,
            self._read(f"{absolute}/.gitignore", cut=here) + git,
            repository,
        )

    def _top(self) -> _Level:
        work_tree = enclosing_work_tree(self._root)
        repository = common_directory(work_tree) if work_tree else None
        above = self._of_parents(work_tree, repository) if work_tree and repository else None
        return _Level(
            (_Rules(self._exclude),) if self._exclude.patterns else (),
            self._read(f"{self._root}/.conexusignore"),
            self._read(f"{self._root}/.gitignore") + (self._of_repository(None) if above is None else above),
            repository,
        )

    def _of_parents(self, work_tree: str, repository: str) -> tuple[_Rules, ...] | None:
        """Returns the rules of the repository and of its directories above the folder.

        Returns None if these rules ignore the folder itself, because a user who opens an ignored folder wants to see
        its files.
        """
        parts = [byte_string(part) for part in Path(self._root).relative_to(work_tree).parts]
        rules = self._of_repository(repository, prefix="".join(f"{part}/" for part in parts))
        for depth, part in enumerate(parts):
            directory = Path(self._root, *[os.pardir] * (len(parts) - depth))
            prefix = "".join(f"{part}/" for part in parts[depth:])
            rules = self._read(f"{directory}/.gitignore", prefix=prefix) + rules
            # The length of the part of a rule's prefix that is below this directory, which is cut off.
            below = len("".join(f"/{part}" for part in parts[depth + 1 :])) + 1
            verdicts = (rule.patterns.ignores(rule.prefix[:-below], part, True) for rule in rules)
            if next((verdict for verdict in verdicts if verdict is not None), False):
                return None
        return rules

    def _of_repository(self, repository: str | None, *, prefix: str = "", cut: int = 0) -> tuple[_Rules, ...]:
        excludes = self._read(f"{repository}/info/exclude", prefix=prefix, cut=cut) if repository else ()
        return (*excludes, _Rules(self._everywhere, prefix, cut)) if self._everywhere.patterns else excludes

    def _read(self, file: str, *, prefix: str = "", cut: int = 0) -> tuple[_Rules, ...]:
        content = read_small_file(file, self._root)
        if not content:
            return ()
        patterns = PatternList.of_bytes(content, ignore_case=self._ignore_case)
        return (_Rules(patterns, prefix, cut),) if patterns.patterns else ()
