"""Emacs and its own Eglot, configured as docs/editors/emacs.md says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.editors.guides import configuration
from tests.editors.picture import LIGHT
from tests.editors.sample import Sample
from tests.editors.terminal import Terminal

pytestmark = pytest.mark.usefixtures("no_process_left")

_TESTS = Path(__file__).with_name("emacs-tests.el")
_CONFIGURATION, _SETTINGS, _BESIDE_ANOTHER = configuration("emacs", "elisp")


@pytest.fixture
def emacs(editor: Callable[[str], Path], environment: dict[str, str]) -> str:
    """The program, and a new user who did what the guide says."""
    settings = Path(environment["HOME"]) / ".emacs.d/init.el"
    settings.parent.mkdir()
    settings.write_text(_CONFIGURATION)
    return str(editor("emacs"))


@pytest.fixture
def run_tests(emacs: str, environment: dict[str, str], sample: Sample) -> Callable[..., None]:
    """Runs the tests of emacs-tests.el with a name, in the sample or another folder."""
    names = ("QUERY", "ANSWER", "EMOJI_QUERY", "EMOJI_ANSWER", "NEW_QUERY", "NEW_ANSWER", "NEW_CODE")
    column = sample.place_of(sample.EMOJI_ANSWER, sample.emoji_file).column("utf-32")
    facts = {**{name: getattr(sample, name) for name in names}, "EMOJI_COLUMN": str(column)}

    def run(pattern: str, folder: Path = sample.root) -> None:
        done = subprocess.run(
            [
                *(emacs, "--batch", "--load", "~/.emacs.d/init.el", "--load", str(_TESTS)),
                *("--eval", f'(conexus-tests "{pattern}")'),
            ],
            cwd=folder,
            env={**environment, **facts},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"Ran [1-9]\d* tests, .* 0 unexpected", done.stderr)

    return run


def test_all_that_eglot_can_do_in_batch(run_tests: Callable[..., None]) -> None:
    run_tests("^conexus-")


def test_beside_another_server(environment: dict[str, str], run_tests: Callable[..., None]) -> None:
    environment["PATH"] += f"{os.pathsep}{Path(sys.executable).parent}"  # where rass and pylsp are
    (Path(environment["HOME"]) / ".emacs.d/init.el").write_text(_CONFIGURATION + _BESIDE_ANOTHER)
    run_tests("^\\\\(conexus\\\\|other\\\\)-")


def test_settings(run_tests: Callable[..., None], sample: Sample) -> None:
    (sample.root / ".dir-locals.el").write_text(_SETTINGS)
    (sample.root / "generated").mkdir()
    for folder in ("generated", "shop"):
        (sample.root / folder / f"{folder}_plants.py").write_text(f"{sample.NEW_CODE}\n")
    run_tests("^settings-")


def test_code_of_the_workspace_is_not_run(
    environment: dict[str, str], server_program: Path, run_tests: Callable[..., None], planted: tuple[Path, Path]
) -> None:
    environment["PATH"] = f"{server_program.parent}:/usr/bin:/bin"
    folder, mark = planted
    shutil.rmtree(folder / ".git")  # Emacs itself asks git, which runs what a repository's config names
    run_tests("^planted-", folder)
    assert not mark.exists(), mark.read_text()


class Emacs:
    """Emacs in a terminal, by the names of its commands."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def run(self, command: str, *answers: str) -> None:
        """`M-x`; each answer is typed at the command's next prompt."""
        self.terminal.press("M-x")
        self.terminal.wait_for(re.compile(r"^M-x\s*\Z", re.MULTILINE))
        self.terminal.type(f"{command}\r")
        for answer in answers:
            self.terminal.wait_for(re.compile(r":\s*\Z"))
            self.terminal.type(f"{answer}\r")

    def say(self, expression: str) -> str:
        """The value of an expression, from the last line of the screen."""
        self.terminal.press("M-:")
        self.terminal.wait_for("Eval:")
        self.terminal.type(f"(list 'value {expression})\r")
        answer = re.compile(r"^\(value (.*)\)\s*\Z", re.MULTILINE)
        return str(answer.findall(self.terminal.wait_for(answer))[0])

    def find(self, query: str, answer: str) -> None:
        """Ask for code, ask again (`g`) until an answer is the first one, and go to it."""
        self.run("xref-find-apropos", query)
        self.terminal.wait_for("*xref*")
        first = re.compile(rf"-+\n(?!-)\S+\n *\d+:.*\b{re.escape(answer)}\b")
        self.terminal.repeat(lambda: self.terminal.press("g"), first)
        self.terminal.press("M-<", "n", "Enter")
        assert self.say("(thing-at-point 'symbol t)") == f'"{answer}"'

    def see_page(self, title: str, content: re.Pattern[str]) -> None:
        """A page of results opens in a window; look at it in all of the screen."""
        self.terminal.wait_for(title)
        self.terminal.press("C-x", "1")
        self.terminal.wait_for(content)

    def visit(self, path: Path) -> None:
        self.say(f'(progn (find-file "{path}") (delete-other-windows))')


def test_as_a_user_in_a_terminal(
    emacs: str, environment: dict[str, str], sample: Sample, picture_of: Callable[..., None]
) -> None:
    with Terminal([emacs, "-nw", "shop/checkout.py"], environment=environment, folder=sample.root) as terminal:
        terminal.wait_for("class Checkout")
        editor = Emacs(terminal)
        editor.run("eglot")
        terminal.wait_for("Server `Conexus' now managing")

        editor.run("conexus-search")
        terminal.wait_for("Find definitions of")
        terminal.type(sample.QUERY)
        terminal.wait_for(re.compile(rf"Find definitions of.*\n{sample.ANSWER} Function$", re.MULTILINE))
        picture_of(terminal, "emacs-search", LIGHT)
        terminal.press("Enter")
        terminal.wait_for("retry.py ")
        assert editor.say("(thing-at-point 'symbol t)") == f'"{sample.ANSWER}"'

        editor.find(sample.EMOJI_QUERY, sample.EMOJI_ANSWER)
        place = sample.place_of(sample.EMOJI_ANSWER, sample.emoji_file)
        picture_of(terminal, "emacs-xref", LIGHT)
        here = editor.say("(line-number-at-pos) (- (point) (pos-bol))")
        assert here == f"{place.line + 1} {place.column('utf-32')}"

        editor.visit(sample.root / "shop/checkout.py")
        editor.run("conexus-results", sample.QUERY)
        editor.see_page(f"# {sample.QUERY}", re.compile(rf"^## 1\. .*`{sample.ANSWER}`", re.MULTILINE))

        # The function in which the cursor is has one caller.
        editor.visit(sample.root / "shop/checkout.py")
        editor.find(sample.QUERY, sample.ANSWER)
        editor.run("conexus-related")
        editor.see_page("# Related code", re.compile("caller: .*`pay`"))
        picture_of(terminal, "emacs-related", LIGHT)

        editor.visit(sample.root / "shop/retry.py")
        # Typed and not saved.
        terminal.press("M->", "Enter")
        terminal.type(sample.NEW_CODE)
        editor.find(sample.NEW_QUERY, sample.NEW_ANSWER)
        # Emacs saves a copy now and then, and then asks less when it is left: have it done.
        assert editor.say("(progn (do-auto-save t) (buffer-modified-p))") == "autosaved"

        for branch in (sample.OTHER, sample.MAIN):
            sample.switch(branch)
            editor.find(sample.RATES_QUERY, sample.rates_answer())

        terminal.press("C-x", "C-c")
        terminal.wait_for("Save file")
        terminal.type("n")
        assert terminal.wait_for_end() == 0
