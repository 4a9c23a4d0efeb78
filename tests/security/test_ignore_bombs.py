"""Ignore rules and filters have budgets: what strangers and clients send costs little, and what is dropped is said."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from conexus import limits
from conexus.config import Settings
from conexus.limits import Limit
from conexus.search import scope as scopes
from conexus.search.operators import parse_operators
from conexus.search.scope import scope_of
from conexus.values import BadQuery, Cancelled, CancelToken, Filters
from conexus.workspace import ignore
from conexus.workspace.gitignore import MOST_BYTES, PatternList
from conexus.workspace.ignore import TOO_DEEP, IgnoreRules
from conexus.workspace.repository import GitSettings
from conexus.workspace.scan import Scan, scan
from tests.fixtures import snapshot
from tests.workspaces import running, write

M = 4 * 2**20
BOMBS = {
    "letters": b"b\nc\nd\n" * (M // 6),
    "distinct": b"".join(b"q%x\n" % each for each in range(M // 7)),
    "brackets": (b"[!a-z]" * 100 + b"\n") * (M // 601),
    "short brackets": (b"[!a-z]" * 60 + b"\n") * (M // 361),
    "wild": b"".join(b"q%x?*z\n" % each for each in range(M // 10)),
    "stars": b"".join(b"**/*a*a*a*a*a*%x\n" % each for each in range(M // 22)),
    "one line": b"*a" * (M // 2) + b"b\n",
    "slashes": b"**/" * (M // 3) + b"b\n",
    "escapes": b"\\a" * (M // 2),
    "spaces": b"a" + b" " * M,
    "negations": b"!a*b\na*b\n" * (M // 9),
}
GIT, DEFAULT = GitSettings(), Settings()


@pytest.fixture
def counted() -> Callable[[], int]:
    """Returns how often the limit of ignore rules acted since the test began."""
    before = limits.counts().get(Limit.IGNORE_RULES, 0)
    return lambda: limits.counts().get(Limit.IGNORE_RULES, 0) - before


def scanned(root: Path, rules: IgnoreRules | None = None, settings: Settings = DEFAULT) -> Scan:
    return scan(root, rules or IgnoreRules(root, git=GIT, max_depth=settings.max_depth), settings)


def paths(found: Scan) -> set[str]:
    return {entry.path for entry in found.entries}


@pytest.mark.parametrize("bomb", BOMBS)
def test_an_ignore_file_costs_no_more_than_its_budget(bomb: str) -> None:
    patterns = PatternList.of_bytes(BOMBS[bomb])
    assert patterns.dropped
    assert len(patterns) <= 20_000
    assert patterns.with_wildcards <= 2_000
    assert patterns.characters <= 64 * 1024
    for name in ("a" * 250, "b", "qa?*z", "a" * 40 + "/b"):
        patterns.ignores(name, name.rpartition("/")[2], is_directory=False)


def test_the_first_rules_of_too_large_a_file_hold() -> None:
    patterns = PatternList.of_bytes(b"first\n*.log\n" + BOMBS["distinct"] + b"last\n")
    assert patterns.ignores("first", "first", is_directory=False)
    assert patterns.ignores("a.log", "a.log", is_directory=False)
    assert patterns.ignores("last", "last", is_directory=False) is None
    # A line that the limit of bytes cuts is dropped as a whole.
    cut = PatternList.of_bytes(b"#" * (MOST_BYTES - 4) + b"\nabcdef\n")
    assert not len(cut)
    assert cut.dropped == 1


def test_a_pattern_over_the_budget_is_dropped_and_the_others_hold() -> None:
    patterns = PatternList.of_lines(["*a" * 100, "x" * 5000, "*.log", "b"])
    assert patterns.dropped == 2
    assert patterns.ignores("x.log", "x.log", is_directory=False)
    assert patterns.ignores("b", "b", is_directory=False)


def test_the_largest_real_files_are_within_the_budget() -> None:
    """Ten times what the largest templates of GitHub have, hashes as long as they get, long lists of names."""
    lines = [f"[Bb]uild{each}[Ll]og/*.[Cc]ache?" for each in range(1500)]
    lines += ["[0-9a-f]" * 64, *(f"data/part-{each}.bin" for each in range(15_000))]
    assert not PatternList.of_lines(lines).dropped


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_folder_with_a_bomb_is_scanned_and_it_is_said_once(
    bomb: str, tmp_path: Path, counted: Callable[[], int]
) -> None:
    write(tmp_path, {f"src/m{each}.py": "" for each in range(5)})
    (tmp_path / ".gitignore").write_bytes(BOMBS[bomb])
    rules = IgnoreRules(tmp_path, git=GIT)
    assert rules.problem is None
    for _ in range(3):
        assert len(scanned(tmp_path, rules).entries) == 5  # the ignore file itself is too large
        assert counted() == 1
        assert rules.problem == "Some ignore rules are too long or too many and have no effect: `.gitignore`."
    rules.forget()
    assert rules.problem is not None  # it does not come and go with every scan
    (tmp_path / ".gitignore").write_text("*.log\n")
    scanned(tmp_path, rules)
    assert rules.problem is None


def test_equal_ignore_files_are_parsed_once_and_only_after_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[int] = []
    real = PatternList.of_bytes.__func__  # type: ignore[attr-defined]  # a classmethod has it

    def of_bytes(cls: type[PatternList], content: bytes, *, ignore_case: bool = False) -> PatternList:
        parsed.append(len(content))
        return real(cls, content, ignore_case=ignore_case)  # type: ignore[no-any-return]

    monkeypatch.setattr(PatternList, "of_bytes", classmethod(of_bytes))
    for each in range(60):
        write(tmp_path, {f"d{each}/.gitignore": "*.log\n", f"d{each}/a.py": "", f"d{each}/a.log": ""})
        os.utime(tmp_path / f"d{each}" / ".gitignore", (1, 1))
    monkeypatch.setattr(ignore, "_SETTLED_SECONDS", -1.0)
    rules = IgnoreRules(tmp_path, git=GIT)
    parsed.clear()
    for _ in range(3):
        assert len(scanned(tmp_path, rules).entries) == 120
    assert parsed == [6]
    write(tmp_path, {"d7/.gitignore": "*.py\n"})
    assert "d7/a.py" not in paths(scanned(tmp_path, rules))
    assert parsed == [6, 5]


def test_an_ignore_file_that_was_just_written_is_read_again(tmp_path: Path) -> None:
    """A second change within the resolution of the file system's clock leaves the same state."""
    write(tmp_path, {".gitignore": "*.py\n", "a.py": "", "b.rs": ""})
    rules = IgnoreRules(tmp_path, git=GIT)
    assert "a.py" not in paths(scanned(tmp_path, rules))
    before = (tmp_path / ".gitignore").stat()
    (tmp_path / ".gitignore").write_text("*.rs\n")
    os.utime(tmp_path / ".gitignore", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "b.rs" not in paths(scanned(tmp_path, rules))


def test_all_ignore_files_together_have_a_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: Callable[[], int]
) -> None:
    monkeypatch.setattr(ignore, "_MOST_PATTERNS", 10)
    for each in range(5):
        write(tmp_path, {f"d{each}/.gitignore": f"*.x{each}\na\nb\nc\n", f"d{each}/a": ""})
    rules = IgnoreRules(tmp_path, git=GIT)
    for _ in range(2):
        assert len([path for path in paths(scanned(tmp_path, rules)) if path.endswith("/a")]) == 3
        assert counted() == 3
    assert "and 2 more" in str(rules.problem)


