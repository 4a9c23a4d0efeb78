"""The extension as it is packaged for users, and what it says of the index."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from tests.editors.vscode.workbench import Workbench
from tests.faults import until

FOLDER = Path(__file__).parents[3] / "editors/vscode"


def package() -> Path:
    """The .vsix of what is checked out, made as the one command makes it."""
    with FileLock(FOLDER / "node_modules.lock"):
        installed = FOLDER / "node_modules/.package-lock.json"
        if not installed.exists() or installed.stat().st_mtime < (FOLDER / "package-lock.json").stat().st_mtime:
            _run("npm", "ci", "--no-audit", "--no-fund")
        _run("npm", "run", "package")
    return FOLDER / "conexus.vsix"


def wait_until_indexed(window: Workbench) -> None:
    """Ask for the status until it says so."""

    def indexed() -> bool:
        window.command("Conexus: Show Status and Actions")
        until(lambda: window.quick_title == "Conexus")
        status = window.quick_placeholder
        window.press("Escape")
        return re.match(r"[\d,]+ files? indexed", status) is not None

    until(indexed, lambda: window.log)


def _run(*command: str) -> None:
    environment = os.environ | {"PYTHON": sys.executable}
    done = subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
