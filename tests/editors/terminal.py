"""A terminal with a program in it, for tests that type and look at the screen."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ptyprocess import PtyProcessUnicode

from tests.editors import picture
from tests.editors.emulator import Emulator

#: Nothing on a screen takes so long; a test that waits so long has failed.
PATIENCE = 30.0

#: Programs tell the key Escape from the beginning of another key's code by the pause that follows it.
_AFTER_ESCAPE = 0.15

#: When something is done again whose effect has not come.
_AGAIN = 1.0

_KEYS = {
    "Enter": "\r",
    "Escape": "\x1b",
    "Tab": "\t",
    "Space": " ",
    "Backspace": "\x7f",
    "Up": "\x1b[A",
    "Down": "\x1b[B",
    "Right": "\x1b[C",
    "Left": "\x1b[D",
    "Home": "\x1b[H",
    "End": "\x1b[F",
    "PageUp": "\x1b[5~",
    "PageDown": "\x1b[6~",
    "F1": "\x1bOP",
}

#: A text, a pattern, or a function of the screen's text.
Wanted = str | re.Pattern[str] | Callable[[str], object]


class Terminal:
    """A program in a terminal of its own. Leaving the `with` block ends it, and all else in that terminal."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        columns: int = 110,
        rows: int = 32,
    ) -> None:
        self._emulator = Emulator(columns, rows)
        self._emulator.write_process_input = self._answer  # type: ignore[method-assign, assignment]
        self._changed = threading.Condition()
        self._ended = False
        self._process = PtyProcessUnicode.spawn(
            list(command),
            cwd=str(folder),
            env={**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            dimensions=(rows, columns),
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(f"On the screen was:\n{self.screen}")
        self.close()

    # --- typing ---

    def type(self, text: str) -> None:
        self._process.write(text)

    def press(self, *keys: str) -> None:
        """Keys by name, such as `Enter`, `F1`, `C-x` and `M-x`, or the characters that they carry."""
        for key in keys:
            self.type(_code_of(key))
            if key == "Escape":
                time.sleep(_AFTER_ESCAPE)

    # --- looking ---

    @property
    def screen(self) -> str:
        """What is shown, without the spaces at the ends of lines."""
        with self._changed:
            return self._text()

    @property
    def cursor(self) -> tuple[int, int]:
        """Its row and column on the screen, both from 0."""
        with self._changed:
            return self._emulator.cursor.y, self._emulator.cursor.x

    def wait_for(self, wanted: Wanted, patience: float = PATIENCE) -> str:
        """The screen, once it is as wanted."""
        deadline = time.monotonic() + patience
        with self._changed:
            while not _shows(screen := self._text(), wanted):
                left = deadline - time.monotonic()
                assert left > 0, f"not on the screen within {patience:.0f} s: {wanted}"
                assert not self._ended, f"the program has ended before the screen showed {wanted}"
                self._changed.wait(left)
        return screen

    def repeat(self, action: Callable[[], None], wanted: Wanted, patience: float = PATIENCE) -> str:
        """The screen, once it is as wanted; the action, such as asking again, is done again and again meanwhile."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            action()
            with suppress(AssertionError):
                return self.wait_for(wanted, _AGAIN)
        raise AssertionError(f"not on the screen within {patience:.0f} s, however often it was asked for: {wanted}")

    def wait_for_end(self, patience: float = PATIENCE) -> int:
        """The exit status of the program, once it has ended by itself."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._ended, patience), "the program has not ended"
        return int(self._process.wait())

    def save_png(self, path: Path, colours: picture.Colours = picture.DARK) -> None:
        with self._changed:
            picture.save_png(self._emulator, path, colours)

    # --- life ---

    def close(self) -> None:
        self._process.terminate(force=True)
        # Whatever else is in the terminal keeps it open, and the reader would wait for it.
        for pid in _processes_of_session(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._reader.join(PATIENCE)
        self._process.close()

    def _read(self) -> None:
        with suppress(EOFError):
            while text := self._process.read(65536):
                with self._changed:
                    self._emulator.feed(text)
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _answer(self, text: str) -> None:
        """The program has asked the terminal something, such as where the cursor is."""
        with suppress(OSError):
            self._process.write(text)

    def _text(self) -> str:
        return "\n".join(line.rstrip() for line in self._emulator.display)


def _code_of(key: str) -> str:
    if key.startswith("M-"):
        return f"\x1b{_code_of(key[2:])}"
    if key.startswith("C-"):
        return chr(ord(key[2:].upper()) & 0x1F)
    return key if len(key) == 1 else _KEYS[key]


def _shows(screen: str, wanted: Wanted) -> bool:
    if isinstance(wanted, str):
        return wanted in screen
    return bool(wanted.search(screen) if isinstance(wanted, re.Pattern) else wanted(screen))


def _processes_of_session(session: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # After the name, which may hold anything: state, parent, group, session.
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found