def test_the_bytes_of_all_ignore_files_have_a_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ignore, "_MOST_BYTES", 20)
    for each in range(5):
        write(tmp_path, {f"d{each}/.gitignore": f"*.a{each}\na\n#\n", f"d{each}/a": ""})
    found = scanned(tmp_path)
    assert 0 < len([path for path in paths(found) if path.endswith("/a")]) < 5


def test_a_path_is_compared_with_a_limited_number_of_wildcards(tmp_path: Path, counted: Callable[[], int]) -> None:
    directory = tmp_path
    for level in range(8):
        directory = directory / f"d{level}"
        write(directory, {".gitignore": "".join(f"*{level}a{each}*z\n" for each in range(1500)), "a.py": ""})
    assert len(scanned(tmp_path).entries) == 16
    assert counted() == 8 - 2


def test_too_long_a_list_in_conexus_toml_is_dropped_and_said(tmp_path: Path, counted: Callable[[], int]) -> None:
    rules = IgnoreRules(tmp_path, exclude=["*a" * 100, "*.log"], git=GIT)
    assert not rules.allows("x.log", False)
    assert counted() == 1
    assert "`exclude`" in str(rules.problem)


def test_the_status_tells_of_dropped_rules(tmp_path: Path) -> None:
    write(tmp_path / "work", {"a.py": "x = 1\n"})
    (tmp_path / "work" / ".gitignore").write_bytes(BOMBS["stars"])
    with running(tmp_path / "work", tmp_path / "data") as engine:
        status = engine.status()
        assert status.health == "warning"
        assert "ignore rules" in status.message
        assert status.limits[Limit.IGNORE_RULES] > 0


# --- depth ---


