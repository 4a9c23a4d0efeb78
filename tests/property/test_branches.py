"""Whatever is done with branches, the index ends equal to one that is made afresh."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.repositories import changed_between, commit, git
from tests.workspaces import PATIENCE, lexical, rows, running, snapshot_of, write
from tests.workspaces import OneClient as Engine

NAMES = ("one.py", "One.py", "tool", "tool/one.py", "tool/deep/two.go", ".gitignore", "ignored/three.py", "späße.md")
TEXTS = (
    "def alpha():\n    return beta()\n",
    "def gamma():\n    return beta()\n",  # of the same length
    "# Title\n\nSome prose.\n",
    "ignored/\n",
    "\x00binary",
    "",
)
BRANCHES = ("one", "two", "three")

contents = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(TEXTS), max_size=len(NAMES))
operations = st.one_of(
    st.tuples(st.just("switch"), st.sampled_from(BRANCHES)),
    st.tuples(st.just("commit"), contents),
    st.tuples(st.just("reset")),
    st.tuples(st.just("settle")),
)


class Repository:
    """A repository with three branches, and the editor that reports what git did to the files."""

    def __init__(self, root: Path, engine: Engine) -> None:
        self.root, self.engine = root, engine

    def apply(self, operation: tuple[object, ...]) -> None:
        before = git(self.root, "rev-parse", "HEAD").strip()
        match operation:
            case ["switch", str(branch)]:
                git(self.root, "checkout", "--quiet", "--force", branch)
            case ["commit", dict(files)]:
                replace(self.root, files)
                commit(self.root, "more")
            case ["reset"]:
                git(self.root, "reset", "--quiet", "--hard", "start")
            case ["settle"]:
                assert self.engine.wait(PATIENCE), self.engine.status()
        changed = changed_between(self.root, before, "HEAD")
        self.engine.hint([self.root / path for path in changed])


def replace(root: Path, files: dict[str, str]) -> None:
    """The folder has these files and no others."""
    git(root, "rm", "-r", "--quiet", "--force", "--ignore-unmatch", ".")
    for path, text in files.items():
        clash = (root / path).is_dir() or any((root / parent).is_file() for parent in Path(path).parents)
        if not clash:
            write(root, {path: text})


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(contents, min_size=3, max_size=3), st.lists(operations, max_size=8))
def test_any_branches_leave_the_index_equal_to_a_fresh_one(
    branches: list[dict[str, str]], steps: list[tuple[object, ...]]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory, "work")
        root.mkdir()
        git(root, "init", "--quiet", "--initial-branch", "one")
        for branch, files in zip(BRANCHES, branches, strict=True):
            git(root, "checkout", "--quiet", "--orphan", branch)
            replace(root, files)
            commit(root, branch)
        git(root, "tag", "start")
        with running(root, Path(directory, "data")) as engine:
            repository = Repository(root, engine)
            for step in steps:
                repository.apply(step)
            assert engine.wait(PATIENCE), engine.status()
            found, words = rows(snapshot_of(engine)), lexical(snapshot_of(engine))
        with running(root, Path(directory, "fresh")) as fresh:
            assert found == rows(snapshot_of(fresh))
            assert words == lexical(snapshot_of(fresh))
