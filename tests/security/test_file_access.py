"""Each call of the file system in `workspace/` and `storage/` is one of a list, with the reason why it is safe."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import conexus

PACKAGE = Path(conexus.__file__).parent

#: Functions of modules that ask the file system.
MODULES = {
    "os": "access chmod link listdir lstat makedirs mkdir mkfifo open readlink remove removedirs rename renames replace"
    " rmdir scandir stat symlink truncate unlink utime walk fwalk chown",
    "os.path": "exists getmtime getsize isdir isfile islink lexists realpath samefile",
    "shutil": "copy copy2 copyfile copytree disk_usage move rmtree which",
    "io": "open",
    "tempfile": "mkdtemp mkstemp NamedTemporaryFile TemporaryDirectory TemporaryFile",
    "glob": "glob iglob",
    "sqlite3": "connect",
}
#: Methods of paths. ``replace`` counts with one argument only: with two, it is a method of texts.
METHODS = {
    "chmod",
    "exists",
    "glob",
    "group",
    "hardlink_to",
    "is_dir",
    "is_fifo",
    "is_file",
    "is_mount",
    "is_socket",
    "is_symlink",
    "iterdir",
    "lchmod",
    "lstat",
    "mkdir",
    "open",
    "owner",
    "read_bytes",
    "read_text",
    "readlink",
    "rename",
    "replace",
    "resolve",
    "rglob",
    "rmdir",
    "samefile",
    "stat",
    "symlink_to",
    "touch",
    "unlink",
    "walk",
    "write_bytes",
    "write_text",
}

ITSELF = "this module is what opens by parts"
THROUGH = "a method of `Inside`"
ENTRY = "an entry that `Inside.listed` gave, whose own kind is asked"
ROOT = "the folder itself, as the user named it; nothing below it is asked for"
LINK = "only whether something is there, and that it is no link; what it holds is read through `Inside`"
REPOSITORY = (
    "a repository may be elsewhere, as a worktree's is; of it, only files that `read_small_file` opens are read"
)
OWN = "a path in our data directory, made by `index_directory` whose owner and mode `own_files` checks"

ALLOWED = {
    "workspace/ignore.py": {
        "IgnoreRules.__init__": (ROOT, "os.path.realpath"),
        "IgnoreRules._below": (LINK, "os.path.islink os.path.lexists"),
        "_RuleFiles.read": (LINK, "os.lstat"),
    },
    "workspace/inside.py": {
        "": (ITSELF, "os.open"),
        "Inside.open": (ITSELF, "os.open os.stat"),
        "Inside.stat": (ITSELF, "os.stat"),
        "Inside.listed": (ITSELF, "os.open os.scandir"),
        "Inside._opened_root": (ITSELF, "os.open"),
        "Inside._opened": (ITSELF, "os.open os.stat"),
        "Inside._checked": (ITSELF, "os.lstat os.stat"),
    },
    "workspace/read.py": {"read_bytes": (THROUGH, ".open"), "state_of": (THROUGH, ".stat")},
    "workspace/repository.py": {
        "read_small_file": (LINK, "os.path.lexists"),
        "common_directory": (REPOSITORY, ".is_dir os.path.realpath"),
        "enclosing_work_tree": (LINK, "os.path.lexists"),
        "_excludes_of_user": ("the user's own file, which may be a link", "os.path.realpath"),
        "_excludes_of_repository": (REPOSITORY, "os.path.realpath"),
    },
    "workspace/roots.py": {
        "normalise_roots": (ROOT, ".is_dir os.path.realpath"),
        "needs_consent": (ROOT, "os.path.realpath"),
    },
    "workspace/scan.py": {"_walk": (ENTRY, ".is_dir"), "_take": (ENTRY, ".stat")},
    "workspace/watcher.py": {"Watcher._watch": (ROOT, "os.path.realpath")},
    "workspace/watcher_process.py": {
        "_Tree._directories_in": (ENTRY, ".is_dir"),
        "_Tree._changed_meanwhile": (THROUGH, ".stat"),
        "_directory": (THROUGH, ".stat"),
        "_identity": (ROOT, "os.stat"),
    },
    "storage/cleaning.py": {
        "_entries": (OWN, ".iterdir"),
        "remove_index": (OWN, ".rename"),
        "_is_written": (OWN, "os.path.lexists"),
        "_is_gone": ("the folder itself, as our own description of its index names it", "os.lstat"),
    },
    "storage/folder_store.py": {
        "FolderStore.__init__": (ROOT, "os.path.realpath"),
        "FolderStore.is_lost": (OWN, ".is_file"),
        "FolderStore._become_writer": (OWN, ".is_file"),
        "FolderStore._make_directory": (OWN, ".exists"),
        "FolderStore.write_list": (OWN, ".is_file"),
    },
    "storage/index_directory.py": {
        "mark_used": (OWN, "os.utime"),
        "used_at": (OWN, ".lstat"),
        "has_tables": (OWN, ".is_dir"),
        "remove_tables": (OWN, ".glob"),
        "remove_tables_of_other_layouts": (OWN, ".glob"),
        "size_bytes": (OWN, ".lstat os.walk"),
    },
    "storage/lance/tables.py": {"LanceTables.versions": (OWN, ".is_dir .iterdir")},
    "storage/manifest.py": {"remove_orphans": (OWN, ".iterdir"), "remove_segment": (OWN, ".glob")},
    "storage/writer_lock.py": {"WriterLock.take": (OWN, ".lstat"), "WriterLock.is_lost": (OWN, ".lstat")},
}


def calls(source: str) -> Iterator[tuple[str, str]]:
    """Yields each call of the file system in a module: the function that has it, and what is called."""
    tree = ast.parse(source)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in MODULES:
            names |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
        elif isinstance(node, ast.Import):
            names |= {each.asname: each.name for each in node.names if each.asname}

    def spelt(node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return names.get(node.id, node.id)
        return f"{spelt(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else "?"

    def visit(node: ast.AST, within: str) -> Iterator[tuple[str, str]]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            within = f"{within}.{node.name}" if within else node.name
        # A function that is handed on is called somewhere.
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            module, _, name = spelt(node).rpartition(".")
            if spelt(node) == "open" or name in MODULES.get(module, "").split():
                yield within, spelt(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            of_module = spelt(node.func).rpartition(".")[0] in MODULES
            if not of_module and not (node.func.attr == "replace" and len(node.args) != 1):
                yield within, "." + node.func.attr
        for child in ast.iter_child_nodes(node):
            yield from visit(child, within)

    yield from visit(tree, "")


def not_allowed(module: str, source: str) -> list[str]:
    allowed = ALLOWED.get(module, {})
    return [
        f"{module}: {within or 'the module'} calls {called}"
        for within, called in calls(source)
        if called not in allowed.get(within, ("", ""))[1].split()
    ]


def modules() -> Iterator[tuple[str, str]]:
    for package in ("workspace", "storage"):
        for file in sorted((PACKAGE / package).rglob("*.py")):
            yield file.relative_to(PACKAGE).as_posix(), file.read_text(encoding="utf-8")


def test_the_file_system_is_asked_only_where_a_reason_is_given() -> None:
    assert [each for module, source in modules() for each in not_allowed(module, source)] == []


def test_each_reason_is_of_a_call_that_is_there() -> None:
    present = {(module, *call) for module, source in modules() for call in calls(source)}
    listed = {
        (module, within, called)
        for module, functions in ALLOWED.items()
        for within, (_, words) in functions.items()
        for called in words.split()
    }
    assert listed - present == set()


@pytest.mark.parametrize(
    "fault",
    [
        "open(path)",
        "os.open(path, 0)",
        "os.path.getsize(path)",
        "path.read_text()",
        "Path(path).read_bytes()",
        "path.replace(other)",
        "shutil.rmtree(path)",
        "map(os.unlink, paths)",
        "os.path.islink(path)",
        "from os import stat as look; look(path)",
        "import os as system; system.remove(path)",
    ],
)
def test_a_planted_call_is_found(fault: str) -> None:
    source = f"import os, shutil\ndef harmless(path):\n    {fault}\n    text.replace('a', 'b')\n"
    assert len(not_allowed("workspace/scan.py", source)) == 1
