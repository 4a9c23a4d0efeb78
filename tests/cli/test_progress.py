"""The line of progress, on a pseudo-terminal."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from pathlib import Path

import pytest

from conexus.cli.progress import LatestProgress, Show, progress_line
from conexus.values import Progress, StatusChanged

CLEAR = "\r\x1b[K"


class Terminal:
    """A pseudo-terminal."""

    def __init__(self, controller: int, stream: io.TextIOWrapper) -> None:
        self._controller = controller
        self.stream = stream

    def resize(self, columns: int) -> None:
        termios.tcsetwinsize(self._controller, (24, columns))

    @contextmanager
    def progress(self, latest: LatestProgress) -> Iterator[Show]:
        """Shows a line of progress with this terminal as standard error."""
        with redirect_stderr(self.stream), progress_line(latest) as show:
            yield show

    def written(self) -> str:
        """Returns what was written since the last call."""
        print("|", end="", file=self.stream, flush=True)  # so that there is something to read
        text = ""
        while not text.endswith("|"):
            text += os.read(self._controller, 65536).decode()
        return text.removesuffix("|")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    controller, end = pty.openpty()
    monkeypatch.setenv("TERM", "xterm-256color")
    with os.fdopen(end, "w", encoding="utf-8") as stream:
        yield Terminal(controller, stream)
    os.close(controller)


def test_the_line_is_shown_and_cleared(terminal: Terminal) -> None:
    latest = LatestProgress()
    with terminal.progress(latest) as show:
        show()
        latest(StatusChanged())
        show()
        assert terminal.written() == ""
        latest(Progress("Indexing", 0, 0))
        show()
        assert terminal.written().startswith(f"{CLEAR}Indexing, ")
        latest(Progress("Indexing", 3, 12))
        show()
        assert terminal.written().startswith(f"{CLEAR}Indexing: 25% (3 of 12), ")
    assert terminal.written() == CLEAR


def test_nothing_is_cleared_that_was_not_shown(terminal: Terminal) -> None:
    with terminal.progress(LatestProgress()) as show:
        show()
    assert terminal.written() == ""


def test_the_line_is_cleared_after_an_error(terminal: Terminal) -> None:
    latest = LatestProgress()
    latest(Progress("Indexing", 1, 2))
    with suppress(KeyboardInterrupt), terminal.progress(latest) as show:
        show()
        raise KeyboardInterrupt
    assert terminal.written().endswith(CLEAR)


@pytest.mark.parametrize("columns", [1, 2, 20, 200])
def test_the_line_fits_the_terminal(terminal: Terminal, columns: int) -> None:
    latest = LatestProgress()
    terminal.resize(columns)
    with terminal.progress(latest) as show:
        latest(Progress("Indexing", 123_456, 200_000))
        show()
        assert len(terminal.written().removeprefix(CLEAR)) < columns


def test_a_title_cannot_drive_the_terminal(terminal: Terminal) -> None:
    latest = LatestProgress()
    with terminal.progress(latest) as show:
        latest(Progress("\x1b]0;owned\x07\n", 1, 2))
        show()
        assert terminal.written().startswith(f"{CLEAR}\\x1b]0;owned\\x07\\n: 50%")


def test_a_terminal_without_control_sequences_shows_nothing(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    latest = LatestProgress()
    latest(Progress("Indexing", 1, 2))
    with terminal.progress(latest) as show:
        show()
    assert terminal.written() == ""


def test_a_pipe_gets_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    latest = LatestProgress()
    latest(Progress("Indexing", 1, 2))
    with progress_line(latest) as show:
        show()
    assert capsys.readouterr().err == ""


def test_a_command_shows_and_clears_it(shop: Path, environment: dict[str, str], terminal: Terminal) -> None:
    for number in range(1000):
        (shop / f"part_{number}.py").write_text(f"def basket_{number}():\n    work()\n" * 20, encoding="utf-8")
    command = [sys.executable, "-m", "conexus", "index", str(shop)]
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=terminal.stream, env=environment, text=True, check=True
    )
    assert result.stdout.startswith("1006 files, ")
    written = terminal.written()
    assert written.startswith(f"{CLEAR}Indexing: ")
    assert written.endswith(CLEAR)
    assert "\n" not in written
