"""A workspace whose files are named like modules that Conexus imports: none of them may ever run."""

from __future__ import annotations

import sys
from pathlib import Path

#: Our own package, what it depends on, and what Python imports by itself at its start.
_OTHERS = (
    "conexus", "lancedb", "pyarrow", "numpy", "tokenizers", "tree_sitter", "tree_sitter_language_pack", "watchfiles",
    "pygls", "lsprotocol", "attrs", "cattrs", "filelock", "platformdirs", "torch", "transformers",
    "sentence_transformers", "huggingface_hub", "sitecustomize", "usercustomize",
)  # fmt: skip

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
    """Fill ``folder`` with one file for each module name, and with code to search.

    Every planted file appends its name to ``mark`` when it runs, so ``mark`` does not exist while none has run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted({*sys.stdlib_module_names, *_OTHERS}):
        (folder / f"{name}.py").write_text(_TRAP.format(mark=str(mark), name=f"{name}\n"))
    for name, text in _CODE.items():
        (folder / name).write_text(text)