def test_a_deep_tree_takes_linear_time_with_a_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each directory costs a fixed number of calls of the system, whatever its depth."""
    deep = tmp_path / "/".join("d" * 500)
    deep.mkdir(parents=True)
    write(deep, {"a.py": "", "b.py": ""})
    calls = 0
    real = os.lstat

    def counting(*arguments: object, **options: object) -> os.stat_result:
        nonlocal calls
        calls += 1
        return real(*arguments, **options)  # type: ignore[arg-type]

    settings = Settings(max_depth=10_000)
    rules = IgnoreRules(tmp_path, left_out=[tmp_path / "data" / "indexes"], git=GIT, max_depth=10_000)
    monkeypatch.setattr(os, "lstat", counting)
    assert len(scanned(tmp_path, rules, settings).entries) == 2
    assert 0 < calls < 500 * 8


def test_what_is_nested_too_deep_is_left_out_and_counted(tmp_path: Path) -> None:
    write(tmp_path, {"a/b/c/in.py": "", "a/b/c/d/out.py": "", "a/b/c/e/f/out.py": ""})
    settings = Settings(max_depth=3)
    found = scanned(tmp_path, settings=settings)
    assert paths(found) == {"a/b/c/in.py"}
    assert found.skipped == {TOO_DEEP: 2}
    rules = IgnoreRules(tmp_path, git=GIT, max_depth=3)
    assert not rules.allows("a/b/c/e/f/out.py", False)
    assert scan(tmp_path, rules, settings, below="a/b/c/d").skipped == {TOO_DEEP: 1}


def test_what_is_nested_too_deep_is_counted_in_the_status_once(tmp_path: Path) -> None:
    write(tmp_path / "work", {"a/b/in.py": "x = 1\n", "a/b/c/out.py": "x = 1\n"})
    before = limits.counts().get(Limit.DEPTH, 0)
    with running(tmp_path / "work", tmp_path / "data", max_depth=2) as engine:
        assert engine.status().files == 1
        assert engine.status().folders[0].skipped == {TOO_DEEP: 1}
        engine.reindex()
        assert engine.wait(60)
        assert limits.counts()[Limit.DEPTH] == before + 1


# --- filters of a request ---

FILES = {f"src/{'a' * 100}{each}.py": "def f():\n    pass\n" for each in range(40)}


@pytest.mark.parametrize(
    "filters",
    [
        Filters(include=("*.py",) * 101),
        Filters(exclude=tuple(f"q{each}" for each in range(100_000))),
        Filters(languages=("python",) * 60, kinds=("function",) * 60),
        Filters(include=("*a" * 100_000,)),
        Filters(include=("*.py",), exclude=("x" * 9_000, "y" * 1_000)),
    ],
)
def test_filters_over_the_limit_are_refused_with_a_sentence(filters: Filters) -> None:
    before = limits.counts().get(Limit.REQUEST_FILTERS, 0)
    with pytest.raises(BadQuery, match="at most 100 filters, with 10000 characters together"):
        scope_of(snapshot({"a.py": "x = 1\n"}), filters)
    assert limits.counts()[Limit.REQUEST_FILTERS] == before + 1


@pytest.mark.parametrize("pattern", ["*a" * 70, "x" * 5000 + "*", "[!a]" * 70])
def test_a_pattern_that_costs_too_much_is_refused_and_named(pattern: str) -> None:
    for filters in (Filters(include=(pattern,)), Filters(exclude=("*.py", pattern))):
        with pytest.raises(BadQuery, match="too long or has too many wildcards"):
            scope_of(snapshot({"a.py": "x = 1\n"}), filters)
    with pytest.raises(BadQuery, match="too long or has too many wildcards"):
        scope_of(snapshot({"a.py": "x = 1\n"}), Filters(), parse_operators(f"path:{pattern}")[0])


def test_operators_of_a_query_have_the_same_limits() -> None:
    for text in ("path:a " * 101, "lang:" + "python," * 101, "-path:" + "x" * 10_001, "kind:function " * 5_000):
        with pytest.raises(BadQuery, match="at most 100 filters"):
            parse_operators(text)
    assert len(parse_operators("path:a " * 100)[0].paths) == 100


def test_a_request_with_filters_can_be_cancelled_while_they_are_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "_CHECK_SECONDS", -1.0)
    token = CancelToken()
    calls: list[int] = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 3:
            token.cancel()
        token.check()

    patterns = tuple(f"*a*a*a*{each}x" for each in range(100))
    now = snapshot(FILES)
    with pytest.raises(Cancelled):
        scope_of(now, Filters(include=patterns), check=check)
    assert len(calls) == 3
    # What was derived before is not taken for the whole.
    assert not scope_of(now, Filters(include=patterns)).filter_mask.any()
    assert scope_of(now, Filters(include=("*.py", *patterns[1:]))).filter_mask.all()
