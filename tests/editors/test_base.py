"""The terminal and the sample that all tests here stand on."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.editors.emulator import Emulator
from tests.editors.sample import Sample
from tests.editors.terminal import Terminal
from tests.faults import processes_of, until


def shell(environment: dict[str, str], folder: Path, script: str) -> Terminal:
    return Terminal(["sh", "-c", script], environment=environment, folder=folder, columns=40, rows=6)


def test_what_is_typed_arrives_and_what_is_written_shows(environment: dict[str, str], tmp_path: Path) -> None:
    with shell(environment, tmp_path, 'read line; echo "got $line"; exit 3') as terminal:
        terminal.type("a 🎉 b")
        terminal.press("Enter")
        screen = terminal.wait_for(re.compile("got .* b"))
        assert "got a 🎉 b" in screen
        assert terminal.wait_for_end() == 3


def test_a_text_that_never_comes_is_a_failure_that_shows_the_screen(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match="not on the screen") as caught:  # noqa: PT012, SIM117
        with shell(environment, tmp_path, "echo here; sleep 600") as terminal:
            terminal.wait_for("here")
            terminal.wait_for("there", patience=0.1)
    assert any("here" in note for note in caught.value.__notes__)


def test_nothing_in_a_terminal_outlives_it(
    environment: dict[str, str], data_directory: Path, tmp_path: Path, no_process_left: None
) -> None:
    with shell(environment, tmp_path, "trap '' HUP INT TERM; sleep 600 & echo started; wait") as terminal:
        terminal.wait_for("started")
        assert len(processes_of(data_directory)) == 2
    assert not processes_of(data_directory)


def test_a_process_that_is_left_is_found(environment: dict[str, str], data_directory: Path) -> None:
    process = subprocess.Popen(["sleep", "600"], env=environment)
    try:
        until(lambda: processes_of(data_directory) == [process.pid])
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        pytest.param("\x1b[>4;1ma\x1b[<ub\x1b[=1;1uc\x1b[?25$pd\x1b[?ue", "abcde", id="protocols"),
        pytest.param("a\x1bP+q544e\x1b\\b\x1b_G\x1b\\c", "abc", id="strings"),
        pytest.param("\x1b[4:3;38:2::255:0:0mab\x1b[4:0mc", "abc", id="attributes with parts"),
        pytest.param("one\r\ntwo\r\nthree\x1b[S", "two\nthree", id="scroll up"),
        pytest.param("one\r\ntwo\x1b[T", "\none\ntwo", id="scroll down"),
        pytest.param("乾杯\x1b[1;5Hx", "乾杯x", id="wide"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_the_emulator_knows_what_editors_send_however_it_is_cut(output: str, shown: str, size: int) -> None:
    emulator = Emulator(10, 3)
    for start in range(0, len(output), size):
        emulator.feed(output[start : start + size])
    assert "\n".join(line.rstrip() for line in emulator.display).rstrip("\n") == shown


def test_colours_with_parts() -> None:
    emulator = Emulator(10, 3)
    emulator.feed("\x1b[4:3;38:2::255:0:16ma")
    assert (emulator.buffer[0][0].fg, emulator.buffer[0][0].underscore) == ("ff0010", True)


def test_a_picture_of_a_screen(environment: dict[str, str], tmp_path: Path) -> None:
    if not os.access("/usr/bin/chromium", os.X_OK):
        pytest.skip("chromium is not installed")
    with shell(environment, tmp_path, "printf '\\033[31mred\\033[0m 🎉'; read line") as terminal:
        terminal.wait_for("red")
        terminal.save_png(tmp_path / "screen.png")
    assert (tmp_path / "screen.png").read_bytes().startswith(b"\x89PNG")


def test_the_sample(sample: Sample) -> None:
    place = sample.place_of(sample.EMOJI_ANSWER, sample.emoji_file)
    # A party popper has four bytes in UTF-8 and two units in UTF-16; a Chinese sign three bytes and one unit.
    assert (place.line, place.column("utf-32")) == (2, 28)
    assert (place.column("utf-16"), place.column("utf-8")) == (30, 38)
    assert sample.rates_answer() in (sample.root / "shop/exchange.py").read_text()
    before = sample.rates_answer()
    sample.switch(sample.OTHER)
    assert sample.rates_answer() != before
    assert sample.rates_answer() in (sample.root / "shop/exchange.py").read_text()
