"""Questions that are cancelled: each is answered once and at once, and a storm of them holds up nobody."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import TimeoutError as NoAnswer
from concurrent.futures import wait
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks import edits
from benchmarks.client import Answer, Server, ServerError
from benchmarks.live_compare import compare_with_fresh, comparison_rows, defects_of, phrases
from benchmarks.live_job import Figure, Job, Row, session, wait_until_stored
from benchmarks.live_pulse import Pulse
from benchmarks.table import percentile

_SEARCHES = 200
_LONGEST_WAIT = 0.02
#: So many at once find a place in the server's queue, and so many do not.
_FEW, _MANY = 50, 300
_STORMS = 5
_ALONE = 20
_EVENTS, _EVENTS_AT_ONCE = 2000, 100
_EVENTS_EVERY_SECONDS = 0.05
_KEYSTROKES, _SEARCHES_AFTER_A_KEYSTROKE = 20, 5
_PATIENCE = 30.0
_WORDS = 50
_CANCELLED, _TRY_AGAIN = -32800, -32803


def measure(job: Job) -> Figure:
    dice = random.Random(job.numbers.seed)  # noqa: S311  repeatable, not secret
    size = job.size("large")
    figure = Figure()
    with job.copy(size) as folder, job.folder("data") as data, session(folder, data) as server:
        server.initialize()
        server.wait_until_indexed()
        wait_until_stored(data)
        asker = _Asker(server, phrases(folder, _MANY, dice), dice)
        alone = [asker.alone() for _ in range(_ALONE)]
        cancelled = [asker.cancelled() for _ in range(_SEARCHES)]
        storms = {count: [asker.storm(count) for _ in range(_STORMS)] for count in (_FEW, _MANY)}
        told = _while_busy(asker, folder, dice, searching=False)
        busy = _while_busy(asker, folder, dice, searching=True)
        unasked = len(server.unasked)
        comparison = compare_with_fresh(job, server, _WORDS, dice)
        server.stop()
    late = [each["ms"] for each in cancelled if each["ms"] is not None]
    figure.rows = [
        Row("searches that were cancelled", size, len(cancelled), ""),
        Row("… answered before", size, len(cancelled) - len(late), ""),
        *(Row(f"… cancelled to answered, p{p}", size, percentile(late, p), "ms") for p in (50, 95) if late),
        *(Row("… cancelled to answered, longest", size, each, "ms") for each in sorted(late)[-1:]),
        Row("a search alone, p50", size, percentile(alone, 50), "ms"),
        Row("a search alone, longest", size, max(alone), "ms"),
        *(row for count, each in storms.items() for row in _rows_of_storms(size, count, each)),
        Row("answers that are missing", size, len(asker.unanswered), "", 0.0),
        Row("answers to what was answered before", size, unasked, "", 0.0),
        Row("file events meanwhile", size, told["events"], ""),
        *_rows_while_busy(size, told),
        Row("file events, and storms of searches without end, meanwhile", size, busy["events"], ""),
        Row("… storms", size, len(busy["stormMs"]), ""),
        *_rows_while_busy(size, busy),
        *comparison_rows(size, comparison),
    ]
    figure.measured = {
        "aloneMs": alone,
        "cancelled": cancelled,
        "storms": {str(count): each for count, each in storms.items()},
        "told": told,
        "busy": busy,
        "comparison": comparison,
    }
    if asker.wrong:
        figure.defects.append(f"{len(asker.wrong)} answers are neither a result nor `cancelled`: {asker.wrong[:5]}")
    if asker.unanswered:
        figure.defects.append(f"{len(asker.unanswered)} searches were not answered in {_PATIENCE:.0f} s")
    figure.defects += defects_of(comparison, "after the storms")
    return figure


def _rows_of_storms(size: str, count: int, storms: Sequence[dict[str, Any]]) -> list[Row]:
    lasts = [each["lastMs"] for each in storms]
    return [
        Row(f"the last of {count} searches at once, the others cancelled, p50", size, percentile(lasts, 50), "ms"),
        Row("… longest", size, max(lasts), "ms"),
        Row("… all of them answered, longest", size, max(each["allMs"] for each in storms), "ms"),
        Row(f"… told to ask again later, in {len(storms)} times", size, sum(each["refused"] for each in storms), ""),
    ]


def _rows_while_busy(size: str, busy: dict[str, Any]) -> list[Row]:
    beat = busy["pulse"]
    return [
        Row("… a costless request, p95", size, beat["server"]["p95"], "ms"),
        Row("… a costless request, longest", size, beat["server"]["max"], "ms"),
        Row("… the same from a process that echoes, longest", size, beat["echo"]["max"], "ms"),
        *(Row(f"… a search, p{p}", size, percentile(busy["searchMs"], p), "ms") for p in (50, 95) if busy["searchMs"]),
        Row("… keystroke to searchable, p50", size, percentile(busy["keystrokeMs"], 50), "ms"),
        Row("… keystroke to searchable, p95", size, percentile(busy["keystrokeMs"], 95), "ms", 300.0),
    ]


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
    text = file.read_text(encoding="utf-8", errors="replace")
    server.open(file, text, edits.LANGUAGE_IDS[file.suffix])
    server.wait_until_indexed()
    lines, typed, asked = text.count("\n"), [], []
    with Pulse(server) as pulse, _Noise(asker, files or [file], searching=searching) as noise:
        for number in range(_KEYSTROKES):
            word, line = edits.new_word(dice), dice.randrange(lines + 1)
            typed.append(
                edits.milliseconds_until(
                    lambda word=word: _is_found(server, file, word),  # type: ignore[misc]
                    lambda word=word, line=line, version=number + 2: server.insert(file, line, f"{word}\n", version),  # type: ignore[misc]
                )
            )
            # In a storm of them it may be refused.
            asked += [] if searching else [asker.alone() for _ in range(_SEARCHES_AFTER_A_KEYSTROKE)]
        noise.wait_until_loud()
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


class _Noise:
    """File events, and storms of cancelled searches if wanted, from threads, in a ``with`` statement."""

    def __init__(self, asker: _Asker, files: Sequence[Path], *, searching: bool) -> None:
        self.events = 0
        #: Milliseconds until the last search of each was answered.
        self.storms: list[float] = []
        self._asker, self._files = asker, files
        self._stop = threading.Event()
        self._searching = searching
        work = (self._search, self._tell) if searching else (self._tell,)
        self._threads = [threading.Thread(target=each, daemon=True) for each in work]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_until_loud(self) -> None:
        """Wait until as much was sent as there should be: keystrokes may be found sooner."""
        deadline = time.perf_counter() + _PATIENCE
        while (self.events < _EVENTS or (self._searching and not self.storms)) and time.perf_counter() < deadline:
            time.sleep(0.01)

    def _search(self) -> None:
        while not self._stop.is_set():
            self.storms.append(self._asker.storm(_MANY)["lastMs"])

    def _tell(self) -> None:
        while not self._stop.wait(_EVENTS_EVERY_SECONDS):
            start = self.events % len(self._files)
            some = [*self._files[start:], *self._files][:_EVENTS_AT_ONCE]
            changes = [{"uri": file.as_uri(), "type": edits.CHANGED} for file in some]
            self._asker.server.tell("workspace/didChangeWatchedFiles", {"changes": changes})
            self.events += len(changes)
