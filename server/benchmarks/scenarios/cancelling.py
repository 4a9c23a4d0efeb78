"""Questions that are cancelled: each is answered once and at once, and a storm of them holds up nobody."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from concurrent.futures import TimeoutError as NoAnswer
from concurrent.futures import wait
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness import edits, plot
from benchmarks.harness.background import Background
from benchmarks.harness.client import Answer, Server, ServerError
from benchmarks.harness.pulse import Pulse
from benchmarks.harness.samples import phrases
from benchmarks.harness.trial import Scenario, Trial
from benchmarks.harness.waiting import milliseconds_until, seconds_until

_SEARCHES = 200
_LONGEST_WAIT = 0.02
#: How many searches at once find a place in the server's queue, and how many do not.
_FEW, _MANY = 50, 300
_STORMS = 5
_ALONE = 20
_EVENTS, _EVENTS_AT_ONCE = 2000, 100
_EVENTS_EVERY_SECONDS = 0.05
_KEYSTROKES, _SEARCHES_AFTER_A_KEYSTROKE = 20, 5
_PATIENCE = 30.0
_WORDS = 50
_KEYSTROKE_MS = 300.0
_CANCELLED, _TRY_AGAIN = -32800, -32803


def measure(trial: Trial) -> None:
    dice, folder = trial.dice, trial.folder
    with trial.session("stored") as server:
        asker = _Asker(server, phrases(folder, _MANY, dice), dice)
        alone = [asker.alone() for _ in range(_ALONE)]
        cancelled = [asker.cancelled() for _ in range(_SEARCHES)]
        storms = {count: [asker.storm(count) for _ in range(_STORMS)] for count in (_FEW, _MANY)}
        told = _while_busy(asker, folder, dice, searching=False)
        busy = _while_busy(asker, folder, dice, searching=True)
        unasked = len(server.unasked)
        trial.compare(server, "after the storms", words=_WORDS)
    late = [each["ms"] for each in cancelled if each["ms"] is not None]
    trial.row("searches that were cancelled", len(cancelled))
    trial.row("… answered before", len(cancelled) - len(late))
    trial.spread("… cancelled to answered", late, at=(50, 95, 100))
    trial.spread("a search alone", alone, at=(50, 100))
    for count, each in storms.items():
        _add_rows_of_storms(trial, count, each)
    trial.row("answers that are missing", len(asker.unanswered), most=0.0)
    trial.row("answers to what was answered before", unasked, most=0.0)
    trial.row("file events meanwhile", told["events"])
    _add_rows_while_busy(trial, told)
    trial.row("file events, and storms of searches without end, meanwhile", busy["events"])
    trial.row("… storms", len(busy["stormMs"]))
    _add_rows_while_busy(trial, busy)
    trial.measured(aloneMs=alone, cancelled=cancelled, storms=storms, told=told, busy=busy)
    if asker.wrong:
        trial.defect(f"{len(asker.wrong)} answers are neither a result nor `cancelled`: {asker.wrong[:5]}")
    if asker.unanswered:
        trial.defect(f"{len(asker.unanswered)} searches were not answered in {_PATIENCE:.0f} s")


def _add_rows_of_storms(trial: Trial, count: int, storms: Sequence[dict[str, Any]]) -> None:
    lasts = [each["lastMs"] for each in storms]
    trial.spread(f"the last of {count} searches at once, the others cancelled", lasts, at=(50,))
    trial.row("… longest", max(lasts), "ms")
    trial.row("… all of them answered, longest", max(each["allMs"] for each in storms), "ms")
    trial.row(f"… told to ask again later, in {len(storms)} times", sum(each["refused"] for each in storms))


def _add_rows_while_busy(trial: Trial, busy: dict[str, Any]) -> None:
    beat = busy["pulse"]
    trial.row("… a costless request, p95", beat["server"]["p95"], "ms")
    trial.row("… a costless request, longest", beat["server"]["max"], "ms")
    trial.row("… the same from a process that echoes, longest", beat["echo"]["max"], "ms")
    trial.spread("… a search", busy["searchMs"])
    trial.spread("… keystroke to searchable", busy["keystrokeMs"], most={95: _KEYSTROKE_MS})


class _Asker:
    """Asks and cancels, and keeps what must not be."""

    def __init__(self, server: Server, queries: Sequence[str], dice: random.Random) -> None:
        self.server = server
        #: What errors said that are no answer to a cancelled request.
        self.wrong: list[str] = []
        #: Queries without an answer.
        self.unanswered: list[str] = []
        self._queries, self._dice = queries, dice

    def alone(self) -> float:
        """Milliseconds of a search."""
        began = time.perf_counter()
        self._ask(self._query()).result(_PATIENCE)
        return 1000 * (time.perf_counter() - began)

    def cancelled(self) -> dict[str, Any]:
        """Search and cancel that a moment later; how long the answer took from then, None if it was there before."""
        answered: list[float] = []
        query = self._query()
        answer = self._ask(query)
        answer.add_done_callback(lambda _: answered.append(time.perf_counter()))
        waited = self._dice.random() * _LONGEST_WAIT
        time.sleep(waited)
        cancelled = time.perf_counter()
        self.server.cancel(answer)
        error = self._error_of(query, answer)
        late = answered and answered[0] >= cancelled
        return {
            "waitedMs": 1000 * waited,
            "ms": 1000 * (answered[0] - cancelled) if late else None,
            "cancelled": error is not None,
        }

    def storm(self, count: int) -> dict[str, Any]:
        """Searches at once, of which only the last is wanted; milliseconds from when that one was sent."""
        queries = [self._query() for _ in range(count)]
        answers = [self._ask(query) for query in queries]
        began = time.perf_counter()
        for answer in answers[:-1]:
            self.server.cancel(answer)
        refused = self._until_result(queries[-1], answers[-1])
        last = time.perf_counter()
        refused += sum(self._is_refused(query, answer) for query, answer in zip(queries[:-1], answers, strict=False))
        every = time.perf_counter()
        return {"lastMs": 1000 * (last - began), "allMs": 1000 * (every - began), "refused": refused}

    def _until_result(self, query: str, answer: Answer) -> int:
        """Wait for an answer, asking again when the server says so; returns how often it did."""
        refused = 0
        while True:
            try:
                answer.result(_PATIENCE)
            except NoAnswer:
                self.unanswered.append(query)
            except ServerError as error:
                if (wait_ms := _retry_after_ms(error)) is None:
                    self.wrong.append(str(error))
                else:
                    refused += 1
                    time.sleep(wait_ms / 1000)
                    answer = self._ask(query)
                    continue
            return refused

    def _is_refused(self, query: str, answer: Answer) -> bool:
        error = self._error_of(query, answer, may_refuse=True)
        return error is not None and error.code == _TRY_AGAIN

    def _error_of(self, query: str, answer: Answer, *, may_refuse: bool = False) -> ServerError | None:
        """The error of a cancelled request, None if it has a result."""
        if answer in wait([answer], _PATIENCE).not_done:
            self.unanswered.append(query)
            return None
        error = answer.exception()
        if not isinstance(error, ServerError):
            return None
        if error.code != _CANCELLED and not (may_refuse and _retry_after_ms(error) is not None):
            self.wrong.append(str(error))
        return error

    def _ask(self, query: str) -> Answer:
        return self.server.send("conexus/search", {"query": query, "limit": 10})

    def _query(self) -> str:
        """None is asked twice in a row, so that nothing of an answer is there yet."""
        return f"{self._dice.choice(self._queries)} {self._dice.choice(self._queries)}"


def _retry_after_ms(error: ServerError) -> float | None:
    """When the client may ask again of what the server has too much to do for."""
    if error.code != _TRY_AGAIN or not isinstance(error.data, dict):
        return None
    return error.data.get("retryAfterMs")


# --- all at once ---


def _while_busy(asker: _Asker, folder: Path, dice: random.Random, *, searching: bool) -> dict[str, Any]:
    """Keystrokes in an open buffer, searches and a pulse, while file events of files that did not change come.

    ``searching``: while storms of searches come as well, one after the other.
    """
    server = asker.server
    files = edits.editable_files(folder, _EVENTS, dice)
    file = files.pop()
    lines = edits.open_file(server, file).count("\n")
    server.wait_until_indexed()
    typed: list[float] = []
    asked: list[float] = []
    with Pulse(server) as pulse, _Noise(asker, files or [file], searching=searching) as noise:
        for number in range(_KEYSTROKES):
            word, line = edits.new_word(dice), dice.randrange(lines + 1)
            insert = partial(server.insert, file, line, f"{word}\n", number + 2)
            typed.append(milliseconds_until(partial(_is_found, server, file, word), insert))
            # In a storm of them it may be refused.
            asked += [] if searching else [asker.alone() for _ in range(_SEARCHES_AFTER_A_KEYSTROKE)]
        # Keystrokes may be found before as much was sent as there should be.
        seconds_until(lambda: noise.is_loud, patience=_PATIENCE, every=0.01)
    server.close(file)
    server.wait_until_indexed()
    return {
        "keystrokeMs": typed,
        "searchMs": asked,
        "stormMs": noise.storms,
        "events": noise.events,
        "pulse": pulse.summary(),
    }


def _is_found(server: Server, file: Path, word: str) -> bool:
    """Who is told to ask again later has not found it yet."""
    try:
        return edits.is_found(server, file, word)
    except ServerError as error:
        if _retry_after_ms(error) is None:
            raise
        return False


class _Noise(Background):
    """File events, and storms of cancelled searches if wanted, from threads, in a ``with`` statement."""

    def __init__(self, asker: _Asker, files: Sequence[Path], *, searching: bool) -> None:
        super().__init__(*((self._search, self._tell) if searching else (self._tell,)))
        self.events = 0
        #: Milliseconds until the last search of each was answered.
        self.storms: list[float] = []
        self._asker, self._files, self._searching = asker, files, searching

    @property
    def is_loud(self) -> bool:
        """Whether as much was sent as there should be."""
        return self.events >= _EVENTS and bool(self.storms or not self._searching)

    def _search(self) -> None:
        while not self.ending.is_set():
            self.storms.append(self._asker.storm(_MANY)["lastMs"])

    def _tell(self) -> None:
        while not self.ending.wait(_EVENTS_EVERY_SECONDS):
            start = self.events % len(self._files)
            some = [*self._files[start:], *self._files][:_EVENTS_AT_ONCE]
            edits.tell(self._asker.server, edits.CHANGED, *some)
            self.events += len(some)


def _panel(axes: Any, measured: dict[str, Any]) -> None:
    series = {
        "2 000 file events a second": measured["told"]["keystrokeMs"],
        "and 300 searches at once, without end": measured["busy"]["keystrokeMs"],
    }
    plot.distribution(axes, series, _KEYSTROKE_MS, "keystroke to searchable in a storm, ms")


SCENARIO = Scenario(measure, ("large",), (_panel,))
