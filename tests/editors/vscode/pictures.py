"""The pictures of VS Code in docs/images, of its own code: python -m tests.editors.vscode.pictures [FOLDER]"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from tests.editors import install
from tests.editors.vscode import extension
from tests.editors.vscode.workbench import Workbench
from tests.faults import assert_none_left, until
from tests.repositories import git

_ROOT = Path(__file__).parents[3]
_THEMES = MappingProxyType({"dark": "Default Dark Modern", "light": "Default Light Modern"})
_SIZE = (1180, 720)


def search(window: Workbench) -> None:
    window.open_file("engine.py")
    _ask(window, "leave out what git ignores")
    window.press("ArrowDown")
    until(lambda: window.active_tab != "engine.py")


def results(window: Workbench) -> None:
    _ask(window, "leave out what git ignores")
    window.press("Alt+Enter")
    view = window.view("Results")
    view.locator(".monaco-list-row .monaco-tl-twistie").nth(1).click()
    window.command("Conexus: Go to Next Result")


def related(window: Workbench) -> None:
    _ask(window, "git_settings")
    window.press("Enter")
    until(lambda: window.active_tab == "repository.py")
    window.command("Conexus: Find Related Code")
    window.view("Related Code").get_by_text("Related to").wait_for()


def status(window: Workbench) -> None:
    window.command("Conexus: Show Status and Actions")
    window.quick_rows.first.wait_for()


def walkthrough(window: Workbench) -> None:
    window.command("View: Toggle Primary Side Bar Visibility")  # its pictures need the room
    window.command("Welcome: Open Walkthrough...")
    until(lambda: "Get Started with Conexus" in "".join(window.quick_labels))
    window.quick_rows.filter(has_text="Get Started with Conexus").click()
    window.page.get_by_role("button", name="Say what the code does").first.click()
    window.page.locator("iframe.webview.ready").wait_for()


_PICTURES: tuple[Callable[[Workbench], None], ...] = (search, results, related, status, walkthrough)


def main(folder: Path) -> None:
    program = install.program_of("vscode")
    if program is None:
        raise SystemExit("python -m tests.editors.install vscode")
    package = extension.package()
    for theme, name in _THEMES.items():
        for take in _PICTURES:
            picture = folder / f"vscode-{take.__name__}-{theme}.png"
            with TemporaryDirectory(prefix="conexus-pictures-", ignore_cleanup_errors=True) as scratch:
                _take(take, Path(scratch), program, package, name, picture)


def _take(
    take: Callable[[Workbench], None], scratch: Path, program: Path, package: Path, theme: str, picture: Path
) -> None:
    workspace = scratch / "conexus"
    git(scratch, "clone", "--quiet", "--depth=1", f"file://{_ROOT}", str(workspace))
    settings = {"workbench.colorTheme": theme}
    with Workbench(
        program,
        scratch / "vscode",
        environment=_environment(scratch),
        extension=package,
        settings=settings,
        size=_SIZE,
    ) as window:
        window.open(folder=workspace)
        extension.wait_until_indexed(window)
        take(window)
        window.page.mouse.move(0, 0)  # away from what would say something of itself
        window.page.wait_for_timeout(1000)
        window.screenshot(picture)
    assert_none_left(scratch / "data")


def _ask(window: Workbench, query: str) -> None:
    window.press("Shift+Alt+S")
    until(lambda: window.quick_title != "")
    window.input.fill(query)
    until(lambda: len(window.quick_labels) > 3)


def _environment(scratch: Path) -> Mapping[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {"HOME": str(scratch), "CONEXUS_DATA_DIR": str(scratch / "data"), "PYTHONPATH": str(_ROOT / "server")}
    return {**os.environ, **own, "PATH": path}


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else _ROOT / "docs/images")
