"""What thousands of saves leave behind: disk, files, descriptors, memory and query time beside a fresh index."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path

from benchmarks.client import Server
from benchmarks.edits import CHANGED, editable_files, is_found, new_word, tell
from benchmarks.live_compare import compare_with_fresh, comparison_rows, defects_of
from benchmarks.live_job import Figure, Job, Row, session, size_of, wait_until_stored
from benchmarks.memory import descriptors, proportional_mib, resident_mib
from benchmarks.table import percentile

_SAMPLES = 50
#: How often the queries are asked for one sample.
_ROUNDS = 3
_FILES = 200
_MOST_OUTSTANDING = 20
_RATIO = 1.3
_IDLE_SECONDS = 90.0
_STILL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The server and its data directory at one moment."""

    saves: int
    seconds: float
    disk_mib: float
    files: int
    descriptors: int
    pss_mib: float
    rss_mib: float
    query_p50_ms: float
    query_p95_ms: float


_COMPARED = ("disk_mib", "files", "descriptors", "pss_mib", "rss_mib", "query_p50_ms", "query_p95_ms")
_UNITS = {"mib": "MiB", "ms": "ms"}
_NAMES = {
    "disk_mib": "data directory",
    "files": "files in it",
    "descriptors": "open descriptors, all processes",
    "pss_mib": "memory, all processes (PSS)",
    "rss_mib": "memory of the server (RSS)",
    "query_p50_ms": "query p50",
    "query_p95_ms": "query p95",
}


def measure(job: Job) -> Figure:
    dice = random.Random(job.numbers.seed)  # noqa: S311  repeatable, not secret
    size = job.size("mid", "small")
    figure = Figure()
    with job.copy(size) as folder, job.folder("data") as data, session(folder, data) as server:
        server.initialize()
        server.wait_until_indexed()
        wait_until_stored(data)
        began = time.monotonic()
        samples = [_sample(job, server, data, 0, began)]
        files = editable_files(folder, _FILES, dice)
        texts = {file: file.read_text(encoding="utf-8", errors="replace") for file in files}
        every = max(1, job.numbers.saves // _SAMPLES)
        lost = 0
        word = ""
        for number in range(1, job.numbers.saves + 1):
            file, word = files[number % len(files)], new_word(dice)
            _save(server, file, texts[file], word, dice)
            if number % min(_MOST_OUTSTANDING, max(1, len(files) // 2)) == 0:
                server.wait_until_indexed(every=0.005)
            if number % every == 0:
                server.wait_until_indexed(every=0.005)
                samples.append(_sample(job, server, data, number, began))
                lost += not is_found(server, file, word)
        seconds = time.monotonic() - began
        idle_ms = _wait_idle(job, server, data)
        settled, fresh = _beside_a_fresh_one(job, server, folder, _sample(job, server, data, job.numbers.saves, began))
        comparison = compare_with_fresh(job, server, 100, dice)
        server.stop()
    figure.rows = [
        Row("saves", size, job.numbers.saves, ""),
        Row("saves each second, searchable", size, job.numbers.saves / seconds, ""),
        *(
            Row(
                f"{_NAMES[key]}, after the saves and a rest / fresh",
                size,
                getattr(settled, key),
                _UNITS.get(key.rpartition("_")[2], ""),
                most=_RATIO * getattr(fresh, key),
            )
            for key in _COMPARED
        ),
        *(
            Row(
                f"{_NAMES[key]}, most while saving",
                size,
                max(getattr(each, key) for each in samples),
                _UNITS.get(key.rpartition("_")[2], ""),
            )
            for key in _COMPARED
        ),
        Row("longest query during the rest", size, max(idle_ms), "ms"),
        Row("sampled saves not found", size, lost, "", 0.0),
        *comparison_rows(size, comparison),
    ]
    figure.measured = {
        "samples": [asdict(each) for each in samples],
        "settled": asdict(settled),
        "fresh": asdict(fresh),
        "ratios": {key: getattr(settled, key) / max(getattr(fresh, key), 1e-9) for key in _COMPARED},
        "idleQueryMs": idle_ms,
        "comparison": comparison,
    }
    figure.defects += defects_of(comparison, f"after {job.numbers.saves} saves")
    return figure


def _save(server: Server, file: Path, text: str, word: str, dice: random.Random) -> None:
    """The file as it was first, and one new line: many saves make no larger tree."""
    lines = text.splitlines(keepends=True)
    lines.insert(dice.randrange(len(lines) + 1), f"{word}\n")
    file.write_text("".join(lines), encoding="utf-8")
    tell(server, file, CHANGED)


def _sample(job: Job, server: Server, data: Path, saves: int, began: float) -> Sample:
    times = [each for _ in range(_ROUNDS) for each in _asked(job, server)]
    process = server.process.pid
    disk, files = size_of(data)
    return Sample(
        saves=saves,
        seconds=time.monotonic() - began,
        disk_mib=disk / 2**20,
        files=files,
        descriptors=descriptors(process),
        pss_mib=proportional_mib(process),
        rss_mib=resident_mib(process)["VmRSS"],
        query_p50_ms=percentile(times, 50),
        query_p95_ms=percentile(times, 95),
    )


def _wait_idle(job: Job, server: Server, data: Path) -> list[float]:
    """Leave the server alone, but for a query now and then, until its data directory is still; returns their times."""
    deadline = time.monotonic() + _IDLE_SECONDS
    before, still_since = size_of(data), time.monotonic()
    times = [_asked_ms(server, job.queries[0])]
    while time.monotonic() < deadline and time.monotonic() - still_since < _STILL_SECONDS:
        time.sleep(2.0)
        times.append(_asked_ms(server, job.queries[len(times) % len(job.queries)]))
        if (now := size_of(data)) != before:
            before, still_since = now, time.monotonic()
    return times


def _beside_a_fresh_one(job: Job, saved: Server, folder: Path, settled: Sample) -> tuple[Sample, Sample]:
    """The server after the saves, and one with a new index of the tree as it is now, after the same rest.

    Memory and queries of both are of the time when both run. They share the pages of Python and its libraries, of which
    each counts half in its share; and they are asked in turns, for a minute later the machine may be slower.
    """
    with job.folder("fresh") as data, session(folder, data) as server:
        server.initialize()
        server.wait_until_indexed()
        wait_until_stored(data)
        _asked(job, server)  # the other one has been asked before, too
        _wait_idle(job, server, data)
        fresh = _sample(job, server, data, 0, time.monotonic())
        settled = replace(settled, pss_mib=proportional_mib(saved.process.pid))
        rounds = [[_asked(job, each) for each in (saved, server)] for _ in range(1 + _ROUNDS)]
        server.stop()
    # The first round was for what both had let go of meanwhile.
    of_saved, of_fresh = (list(chain.from_iterable(times)) for times in zip(*rounds[1:], strict=True))
    return _with_times(settled, of_saved), _with_times(fresh, of_fresh)


def _with_times(sample: Sample, times: Sequence[float]) -> Sample:
    return replace(sample, query_p50_ms=percentile(times, 50), query_p95_ms=percentile(times, 95))


def _asked(job: Job, server: Server) -> list[float]:
    """How many milliseconds each query takes."""
    return [_asked_ms(server, query) for query in job.queries]


def _asked_ms(server: Server, query: str) -> float:
    began = time.perf_counter()
    server.ask("conexus/search", {"query": query, "limit": 10})
    return 1000 * (time.perf_counter() - began)
