"""Keystroke to searchable in a long open buffer, and whether typing is ever held up."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.client import Server
from benchmarks.edits import LANGUAGE_IDS, editable_files, is_found, milliseconds_until, new_word
from benchmarks.live_job import Figure, Job, Row, session, wait_until_stored
from benchmarks.live_pulse import Pulse
from benchmarks.table import percentile

_LINES = 2000
_KEY_SECONDS = 0.06
_WORDS_OF_BURST = 4
_PATIENCE = 20.0


def measure(job: Job) -> Figure:
    """Single edits, then bursts at a typist's pace, in an unsaved buffer of 2 000 lines."""
    dice = random.Random(job.numbers.seed)  # noqa: S311  repeatable, not secret
    size = job.size("mid", "small")
    figure = Figure()
    with job.copy(size) as folder, job.folder("data") as data:
        file = _long_file(folder)
        text = file.read_text(encoding="utf-8")
        with session(folder, data) as server:
            server.initialize()
            server.wait_until_indexed()
            wait_until_stored(data)
            server.open(file, text, LANGUAGE_IDS[file.suffix])
            server.wait_until_indexed()
            buffer = _Buffer(server, file, text.count("\n"))
            with Pulse(server) as pulse:
                single = [buffer.insert_word(new_word(dice), dice) for _ in range(job.numbers.edits)]
                began_typing = pulse.now()
                bursts = max(1, job.numbers.edits // _WORDS_OF_BURST)
                typed = [ms for _ in range(bursts) for ms in buffer.burst(dice)]
            server.close(file)
            ghosts = [word for word in buffer.words if not _gone(server, file, word)]
            server.stop()
    beat = pulse.summary()
    figure.rows = [
        *(Row(f"keystroke to searchable, p{p}", size, percentile(single, p), "ms", _most(p)) for p in (50, 95)),
        *(Row(f"… while typing goes on, p{p}", size, percentile(typed, p), "ms", _most(p)) for p in (50, 95)),
        *(Row(f"… a costless request meanwhile, {p}", size, beat["server"][p], "ms") for p in ("p50", "p95")),
        Row("… a costless request meanwhile, longest", size, beat["server"]["max"], "ms", 50.0),
        Row("… the same from a process that echoes, longest", size, beat["echo"]["max"], "ms"),
    ]
    figure.measured = {
        "file": file.name,
        "singleMs": single,
        "typingMs": typed,
        "pulse": beat,
        "pulseTyping": pulse.summary(began_typing),
        "pulseAt": pulse.server.at,
        "pulseMs": pulse.server.ms,
    }
    if buffer.wrong:
        figure.defects.append(f"ranges of hits in the open buffer do not show what was typed: {buffer.wrong[:5]}")
    if ghosts:
        figure.defects.append(f"{len(ghosts)} of {len(buffer.words)} unsaved words are found after the buffer closed")
    return figure


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
        line = dice.randrange(self._lines)
        self._lines += 1
        self.words.append(word)
        waited = milliseconds_until(
            lambda: is_found(self._server, self._file, word), lambda: self._put(line, f"{word}\n")
        )
        self._check(word, line)
        return waited

    def burst(self, dice: random.Random) -> list[float]:
        """Some words, key by key; for each the milliseconds from its last key until it was found."""
        line = dice.randrange(self._lines)
        self._lines += 1
        self._put(line, "\n")
        words = [new_word(dice)[:8] for _ in range(_WORDS_OF_BURST)]
        self.words += words
        finished: dict[str, float] = {}
        typist = threading.Thread(target=self._type, args=(line, words, finished), daemon=True)
        typist.start()
        waited = []
        for word in words:
            deadline = time.perf_counter() + _PATIENCE
            while not (is_found(self._server, self._file, word) and word in finished):
                if time.perf_counter() > deadline:
                    raise TimeoutError(f"a typed word was not searchable after {_PATIENCE:.0f} s")
                time.sleep(0.002)
            waited.append(1000 * (time.perf_counter() - finished[word]))
        typist.join()
        self._check(words[-1], line)
        return waited

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
        hits = self._server.ask("conexus/search", {"query": word, "limit": 5})["hits"]
        for hit in hits:
            if hit["location"]["uri"] == self._file.as_uri() and word in hit["preview"]:
                shown = hit["location"]["range"]
                start, end = ((shown[edge]["line"], shown[edge]["character"]) for edge in ("start", "end"))
                if not start <= (line, 0) < end or hit.get("version") != self._version:
                    found = {"range": shown, "version": hit.get("version")}
                    self.wrong.append({"line": line, "version": self._version, **found})


def _gone(server: Server, file: Path, word: str) -> bool:
    try:
        milliseconds_until(lambda: not is_found(server, file, word), patience=5.0)
    except TimeoutError:
        return False
    return True


def _long_file(folder: Path) -> Path:
    """Write a file of 2 000 lines from files of the folder's most frequent language; returns its path."""
    files = editable_files(folder, 10**9, random.Random(0))  # noqa: S311
    suffix = Counter(file.suffix for file in files).most_common(1)[0][0]
    lines: list[str] = []
    for file in sorted(file for file in files if file.suffix == suffix):
        lines += file.read_text(encoding="utf-8", errors="replace").splitlines()
    made = folder / f"long_live_buffer{suffix}"
    made.write_text("".join(f"{line}\n" for line in lines[:_LINES]), encoding="utf-8")
    return made


def _most(percent: int) -> float | None:
    return 300.0 if percent == 95 else None
