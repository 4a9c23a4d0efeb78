"""Random patterns and paths: our answers are git's."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conexus.workspace.ignore import IgnoreRules
from conexus.workspace.repository import GitSettings

NAMES = ["a", "ab", "b.c", "B", "é", "-]", "!a", "a "]
PIECES = st.sampled_from(
    [
        *"aabbc./**??!-]^ #\\",
        "**",
        "**/",
        "/**",
        "[a-b]",
        "[!a]",
        "[^b]",
        "[]-]",
        "[[:alpha:]]",
        "[z-a]",
        "[a",
        "ab",
        "é",
        "a/",
    ]
)
PATTERNS = st.lists(PIECES, min_size=1, max_size=5).map("".join)
FILES = st.lists(PATTERNS, max_size=5).map("\n".join)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which every name is a file of one directory and every other one a directory of files."""
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "--quiet", root], check=True)
    for first, second in itertools.product(NAMES[::2], NAMES[1::2]):
        for directory in (root, root / first, root / first / second):
            directory.mkdir(exist_ok=True)
            for name in NAMES:
                if not (directory / name).exists() and (directory / name).parent == directory:
                    if directory == root and name in NAMES[::2]:
                        continue
                    if directory == root / first and name in NAMES[1::2]:
                        continue
                    (directory / name).touch()
    return root


def paths_of(root: Path) -> Iterator[str]:
    for directory, directories, files in os.walk(root):
        directories[:] = [name for name in directories if name != ".git"]
        for name in (*directories, *files):
            yield Path(directory, name).relative_to(root).as_posix()


def ignored_by_git(root: Path, paths: list[str], *options: str) -> set[str]:
    answer = subprocess.run(
        ["git", *options, "check-ignore", "--no-index", "-z", "--stdin"],
        cwd=root,
        input=os.fsencode("\0".join(paths)),
        capture_output=True,
        check=False,
    )
    assert answer.returncode in (0, 1), answer.stderr
    return set(os.fsdecode(answer.stdout).split("\0")) - {""}


@given(FILES, FILES, st.booleans())
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_patterns_are_answered_as_by_git(tree: Path, top: str, nested: str, ignore_case: bool) -> None:
    (tree / ".gitignore").write_text(top, encoding="utf-8")
    (tree / "a" / ".gitignore").write_text(nested, encoding="utf-8")
    paths = sorted(paths_of(tree))
    rules = IgnoreRules(tree, git=GitSettings(ignore_case=ignore_case))
    ours = {path for path in paths if not rules.allows(path, (tree / path).is_dir())}
    git = ignored_by_git(tree, paths, "-c", f"core.ignorecase={ignore_case}", "-c", f"core.excludesfile={os.devnull}")
    assert ours == git
