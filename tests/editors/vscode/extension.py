"""The extension as it is packaged for users."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

FOLDER = Path(__file__).parents[3] / "editors/vscode"


def package() -> Path:
    """The .vsix of what is checked out, made as the one command makes it."""
    with FileLock(FOLDER / "node_modules.lock"):
        installed = FOLDER / "node_modules/.package-lock.json"
        if not installed.exists() or installed.stat().st_mtime < (FOLDER / "package-lock.json").stat().st_mtime:
            _run("npm", "ci", "--no-audit", "--no-fund")
        _run("npm", "run", "package")
    return FOLDER / "conexus.vsix"


def _run(*command: str) -> None:
    environment = os.environ | {"PYTHON": sys.executable}
    done = subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
