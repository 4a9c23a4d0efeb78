"""Helix in a terminal, configured as docs/editors/helix.md says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.editors.guides import configuration
from tests.editors.sample import Sample
from tests.editors.terminal import Terminal

pytestmark = pytest.mark.usefixtures("no_process_left")


class Helix:
    """Helix in a terminal, by its keys and typed commands."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def run(self, command: str) -> None:
        self.terminal.press("Escape")
        self.terminal.type(f":{command}\r")

    def find(self, query: str, answer: str) -> None:
        """Ask in the picker of workspace symbols, again until an answer is the first one."""

        def ask() -> None:
            self.terminal.press("Escape", "Escape", "Space", "S")
            self.terminal.type(query)

        self.terminal.repeat(ask, re.compile(rf"> \w+ +{re.escape(answer)} "))

    def open(self) -> None:
        """What is chosen in the picker."""
        self.terminal.press("Enter")

    def wait_for_place(self, name: str, line: int, column: int) -> None:
        """Both from 1; Helix counts characters as a reader does."""
        self.terminal.wait_for(re.compile(rf"{re.escape(name)} .* {line}:{column}$", re.MULTILINE))


def _row_of(text: str, shown: list[str]) -> int:
    return next(row for row, line in enumerate(shown) if text in line)


@pytest.fixture
def helix(editor: Callable[[str], Path], environment: dict[str, str]) -> str:
    """The program, and a new user who did what the guide says."""
    settings = Path(environment["HOME"]) / ".config/helix/languages.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(configuration("helix", "toml")[0])
    return str(editor("helix"))


def test_as_a_user_in_a_terminal(
    helix: str, environment: dict[str, str], sample: Sample, picture_of: Callable[..., None]
) -> None:
    with Terminal([helix, "shop/checkout.py"], environment=environment, folder=sample.root) as terminal:
        terminal.wait_for("class Checkout")
        editor = Helix(terminal)

        editor.find(sample.EMOJI_QUERY, sample.EMOJI_ANSWER)
        terminal.wait_for("export function launchFireworks")  # beside the list
        picture_of(terminal, "helix-search")
        editor.open()
        place = sample.place_of(sample.EMOJI_ANSWER, sample.emoji_file)
        editor.wait_for_place("web/party.ts", place.line + 1, place.column("utf-32") + 1)

        editor.run(f'lsp-workspace-command conexus.server.showResults "lang:go {sample.QUERY}"')
        terminal.wait_for(f"# lang:go {sample.QUERY}")
        terminal.wait_for(re.compile(r"## 1\. .* in mail/sender.go"))
        editor.run(f'lsp-workspace-command conexus.server.showResults "{sample.QUERY}"')
        terminal.wait_for(f"# {sample.QUERY}")
        terminal.wait_for(re.compile(rf"## 1\. .*`{sample.ANSWER}`"))
        # The place under a hit's title can be opened; to its line Helix does not go.
        terminal.type("7gglgf")
        editor.wait_for_place("shop/retry.py", 1, 1)

        # The function in which the cursor is has one caller.
        line = sample.place_of(sample.ANSWER, sample.root / "shop/retry.py").line + 1
        terminal.type(f"{line}gg")
        editor.wait_for_place("shop/retry.py", line, 1)
        terminal.press("Space", "a")
        shown = terminal.wait_for("Find related code").splitlines()
        picture_of(terminal, "helix-action")
        # Below the cursor's line, and below what other servers of the language offer, if there are any here.
        above = _row_of("Find related code", shown) - _row_of(f"def {sample.ANSWER}", shown) - 1
        terminal.press(*["Down"] * above, "Enter")
        terminal.wait_for("# Related code")
        terminal.wait_for(re.compile(r"## \d+\. caller: .*`pay`"))
        picture_of(terminal, "helix-related")

        # Typed and not saved.
        editor.run("open shop/prices.py")
        terminal.wait_for("What things cost")
        terminal.type("geo")
        terminal.press("C-u")  # the indentation that Helix thinks it has
        terminal.type(sample.NEW_CODE)
        terminal.press("Escape")
        terminal.wait_for("prices.py [+]")
        editor.find(sample.NEW_QUERY, sample.NEW_ANSWER)
        editor.open()
        terminal.wait_for("prices.py [+]")

        sample.switch(sample.OTHER)
        editor.find(sample.RATES_QUERY, sample.rates_answer())
        editor.open()
        editor.wait_for_place("shop/exchange.py", 7, 5)

        # What is open counts as it is in its buffer: Helix reads it again when it is told to.
        sample.switch(sample.MAIN)
        editor.run("reload-all")
        editor.find(sample.RATES_QUERY, sample.rates_answer())
        editor.open()
        editor.wait_for_place("shop/exchange.py", 6, 5)

        editor.run("quit-all!")
        assert terminal.wait_for_end() == 0


def test_code_of_the_workspace_is_not_run(
    helix: str, environment: dict[str, str], server_program: Path, planted: tuple[Path, Path]
) -> None:
    # No other server that is installed here is started beside ours.
    environment["PATH"] = f"{server_program.parent}:/usr/bin:/bin"
    folder, mark = planted
    with Terminal([helix, "greeting.py"], environment=environment, folder=folder) as terminal:
        terminal.wait_for("Say hello to one person")
        editor = Helix(terminal)
        editor.find("greet_everybody", "greet_everybody")  # the caller is indexed
        editor.find("say hello to one person", "greet")
        editor.open()
        terminal.press("Space", "a")
        terminal.wait_for("Find related code")
        terminal.press("Enter")
        terminal.wait_for("# Related code")
        terminal.wait_for(re.compile(r"## \d+\. caller: .*`greet_everybody`"))
        editor.run("quit-all!")
        assert terminal.wait_for_end() == 0
    assert not mark.exists(), mark.read_text()
