"""Keystroke to searchable in a long open buffer, and whether typing is ever held up."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.harness import plot
from benchmarks.harness.client import Server
from benchmarks.harness.edits import is_found, new_word, open_file, source_files
from benchmarks.harness.pulse import Pulse
from benchmarks.harness.trial import Scenario, Trial
from benchmarks.harness.waiting import milliseconds_until, seconds_until, until

_LINES = 2000
_KEY_SECONDS = 0.06
_WORDS_OF_BURST = 4
_GONE_SECONDS = 5.0
_KEYSTROKE_MS, _STALL_MS = 300.0, 50.0


def measure(trial: Trial) -> None:
    """Single edits, then bursts at a typist's pace, in an unsaved buffer of 2 000 lines."""
    dice, count = trial.dice, trial.job.numbers.edits
    file = _long_file(trial.folder)
    with trial.session("stored") as server:
        lines = open_file(server, file).count("\n")
        server.wait_until_indexed()
        buffer = _Buffer(server, file, lines)
        with Pulse(server) as pulse:
            single = [buffer.insert_word(new_word(dice), dice) for _ in range(count)]
            began_typing = pulse.now()
            typed = [ms for _ in range(max(1, count // _WORDS_OF_BURST)) for ms in buffer.burst(dice)]
        server.close(file)
        ghosts = [word for word in buffer.words if not buffer.is_gone(word)]
    beat = pulse.summary()
    trial.spread("keystroke to searchable", single, most={95: _KEYSTROKE_MS})
    trial.spread("… while typing goes on", typed, most={95: _KEYSTROKE_MS})
    for name in ("p50", "p95"):
        trial.row(f"… a costless request meanwhile, {name}", beat["server"][name], "ms")
    trial.row("… a costless request meanwhile, longest", beat["server"]["max"], "ms", _STALL_MS)
    trial.row("… the same from a process that echoes, longest", beat["echo"]["max"], "ms")
    trial.measured(
        file=file.name,
        singleMs=single,
        typingMs=typed,
        pulse=beat,
        pulseTyping=pulse.summary(began_typing),
        pulseAt=pulse.server.at,
        pulseMs=pulse.server.ms,
    )
    if buffer.wrong:
        trial.defect(f"ranges of hits in the open buffer do not show what was typed: {buffer.wrong[:5]}")
    if ghosts:
        trial.defect(f"{len(ghosts)} of {len(buffer.words)} unsaved words are found after the buffer closed")


class _Buffer:
    """The open document: what is typed goes to lines of its own, so that where it stands is known."""

    def __init__(self, server: Server, file: Path, lines: int) -> None:
        self.words: list[str] = []
        #: Hits whose ranges do not hold the word.
        self.wrong: list[dict[str, Any]] = []
        self._server, self._file, self._lines = server, file, lines
        self._version = 1

    def insert_word(self, word: str, dice: random.Random) -> float:
        """One change with the whole word; returns the milliseconds until it was found."""
        line = self._new_line(dice)
        self.words.append(word)
        waited = milliseconds_until(lambda: self._is_found(word), lambda: self._put(line, f"{word}\n"))
        self._check(word, line)
        return waited

    def burst(self, dice: random.Random) -> list[float]:
        """Some words, key by key; for each the milliseconds from its last key until it was found."""
        line = self._new_line(dice)
        self._put(line, "\n")
        words = [new_word(dice)[:8] for _ in range(_WORDS_OF_BURST)]
        self.words += words
        finished: dict[str, float] = {}
        typist = threading.Thread(target=self._type, args=(line, words, finished), daemon=True)
        typist.start()
        waited = []
        for word in words:
            until(lambda word=word: self._is_found(word) and word in finished, "a typed word is searchable")  # type: ignore[misc]
            waited.append(1000 * (time.perf_counter() - finished[word]))
        typist.join()
        self._check(words[-1], line)
        return waited

    def is_gone(self, word: str) -> bool:
        """Whether a search does not find a word any more, a little later at the latest."""
        return seconds_until(lambda: not self._is_found(word), patience=_GONE_SECONDS, every=0.002) is not None

    def _new_line(self, dice: random.Random) -> int:
        line = dice.randrange(self._lines)
        self._lines += 1
        return line

    def _is_found(self, word: str) -> bool:
        return is_found(self._server, self._file, word)

    def _type(self, line: int, words: list[str], finished: dict[str, float]) -> None:
        column = 0
        for word in words:
            for place, key in enumerate(f"{word} "):
                if place == len(word) - 1:
                    finished[word] = time.perf_counter()
                self._put(line, key, column)
                column += 1
                time.sleep(_KEY_SECONDS)

    def _put(self, line: int, text: str, column: int = 0) -> None:
        self._version += 1
        self._server.insert(self._file, line, text, self._version, character=column)

    def _check(self, word: str, line: int) -> None:
        """Is the line inside a hit's range, and is that range of the latest version?"""
        self._server.wait_until_indexed()
        for hit in self._server.search(word, 5)["hits"]:
            if hit["location"]["uri"] == self._file.as_uri() and word in hit["preview"]:
                shown = hit["location"]["range"]
                start, end = ((shown[edge]["line"], shown[edge]["character"]) for edge in ("start", "end"))
                if not start <= (line, 0) < end or hit.get("version") != self._version:
                    found = {"range": shown, "version": hit.get("version")}
                    self.wrong.append({"line": line, "version": self._version, **found})


def _long_file(folder: Path) -> Path:
    """Write a file of 2 000 lines from files of the folder's most frequent language; returns its path."""
    files = [*source_files(folder)]
    suffix = Counter(file.suffix for file in files).most_common(1)[0][0]
    lines: list[str] = []
    for file in sorted(file for file in files if file.suffix == suffix):
        lines += file.read_text(encoding="utf-8", errors="replace").splitlines()
    made = folder / f"long_live_buffer{suffix}"
    made.write_text("".join(f"{line}\n" for line in lines[:_LINES]), encoding="utf-8")
    return made


def _panel(axes: Any, measured: dict[str, Any]) -> None:
    series = {"single edits": measured["singleMs"], "while typing": measured["typingMs"]}
    plot.distribution(axes, series, _KEYSTROKE_MS, "keystroke to searchable, ms")


SCENARIO = Scenario(measure, ("mid", "small"), (_panel,))
