"""The extension as it is packaged for users, and what it says of the index."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from filelock import FileLock
from playwright.sync_api import Error as PlaywrightError

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


def wait_until_indexed(window: Workbench, file: str) -> None:
    """Look at the language menu of a file until it says so."""
    window.open_file(file)
    indexed = window.page.get_by_text(re.compile(r"Conexus: \d+ files? indexed"))

    def shown() -> bool:
        # It goes away when something else gets the focus.
        if not window.page.get_by_text(re.compile("^Conexus: ")).is_visible():
            window.page.locator(".statusbar [id='status.languageStatus']").click()
        with suppress(PlaywrightError):
            indexed.wait_for(timeout=3000)
        return indexed.is_visible()

    until(shown)
    window.press("Escape")


def _run(*command: str) -> None:
    environment = os.environ | {"PYTHON": sys.executable}
    done = subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
