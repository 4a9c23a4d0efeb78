"""The ignore rules, compared with git where git has an answer."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from conexus.workspace.gitignore import PatternList, byte_string
from conexus.workspace.ignore import IgnoreRules
from conexus.workspace.repository import GitSettings, git_settings


def write(root: Path, files: dict[str, str]) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8", newline="")


def git(root: Path, *arguments: str, given: str = "") -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    answer = subprocess.run(
        ["git", *identity, *arguments], cwd=root, input=os.fsencode(given), capture_output=True, check=False
    )
    assert answer.returncode in (0, 1), answer.stderr
    return os.fsdecode(answer.stdout)


def repository(root: Path, files: dict[str, str]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "--quiet", "--initial-branch=main")
    write(root, files)
    return root


def paths_below(root: Path, most: int = 100_000) -> list[str]:
    found: list[str] = []
    for directory, directories, files in os.walk(root):
        directories[:] = sorted(name for name in directories if name != ".git")
        found += [Path(directory, name).relative_to(root).as_posix() for name in (*directories, *files)]
        if len(found) > most:
            break
    return found


def ignored_by_git(root: Path, paths: list[str]) -> set[str]:
    answer = git(root, "check-ignore", "--no-index", "-z", "--stdin", given="\0".join(paths))
    return set(answer.split("\0")) - {""}


def ignored_by_us(root: Path, paths: list[str]) -> set[str]:
    rules = IgnoreRules(root)
    return {path for path in paths if not rules.allows(path, (root / path).is_dir())}


TRICKY = {
    ".gitignore": "\n".join(
        [
            "\ufeff# a comment after a byte order mark",
            "*.log",
            "!keep.log",
            "/anchored",
            "build/",
            "docs/*.html",
            "docs/**/secret",
            "**/deep/leaf",
            "tail/**",
            "trailing   ",
            "escaped\\ ",
            "\\#hash",
            "\\!bang",
            "class[0-9].txt",
            "not[!a-c].txt",
            "bracket[]-]x",
            "digit[[:digit:]]",
            "wrong[[:nonsense:]]",
            "open[bracket",
            "qu?stion",
            "sla/sh?ed",
            "é*",
            "star\\*",
            "out/*",
            "!out/in",
            "excluded",
            "!excluded/again.txt",
            "windows\r",
            "foo**/bar",
            "reverse[z-a]",
            "end\\",
            "tab\t",
            "/",
            "!",
        ]
    ),
    "sub/.gitignore": "!special.log\n*.md\n/here\n",
    "sub/below/.gitignore": "!*.md\n",
}
TRICKY_PATHS = [
    "a.log",
    "keep.log",
    "x/a.log",
    "x/keep.log",
    "anchored",
    "x/anchored",
    "build/a",
    "x/build/a",
    "y/build",
    "docs/a.html",
    "docs/x/a.html",
    "docs/x/y/secret",
    "docs/secret",
    "deep/leaf",
    "x/deep/leaf",
    "x/deep/other",
    "tail/a",
    "tail/b/c",
    "trailing",
    "#hash",
    "!bang",
    "class1.txt",
    "classx.txt",
    "nota.txt",
    "notd.txt",
    "bracket]x",
    "bracket-x",
    "bracketax",
    "digit1",
    "digitx",
    "wrong1",
    "open[bracket",
    "question",
    "qustion",
    "sla/sh/ed",
    "sla/shxed",
    "qu/stion",
    "éa",
    "star*",
    "stars",
    "out/a",
    "out/in/b",
    "excluded/again.txt",
    "excluded/b",
    "windows",
    "foo/bar",
    "foox/bar",
    "foo/x/bar",
    "foobar",
    "reverse[z-a]",
    "reverser",
    "end",
    "end\\",
    "sub/special.log",
    "sub/a.log",
    "sub/a.md",
    "sub/below/a.md",
    "sub/here",
    "sub/below/here",
    "plain.py",
    "sub/plain.py",
]


def test_tricky_patterns_are_answered_as_by_git(tmp_path: Path) -> None:
    root = repository(tmp_path, {**TRICKY, **dict.fromkeys([*TRICKY_PATHS, "escaped ", "tab\t", "tab"], "")})
    write(root, {".git/info/exclude": "plain.py\n!keep.log\n*.txt\n"})
    paths = paths_below(root)
    ignored = ignored_by_git(root, paths)
    assert 30 < len(ignored) < len(paths) - 30  # the tree decides something
    assert ignored_by_us(root, paths) == ignored


def test_a_real_checkout_is_answered_as_by_git() -> None:
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        pytest.skip("not a checkout")
    paths = paths_below(root, most=5000)
    unwanted = ("node_modules", ".venv", "__pycache__", ".git")  # the last one is a file in a worktree
    assert ignored_by_us(root, paths) - ignored_by_git(root, paths) <= {
        path for path in paths if any(part in unwanted for part in path.split("/"))
    }
    assert ignored_by_git(root, paths) <= ignored_by_us(root, paths)


def test_a_sub_folder_of_a_repository_obeys_the_rules_above_it(tmp_path: Path) -> None:
    root = repository(
        tmp_path / "r",
        {
            ".gitignore": "*.log\n/a/b/x\nb/c\n!a/b/keep.log\n",
            "a/.gitignore": "b/y\n",
            **dict.fromkeys(["a/b/x", "a/b/y", "a/b/z", "a/b/c", "a/b/keep.log", "a/b/drop.log", "a/b/d/x"], ""),
        },
    )
    (root / ".git/info/exclude").write_text("/a/b/z\n")
    paths = paths_below(root / "a/b")
    ignored = ignored_by_us(root / "a/b", paths)
    assert ignored == ignored_by_git(root / "a/b", paths) == {"x", "y", "z", "drop.log"}


def test_an_opened_folder_that_is_ignored_itself_is_searched(tmp_path: Path) -> None:
    home = repository(tmp_path / "home", {".gitignore": "*\n", "project/.gitignore": "*.log\n"})
    named = repository(tmp_path / "named", {".gitignore": "*.py\n/in/it\n", "in/it/.gitignore": "*.log\n"})
    for folder in (home / "project", named / "in" / "it"):
        rules = IgnoreRules(folder)
        assert rules.allows("main.py", False)
        assert not rules.allows("a.log", False)
    assert not IgnoreRules(named / "in").allows("main.py", False)


def test_global_excludes_come_from_git_or_its_default_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository(tmp_path / "r", {})
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    write(tmp_path, {"config/git/ignore": "*.default\n", "mine": "*.mine\n", "gitconfig": ""})
    assert not IgnoreRules(root).allows("a.default", False)
    (tmp_path / "gitconfig").write_text("[core]\n\texcludesFile = ~/mine\n\tignoreCase = true\n")
    rules = IgnoreRules(root)
    assert rules.allows("a.default", False)
    assert not rules.allows("a.mine", False)
    assert not rules.allows("a.MINE", False)


def test_without_git_its_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    write(tmp_path, {"git/ignore": "*.x\n"})
    assert git_settings(str(tmp_path)) == GitSettings(b"*.x\n", ignore_case=False)


def test_our_own_rules_are_stronger_than_gits(tmp_path: Path) -> None:
    root = repository(
        tmp_path,
        {
            ".gitignore": "*.gen\nbuild/\nvendor/\n",
            "sub/.gitignore": "*.py\n",
            ".conexusignore": "!*.gen\n!build/\n*.secret\n",
            "sub/.conexusignore": "!a.secret\n",
        },
    )
    rules = IgnoreRules(root, exclude=["*.min.js", "!vendor", "x.gen"])
    assert rules.allows("a.gen", False)
    assert rules.allows("build/a.py", False)
    assert rules.allows("vendor/a.py", False)
    assert rules.allows("sub/a.secret", False)
    assert not rules.allows("a.secret", False)
    assert not rules.allows("x.gen", False)
    assert not rules.allows("sub/a.py", False)
    assert not rules.allows("lib/a.min.js", False)


def test_dependencies_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    assert not IgnoreRules(tmp_path).allows("node_modules/a/index.js", False)
    assert not IgnoreRules(tmp_path).allows("sub/__pycache__/x.pyc", False)
    assert IgnoreRules(tmp_path, exclude=["!node_modules"]).allows("node_modules/a/index.js", False)


def test_version_controls_own_data_is_never_let_in(tmp_path: Path) -> None:
    rules = IgnoreRules(tmp_path, exclude=["!.git", "!*"])
    for path in (".git/config", "sub/.git", ".hg/x", "sub/.svn/x"):
        assert not rules.allows(path, False)
    assert rules.allows(".github/workflows/ci.yml", False)


def test_our_data_directory_is_never_let_in(tmp_path: Path) -> None:
    (tmp_path / "data" / "index").mkdir(parents=True)
    rules = IgnoreRules(tmp_path, exclude=["!*"], left_out=[tmp_path / "data" / "index"])
    assert rules.allows("data/file", False)
    assert not rules.allows("data/index/file", False)


def test_worktrees_are_left_out_and_submodules_let_in(tmp_path: Path) -> None:
    library = repository(tmp_path / "library", {"lib.py": "", "skip.tmp": ""})
    git(library, "add", ".")
    git(library, "commit", "--quiet", "--message=one")
    root = repository(tmp_path / "r", {"a.py": "", ".gitignore": "*.txt\n"})
    git(root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "module")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message=one")
    git(root, "worktree", "add", "--quiet", "trees/other")
    (root / ".git/modules/module/info/exclude").write_text("*.tmp\n")
    rules = IgnoreRules(root)
    assert (root / "trees/other/a.py").exists()
    assert not rules.allows("trees/other/a.py", False)
    assert rules.allows("trees/a.py", False)
    assert rules.allows("module/lib.py", False)
    assert not rules.allows("module/skip.tmp", False)
    assert rules.allows("module/notes.txt", False)  # the outer repository's rules end at the inner one
    # From inside the worktree, it is an ordinary folder that knows the shared excludes.
    (root / ".git/info/exclude").write_text("*.shared\n")
    inside = IgnoreRules(root / "trees/other")
    assert inside.allows("a.py", False)
    assert not inside.allows("b.shared", False)


def test_what_lies_behind_a_symlink_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, {"real/a.py": ""})
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "loop").symlink_to(".")
    rules = IgnoreRules(tmp_path)
    assert rules.allows("real/a.py", False)
    assert not rules.allows("link/a.py", False)
    assert not rules.allows("loop/loop/real/a.py", False)


def test_a_changed_ignore_file_counts_once_it_is_forgotten(tmp_path: Path) -> None:
    rules = IgnoreRules(tmp_path)
    assert rules.allows("sub/deep/a.log", False)
    write(tmp_path, {"sub/.gitignore": "*.log\n"})
    assert not rules.forget("sub/other.py")
    assert rules.allows("sub/deep/a.log", False)
    assert rules.forget("sub/.gitignore")
    assert not rules.allows("sub/deep/a.log", False)
    (tmp_path / "sub/.gitignore").unlink()
    rules.forget()
    assert rules.allows("sub/deep/a.log", False)


def test_a_directory_that_became_a_symlink_counts_once_it_is_forgotten(tmp_path: Path) -> None:
    write(tmp_path, {"a/x.py": ""})
    rules = IgnoreRules(tmp_path)
    assert rules.allows("a/x.py", False)
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "a").symlink_to("b")
    assert not rules.forget("a")
    assert not rules.allows("a/x.py", False)


def test_odd_ignore_files_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / ".gitignore")
    (tmp_path / "directory" / ".gitignore").mkdir(parents=True)
    (tmp_path / "link").mkdir()
    (tmp_path / "everything").write_text("*\n")
    (tmp_path / "link" / ".gitignore").symlink_to("../everything")
    (tmp_path / "binary").mkdir()
    (tmp_path / "binary" / ".gitignore").write_bytes(bytes(range(256)) * 10)
    for name, pointer in {"nul": b"gitdir: a\0b", "long": b"gitdir: " + b"x/" * 9000, "junk": b"\xff" * 99}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / ".git").write_bytes(pointer)
    rules = IgnoreRules(tmp_path)
    for directory in ("pipe", "directory", "link", "binary", "gone", "nul", "long", "junk"):
        assert rules.allows(f"{directory}/main.py", False)
    assert IgnoreRules(tmp_path, max_depth=3000).allows("/".join(["deep"] * 3000), False)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [("*a" * 30 + "b", "a" * 250), ("**/a/" * 12 + "b", "a/" * 800 + "c"), ("[a-z]*" * 30 + "!", "a" * 250)],
)
def test_hostile_patterns_take_no_time(pattern: str, path: str) -> None:
    begin = time.perf_counter()
    assert PatternList.of_lines([pattern]).ignores(path, path.rpartition("/")[2], False) is None
    assert time.perf_counter() - begin < 2


def test_names_that_are_not_utf8_are_compared_byte_by_byte() -> None:
    patterns = PatternList.of_bytes(b"a\xff\n??.x\n")
    name = os.fsdecode(b"a\xff")
    assert patterns.ignores(os.fsencode(name).decode("latin-1"), os.fsencode(name).decode("latin-1"), False)


def test_a_name_that_no_file_can_have_is_matched_all_the_same() -> None:
    """An editor's buffer may be called anything."""
    assert byte_string("untitled:\ud800 \udcff") == byte_string("untitled:\ud800 \udcff")
