"""VS Code as a user has it in front of him: the workbench in a browser, its extension host and its settings."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from playwright.sync_api import Browser, Locator, Page, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from tests.faults import until

#: Nothing in an editor takes so long; a test that waits so long has failed.
PATIENCE = 60.0
_PATIENCE_MS = PATIENCE * 1000
_SOON_MS = 3000

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
    "files.autoSave": "off",  # as on a desktop: in a browser the default is a second after an edit
    "git.blame.statusBarItem.enabled": False,
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
        started_in: Path | None = None,
    ) -> None:
        self._program = program
        self._state = state
        self._environment = environment
        self._extension = extension
        self._settings = {**_SETTINGS, **(settings or {})}
        self._size = size
        self._user_agent = user_agent
        self._started_in = started_in
        self._stack = ExitStack()
        #: What was thrown in the window and caught by nobody.
        self.thrown: list[str] = []
        self.page: Page

    def __enter__(self) -> Self:
        with self._stack as stack:
            self._port = self._start(stack)
            browser = self._browser(stack)
            width, height = self._size
            context = browser.new_context(viewport={"width": width, "height": height}, user_agent=self._user_agent)
            context.grant_permissions(["clipboard-read", "clipboard-write"])
            self.page = context.new_page()
            self.page.on("pageerror", lambda error: self.thrown.append(str(error)))
            self.page.set_default_timeout(_PATIENCE_MS)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # For whoever looks for the reason of a failure.
        self.page.screenshot(path=self._state / "last.png")
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
            cwd=self._started_in,
            # No extension gallery is asked.
            env={**self._environment, "EXTENSIONS_GALLERY": '{"serviceUrl":""}'},
        )
        stack.callback(_end, process)
        until(lambda: _answers(port), (self._state / "server.log").read_text)
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
            with suppress(PlaywrightError):
                self.input.fill(text, timeout=_SOON_MS)
            return self.quick_text == text

        until(shown)

    def command(self, title: str) -> None:
        """Run a command of the palette by its whole title."""
        row = self.quick_rows.filter(has_text=title).first

        def found() -> bool:
            # A list that was opened before an extension was read does not get its commands.
            self.palette(f">{title}")
            with suppress(PlaywrightError):
                row.wait_for(timeout=_SOON_MS)
            if not row.is_visible():
                self.press("Escape")
            return row.is_visible()

        until(found)
        row.click()
        until(lambda: self.quick_text != f">{title}")

    def open_file(self, path: str) -> None:
        self.palette(path)
        self.quick_rows.filter(has_text=path.rpartition("/")[2]).first.click()
        self.page.wait_for_selector(f'.tab.active[data-resource-name="{path.rpartition("/")[2]}"]')

    # --- what there is to see ---

    @property
    def input(self) -> Locator:
        return self.page.locator(".quick-input-widget:visible input[type=text]").first

    @property
    def quick_text(self) -> str:
        """What is typed into the list that is open; empty if there is none."""
        return "".join(self._look(self.input, "element.value"))

    @property
    def quick_placeholder(self) -> str:
        return "".join(self._look(self.input, "element.placeholder"))

    @property
    def quick_title(self) -> str:
        """The title of the list that is open."""
        return "".join(
            self._look(self.page.locator(".quick-input-widget:visible .quick-input-title"), "element.innerText")
        )

    @property
    def quick_rows(self) -> Locator:
        return self.page.locator(".quick-input-widget:visible .quick-input-list .monaco-list-row")

    @property
    def quick_labels(self) -> list[str]:
        """What the rows of the list that is open are called."""
        labels = self.quick_rows.locator(".quick-input-list-row:first-child .monaco-icon-label-container .label-name")
        return [text.strip() for text in labels.all_inner_texts()]

    @property
    def active_tab(self) -> str:
        tab = self.page.locator(".editor-group-container.active .tab.active")
        return "".join(self._look(tab, "element.dataset.resourceName"))

    @property
    def tabs(self) -> list[str]:
        return self._look(self.page.locator(".tab[data-resource-name]"), "element.dataset.resourceName")

    @property
    def groups(self) -> int:
        """How many editors are side by side."""
        return self.page.locator(".editor-group-container").count()

    @property
    def cursor(self) -> tuple[int, int]:
        """Line and column as the status bar says them, the column in characters; zeros where no text is open."""
        shown = self._look(self.page.locator(".statusbar [id='status.editor.selection']"), "element.innerText")
        found = re.search(r"Ln (\d+), Col (\d+)", "".join(shown))
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def view(self, title: str) -> Locator:
        return self.page.locator(f'.pane:has(.pane-header[aria-label^="{title}"])')

    def rows_of(self, title: str) -> list[str]:
        """The rows of a view that are in sight, with what is said about them."""
        parts = "[...element.querySelectorAll('.label-name, .label-description')].map(part => part.innerText).join(' ')"
        return [" ".join(row.split()) for row in self._look(self.view(title).locator(".monaco-list-row"), parts)]

    @staticmethod
    def _look(elements: Locator, what: str) -> list[str]:
        """Something of each element, all at one moment: none is waited for."""
        return [str(each) for each in elements.evaluate_all(f"all => all.map(element => {what} ?? '')")]

    @property
    def messages(self) -> Locator:
        """The texts of the notifications that are in sight."""
        return self.page.locator(".notifications-toasts .notification-list-item-message")

    def text_of_editor(self) -> str:
        """All of the editor's text, by way of the clipboard."""
        self.page.locator(".editor-group-container.active .view-line").first.click()
        self.press("Meta+A" if "Macintosh" in (self._user_agent or "") else "Control+A")
        self.command("Copy")
        until(lambda: self.page.evaluate("navigator.clipboard.readText()") != "")
        return str(self.page.evaluate("navigator.clipboard.readText()"))

    def screenshot(self, path: Path) -> None:
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

    def extension_host_seconds(self, over: float) -> float:
        """The processor time that the extension host takes in so many seconds."""
        log = self._logs("remoteexthost.log")[-1].read_text()
        pid = int(re.findall(r"Extension host with pid (\d+) started", log)[-1])

        def used() -> float:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        before = used()
        time.sleep(over)
        return used() - before

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
