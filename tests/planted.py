"""A workspace whose files would run if anything of it were imported, started or loaded: none of them may ever run."""

from __future__ import annotations

import sys
from pathlib import Path

#: Our own package, what it depends on, and what Python imports by itself at its start.
_OTHERS = (
    "conexus", "lancedb", "pyarrow", "numpy", "tokenizers", "tree_sitter", "tree_sitter_language_pack", "watchfiles",
    "pygls", "lsprotocol", "attrs", "cattrs", "filelock", "platformdirs", "torch", "transformers",
    "sentence_transformers", "huggingface_hub", "sitecustomize", "usercustomize",
)  # fmt: skip

#: Programs that Conexus, its dependencies, git or an editor may start by their names.
_PROGRAMS = (
    "conexus",
    "git",
    "node",
    "python",
    "python3",
    "sh",
    "bash",
    "env",
    "uv",
    "pipx",
    "ssh",
    "less",
    "ldconfig",
)
#: Settings of git whose values are run: each as git's manual names it.
_GIT = (
    "core.fsmonitor", "core.pager", "core.editor", "core.askPass", "core.sshCommand", "core.gitProxy", "core.hooksPath",
    "core.alternateRefsCommand", "alias.config", "pager.config", "sequence.editor", "gpg.program", "credential.helper",
    "diff.external", "diff.x.command", "diff.x.textconv", "filter.x.clean", "filter.x.smudge", "filter.x.process",
    "merge.x.driver", "uploadpack.packObjectsHook", "web.browser", "browser.x.cmd", "interactive.diffFilter",
)  # fmt: skip
_HOOKS = ("fsmonitor-watchman", "post-checkout", "post-index-change", "pre-commit", "query-watchman")

_TRAP = """with open({mark!r}, "a") as mark:
    mark.write({name!r})
"""
_CODE = {
    "greeting.py": '''def greet(name):
    """Say hello to one person."""
    return f"hello {name}"
''',
    "app.py": """def greet_everybody(names):
    return [greet(name) for name in names]
""",
}


def plant(folder: Path, mark: Path) -> None:
    """Fill ``folder`` with one file for each module name and each program, a repository, settings, and code to search.

    Every planted file appends its name to ``mark`` when it runs, so ``mark`` does not exist while none has run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted({*sys.stdlib_module_names, *_OTHERS}):
        (folder / f"{name}.py").write_text(_TRAP.format(mark=str(mark), name=f"{name}\n"))
    for name, text in _CODE.items():
        (folder / name).write_text(text)
    program = f"#!/bin/sh\necho \"$0\" >> '{mark}'\n"
    for name in _PROGRAMS:
        for place in (folder / name, folder / "bin" / name):
            _write(place, program, executable=True)
    for name in _HOOKS:
        _write(folder / ".git" / "hooks" / name, program, executable=True)
    sections = (name.rpartition(".") for name in _GIT)
    config = "".join(f"[{_section(section)}]\n\t{key} = {folder / 'git'}\n" for section, _, key in sections)
    _write(folder / "included", f"[core]\n\tfsmonitor = {folder / 'git'}\n")
    _write(folder / ".git" / "config", f"[core]\n\tbare = false\n[include]\n\tpath = {folder / 'included'}\n{config}")
    _write(folder / ".git" / "HEAD", "ref: refs/heads/main\n")
    _write(folder / ".gitattributes", "* filter=x diff=x merge=x\n")
    for name in ("objects", "refs"):
        (folder / ".git" / name).mkdir()
    run = f"import os; os.system(\"echo pth >> '{mark}'\")\n"
    for name in ("planted.pth", "lib/planted.pth", "python3._pth"):
        _write(folder / name, run)
    _write(folder / "pyvenv.cfg", f"home = {folder / 'bin'}\ninclude-system-site-packages = true\n")
    _write(folder / "conexus.toml", 'exclude = ["*.nothing"]\n')
    _write(folder / "setup.cfg", f"[distutils]\ncommand_packages = {folder / 'git'}\n")
    _write(folder / "pytest.ini", "[pytest]\naddopts = -p json\n")


def _section(name: str) -> str:
    outer, _, inner = name.partition(".")
    return f'{outer} "{inner}"' if inner else outer


def _write(path: Path, text: str, *, executable: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755 if executable else 0o644)
