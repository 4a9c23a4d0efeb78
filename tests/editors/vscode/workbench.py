"""VS Code as a user has it in front of him: the workbench in a browser, its extension host and its settings."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from tests.faults import until

#: Nothing in an editor takes so long; a test that waits so long has failed.
PATIENCE = 60.0
_PATIENCE_MS = PATIENCE * 1000

CHROMIUM = Path("/usr/bin/chromium")

_CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--no-first-run",
)

#: Nothing that asks the network, and nothing that lies over what a test looks at.
_SETTINGS: Mapping[str, object] = {
    "chat.disableAIFeatures": True,
    "extensions.ignoreRecommendations": True,
    "git.openRepositoryInParentFolders": "never",
    "security.workspace.trust.enabled": False,
    "telemetry.telemetryLevel": "off",
    "update.mode": "none",
    "window.commandCenter": False,
    "workbench.editor.empty.hint": "hidden",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.startupEditor": "none",
    "workbench.tips.enabled": False,
}

#: What the extension host writes when nobody looks at a promise that was rejected.
_UNHANDLED = re.compile(r"rejected promise not handled|unhandled|uncaught", re.IGNORECASE)


class Workbench:
    """One VS Code server with one window. Leaving the `with` block ends both."""

    def __init__(
        self,
        program: Path,
        state: Path,
        *,
        environment: Mapping[str, str],
        extension: Path | None = None,
        settings: Mapping[str, object] | None = None,
        size: tuple[int, int] = (1280, 800),
        user_agent: str | None = None,
    ) -> None:
        self._program = program
        self._state = state
        self._environment = environment
        self._extension = extension
        self._settings = {**_SETTINGS, **(settings or {})}
        self._size = size
        self._user_agent = user_agent
        self._stack = ExitStack()
        self.page: Page

    def __enter__(self) -> Self:
        with self._stack as stack:
            self._port = self._start(stack)
            browser = self._browser(stack)
            width, height = self._size
            context = browser.new_context(
                viewport={"width": width, "height": height}, **({"user_agent": self._user_agent} if self._user_agent else {})
            )
            context.grant_permissions(["clipboard-read", "clipboard-write"])
            self.page = context.new_page()
            self.page.set_default_timeout(_PATIENCE_MS)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            picture = self._state / "failure.png"
            self.page.screenshot(path=picture)
            error.add_note(f"{picture} shows the window; the extension's log ends:\n{self.log[-3000:]}")
        self._stack.close()

    # --- life ---

    def _start(self, stack: ExitStack) -> int:
        user = self._state / "user/User"
        machine = self._state / "data/Machine"
        for folder in (user, machine, self._state / "extensions"):
            folder.mkdir(parents=True, exist_ok=True)
        (machine / "settings.json").write_text(json.dumps(self._settings))
        (user / "settings.json").write_text(json.dumps(self._settings))
        port = _free_port()
        node = self._program.parents[2] / "node/bin/node"
        options = {
            "host": "127.0.0.1",
            "port": str(port),
            "server-data-dir": str(self._state / "data"),
            "user-data-dir": str(self._state / "user"),
            "extensions-dir": str(self._state / "extensions"),
            "telemetry-level": "off",
        }
        command = [str(node), str(self._program), "--without-connection-token", "--accept-server-license-terms"]
        command.append("--force-disable-user-env")  # the environment is the one that is given, not a login shell's
        command += [part for name, value in options.items() for part in (f"--{name}", value)]
        if self._extension is not None:
            command += ["--start-server", "--install-extension", str(self._extension)]
        output = stack.enter_context((self._state / "server.log").open("wb"))
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # No extension gallery is asked.
            env={**self._environment, "EXTENSIONS_GALLERY": '{"serviceUrl":""}'},
        )
        stack.callback(_end, process)
        until(lambda: _answers(port), lambda: (self._state / "server.log").read_text())
        return port

    def _browser(self, stack: ExitStack) -> Browser:
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_CHROMIUM_OPTIONS)
        stack.callback(browser.close)
        return browser

    def open(self, *, folder: Path | None = None, workspace: Path | None = None) -> None:
        """Open a folder or a .code-workspace file in the window."""
        place = f"folder={quote(str(folder))}" if folder else f"workspace={quote(str(workspace))}" if workspace else ""
        self.page.goto(f"http://127.0.0.1:{self._port}/?{place}", wait_until="domcontentloaded")
        self.page.wait_for_selector(".monaco-workbench .statusbar")

    # --- the keyboard ---

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def palette(self, text: str) -> None:
        """Open Quick Open with a text, `>` for a command."""

        def shown() -> bool:
            # The first key can come before the key bindings are there, and another list may be closing.
            if not self.quick_text.startswith(">"):
                self.press("F1")
            return self.quick_text.startswith(">")

        until(shown)
        self.input.fill(text)

    def command(self, title: str) -> None:
        """Run a command of the palette by its whole title."""
        self.palette(f">{title}")
        row = self.quick_rows.filter(has_text=title).first
        row.wait_for()
        row.click()

    def open_file(self, path: str) -> None:
        self.palette(path)
        self.quick_rows.filter(has_text=path.rpartition("/")[2]).first.click()
        self.page.wait_for_selector(f'.tab.active[data-resource-name="{path.rpartition("/")[2]}"]')

    # --- what there is to see ---

    @property
    def input(self) -> Locator:
        return self.page.locator(".quick-input-widget:visible input[type=text], .quick-input-widget:visible .input").first

    @property
    def quick_text(self) -> str:
        """What is typed into the list that is open; empty if there is none."""
        return self.input.input_value() if self.input.is_visible() else ""

    @property
    def quick_rows(self) -> Locator:
        return self.page.locator(".quick-input-widget:visible .quick-input-list .monaco-list-row")

    @property
    def active_tab(self) -> str:
        tab = self.page.locator(".editor-group-container.active .tab.active")
        return tab.get_attribute("data-resource-name") or "" if tab.count() else ""

    @property
    def tabs(self) -> list[str]:
        tabs = self.page.locator(".tab[data-resource-name]").all()
        return [tab.get_attribute("data-resource-name") or "" for tab in tabs]

    @property
    def cursor(self) -> tuple[int, int]:
        """Line and column as the status bar says them, the column in characters."""
        text = self.page.locator(".statusbar [id='status.editor.selection']").inner_text()
        found = re.search(r"Ln (\d+), Col (\d+)", text)
        assert found, text
        return int(found[1]), int(found[2])

    def view(self, title: str) -> Locator:
        return self.page.locator(f'.pane:has(.pane-header[aria-label^="{title}"])')

    def screenshot(self, path: Path) -> None:
        self.page.mouse.move(0, 0)
        self.page.screenshot(path=path)

    # --- what was written ---

    @property
    def log(self) -> str:
        """The extension's log."""
        return "".join(path.read_text() for path in self._logs("Conexus.log"))

    def unhandled(self) -> list[str]:
        """What was thrown in the extension host and caught by nobody."""
        lines = [line for path in self._logs("remoteexthost.log") for line in path.read_text().splitlines()]
        return [line for line in lines if _UNHANDLED.search(line)]

    def _logs(self, name: str) -> list[Path]:
        return sorted((self._state / "user/logs").rglob(name))


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/version", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server as a user does, and with it all that it started."""
    process.terminate()
    process.wait(PATIENCE)
