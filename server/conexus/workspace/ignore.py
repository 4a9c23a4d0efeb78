"""Decides by the ignore rules which paths of a workspace folder are part of the workspace.

The sources of rules, strongest first: the setting `exclude`, `.conexusignore` files, `.gitignore` files, the
repository's `info/exclude`, the user's global excludes, and a few names that nobody wants to search. Within a kind, the
file nearest to the path is strongest; within a file, the last pattern that matches decides. As in git, nothing below an
ignored directory can be included again.

A repository's ignore files come from strangers, so their size, their number and what they cost are limited.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from conexus import limits
from conexus.config import Settings
from conexus.limits import Limit
from conexus.workspace.gitignore import PatternList, byte_string
from conexus.workspace.repository import (
    GitSettings,
    common_directory,
    enclosing_work_tree,
    git_settings,
    read_small_file,
)
from conexus.workspace.secret_files import MAY_HOLD_SECRETS, has_secret_name

IGNORE_FILES = (".gitignore", ".conexusignore")
#: Directories with the data of version control. No rule includes them.
_CONTROL_DIRECTORIES = frozenset({".git", ".hg", ".svn"})
#: Installed dependencies and caches, for folders without an ignore file. The pattern `!node_modules/` includes one.
_USUALLY_UNWANTED = PatternList.of_lines(
    ["node_modules/", "bower_components/", "__pycache__/", ".venv/", ".tox/", ".nox/", ".gradle/"]
)
#: Why a path is not a part of the workspace; ``MAY_HOLD_SECRETS`` is a further reason. What the user asked to ignore is
#: not counted, so ``IGNORED`` is not shown.
IGNORED, TOO_DEEP = "ignored", "nested deeper than maxDepth"
#: Limits for the ignore files of a folder together: bytes read, and different patterns and characters of those with
#: wildcards, which stay in memory. Real folders with thousands of ignore files have a tenth of this.
_MOST_BYTES, _MOST_PATTERNS, _MOST_CHARACTERS = 64 * 2**20, 100_000, 512 * 1024
#: Maximum number of patterns with wildcards that one path is compared with, over all ignore files that concern it.
_MOST_WITH_WILDCARDS = 4000
#: A file that was changed less than this many seconds before it was read is read again by the next scan, because a
#: later change may leave the same time.
_SETTLED_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Rules:
    """A pattern list, and how to make a path relative to the directory that the list belongs to."""

    patterns: PatternList
    #: The text to put before a path relative to the folder (for rules of its parents), and the number of characters to
    #: cut off such a path (for rules of directories in the folder).
    prefix: str = ""
    cut: int = 0

    def ignores(self, path: str, name: str, is_directory: bool) -> bool | None:
        if self.prefix or self.cut:
            path = self.prefix + path[self.cut :]
        return self.patterns.ignores(path, name, is_directory)


@dataclass(frozen=True, slots=True)
class Level:
    """The rules for the entries of one directory. In each kind, the strongest rules are first."""

    exclude: tuple[_Rules, ...]
    own: tuple[_Rules, ...]
    git: tuple[_Rules, ...]
    #: The path of the shared data of the repository that the directory belongs to; None without a repository.
    repository: str | None
    #: Whether directories in the directory are too deep, and whether files that may hold secrets are let in.
    is_deepest: bool
    with_secrets: bool

    def reason(self, path: str, name: str, is_directory: bool) -> str | None:
        """Returns why an entry is not a part of the workspace; None if it is a part.

        ``path`` is relative to the folder, ``name`` its last part.
        """
        if name in _CONTROL_DIRECTORIES:
            return IGNORED
        verdict = (
            self._verdict(path, name, is_directory) if path.isascii() else self._verdict_of_bytes(path, is_directory)
        )
        if verdict:
            return IGNORED
        if is_directory:
            if verdict is None and _USUALLY_UNWANTED.ignores(name, name, is_directory):
                return IGNORED
            return TOO_DEEP if self.is_deepest else None
        return None if self.with_secrets or not has_secret_name(path, name) else MAY_HOLD_SECRETS

    def _verdict(self, path: str, name: str, is_directory: bool) -> bool | None:
        for kind in (self.exclude, self.own, self.git):
            for rules in kind:
                verdict = rules.ignores(path, name, is_directory)
                if verdict is not None:
                    return verdict
        return None

    def _verdict_of_bytes(self, path: str, is_directory: bool) -> bool | None:
        path = byte_string(path)
        return self._verdict(path, path.rpartition("/")[2], is_directory)

    @property
    def with_wildcards(self) -> int:
        """The number of patterns with wildcards that an entry is compared with."""
        return sum(rules.patterns.with_wildcards for kind in (self.exclude, self.own, self.git) for rules in kind)


_UNKNOWN = Level((), (), (), None, is_deepest=True, with_secrets=False)


#: Inode, size and times of an ignore file; None if the file may change without changing them.
_State = tuple[int, int, int, int] | None


class _RuleFiles:
    """The patterns of ignore files, each content once. They are read again only if the file changed."""

    def __init__(self, root: str, *, ignore_case: bool) -> None:
        """``root``: the folder, in which no link to an ignore file is followed."""
        self._root, self._ignore_case = root, ignore_case
        #: By path: the state of the file, the digest of its content and its patterns. The second mapping has what was
        #: known before the latest ``begin``.
        self._files: dict[str, tuple[_State, bytes, PatternList]] = {}
        self._former: dict[str, tuple[_State, bytes, PatternList]] = {}
        self._lists: dict[bytes, PatternList] = {}
        self._bytes = self._patterns = self._characters = 0
        #: Files of which some rules do not hold, by path, with the digest of their content.
        self._incomplete: dict[str, bytes] = {}
        self._known_incomplete: dict[str, bytes] = {}

    def begin(self) -> None:
        """Begins to read all files again. What was read before is used if the file did not change."""
        self._former, self._files, self._lists = self._files, {}, {}
        self._known_incomplete, self._incomplete = self._incomplete, {}
        self._bytes = self._patterns = self._characters = 0

    def end(self) -> None:
        """Ends the reading of all files: rules that were dropped only before hold now, or are gone."""
        self._known_incomplete = {}

    def dropped(self) -> dict[str, bytes]:
        """Returns the files of which some rules do not hold, by path; while none is known, those of the scan before."""
        return self._incomplete or self._known_incomplete

    def forget(self, file: str) -> None:
        """Forgets a file, because it changed."""
        self._files.pop(file, None)
        self._former.pop(file, None)

    def read(self, file: str) -> PatternList | None:
        """Returns the patterns of a file that hold; None if there are none."""
        try:
            facts = os.lstat(file)
        except (OSError, ValueError):
            return None
        state = facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
        known = self._files.get(file) or self._former.get(file)
        if known is None or known[0] != state:
            if self._bytes > _MOST_BYTES:
                self.drop(file)
                return None
            content = read_small_file(file, self._root)
            if content is None:
                return None
            digest = hashlib.blake2b(content, digest_size=16).digest()
            settled = time.time() - max(facts.st_mtime, facts.st_ctime) > _SETTLED_SECONDS
            # Another file, or the file before a change, may have had the same content.
            same = known[2] if known and known[1] == digest else self._lists.get(digest)
            patterns = PatternList.of_bytes(content, ignore_case=self._ignore_case) if same is None else same
            known = (state if settled else None), digest, patterns
        self._files[file] = known
        self._bytes += facts.st_size
        if not self._admits(known[1], known[2]):
            self.drop(file)
            return None
        if known[2].dropped:
            self.drop(file)
        return known[2] if len(known[2]) else None

    def _admits(self, digest: bytes, patterns: PatternList) -> bool:
        if digest in self._lists:
            return True
        if self._patterns + len(patterns) > _MOST_PATTERNS or self._characters + patterns.characters > _MOST_CHARACTERS:
            return False
        self._lists[digest] = patterns
        self._patterns += len(patterns)
        self._characters += patterns.characters
        return True

    def drop(self, file: str) -> None:
        """Notes that some rules of a file do not hold. It is counted once, until the file changes."""
        known = self._files.get(file)
        digest = known[1] if known else b""
        if file not in self._incomplete:
            self._incomplete[file] = digest
            if self._known_incomplete.get(file) != digest:
                limits.hit(Limit.IGNORE_RULES)


class IgnoreRules:
    """The ignore rules of a workspace folder, for scanning as well as for watching it.

    They also leave out what is nested too deep, and files that are likely to hold secrets. Paths are relative to the
    folder and written with ``/``. The rules of a directory are kept until `forget`. Safe to use from several threads;
    never raises.
    """

    def __init__(
        self,
        root: Path,
        *,
        exclude: Sequence[str] = (),
        left_out: Iterable[Path] = (),
        git: GitSettings | None = None,
        max_depth: int = Settings().max_depth,
        index_secrets: bool = False,
    ) -> None:
        """``left_out`` are directories that are never included, for example our own data."""
        self._root = os.path.realpath(root)
        below = self._root.rstrip("/") + "/"
        real = (os.path.realpath(path) for path in left_out)
        # Links are not followed, so a directory has no other path in the folder.
        self._left_out = frozenset(path[len(below) :] for path in real if path.startswith(below))
        self._max_depth, self._index_secrets = max_depth, index_secrets
        settings = git_settings(self._root) if git is None else git
        ignore_case = settings.ignore_case
        self._everywhere = PatternList.of_bytes(settings.global_excludes, ignore_case=ignore_case)
        self._exclude = PatternList.of_lines(exclude, ignore_case=ignore_case)
        self._files = _RuleFiles(self._root, ignore_case=ignore_case)
        self._levels: dict[str, Level | None] = {}
        if self._exclude.dropped or self._everywhere.dropped:
            limits.hit(Limit.IGNORE_RULES)

    @property
    def problem(self) -> str | None:
        """Which rules do not hold because there are too many, in words for the user; None if all hold."""
        count = len(incomplete := self._files.dropped())
        first = f"`{os.path.relpath(next(iter(incomplete), ''), self._root)}`" if count else ""
        for name, patterns in (("git's global excludes", self._everywhere), ("`exclude`", self._exclude)):
            if patterns.dropped:
                count, first = count + 1, name
        if not count:
            return None
        others = f" and {count - 1} more" if count > 1 else ""
        return f"Some ignore rules are too long or too many and have no effect: {first}{others}."

    def allows(self, path: str, is_directory: bool) -> bool:
        """Decides whether a file or directory is part of the workspace. The folder itself, ``""``, always is."""
        return self.reason(path, is_directory) is None

    def reason(self, path: str, is_directory: bool) -> str | None:
        """Returns why a file or directory is not part of the workspace; None if it is a part."""
        if not path:
            return None
        parent, _, name = path.rpartition("/")
        level = self.level(parent)
        return IGNORED if level is None else level.reason(path, name, is_directory)

    def forget(self, path: str | None = None) -> bool:
        """Forgets the rules that concern a changed path, so that they are read again.

        Without a path, forgets all rules; the files that did not change are not read again.

        Returns whether the rules of other paths may have changed, so that the directory of the path needs a scan.
        """
        if path is None:
            self._levels.clear()
            self._files.begin()
            return True
        directory, _, name = path.rpartition("/")
        decides = name in IGNORE_FILES or name == ".git"
        if decides:
            self._files.forget(f"{self._root}/{path}")
        else:
            directory = path
        if directory in self._levels or decides:
            below = directory + "/" if directory else ""
            for known in list(self._levels):
                if known == directory or known.startswith(below):
                    self._levels.pop(known, None)
        return decides

    def all_read(self) -> None:
        """Ends a scan of the whole folder, which began with `forget` and has read the rules of every directory."""
        self._files.end()

    def level(self, directory: str) -> Level | None:
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

    def _below(self, above: Level, path: str) -> Level | None:
        if path in self._left_out or above.reason(path, path.rpartition("/")[2], is_directory=True) is not None:
            return None
        absolute = f"{self._root}/{path}"
        # A symbolic link leads out of the folder, or to files that are found at their real path anyway.
        if os.path.islink(absolute):  # noqa: PTH114 - hot: Path costs more than the call
            return None
        here = len(byte_string(path)) + 1
        git, repository = above.git, above.repository
        nested = common_directory(absolute) if os.path.lexists(f"{absolute}/.git") else None
        if nested is not None:
            if nested == repository:
                return None  # another worktree of this repository: the same files once more
            git, repository = self._of_repository(nested, cut=here), nested
        room = _MOST_WITH_WILDCARDS - above.with_wildcards
        own = self._read(f"{absolute}/.conexusignore", cut=here, room=room)
        room -= sum(rules.patterns.with_wildcards for rules in own)
        return Level(
            above.exclude,
            own + above.own,
            self._read(f"{absolute}/.gitignore", cut=here, room=room) + git,
            repository,
            is_deepest=path.count("/") + 1 >= self._max_depth,
            with_secrets=self._index_secrets,
        )

    def _top(self) -> Level:
        work_tree = enclosing_work_tree(self._root)
        repository = common_directory(work_tree) if work_tree else None
        above = self._of_parents(work_tree, repository) if work_tree and repository else None
        return Level(
            (_Rules(self._exclude),) if len(self._exclude) else (),
            self._read(f"{self._root}/.conexusignore"),
            self._read(f"{self._root}/.gitignore") + (self._of_repository(None) if above is None else above),
            repository,
            is_deepest=self._max_depth < 1,
            with_secrets=self._index_secrets,
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
        return (*excludes, _Rules(self._everywhere, prefix, cut)) if len(self._everywhere) else excludes

    def _read(
        self, file: str, *, prefix: str = "", cut: int = 0, room: int = _MOST_WITH_WILDCARDS
    ) -> tuple[_Rules, ...]:
        """Returns the rules of a file; none if it has more patterns with wildcards than there is ``room`` for."""
        patterns = self._files.read(file)
        if patterns is None:
            return ()
        if patterns.with_wildcards > room:
            self._files.drop(file)
            return ()
        return (_Rules(patterns, prefix, cut),)
