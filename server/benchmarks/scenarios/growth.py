"""What thousands of saves leave behind: disk, files, descriptors, memory and query time beside a fresh index."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import Any

from benchmarks.harness import plot
from benchmarks.harness.client import Server
from benchmarks.harness.data_directory import size_of
from benchmarks.harness.edits import CHANGED, editable_files, is_found, new_word, tell, with_word
from benchmarks.harness.memory import descriptors, proportional_mib, resident_mib
from benchmarks.harness.table import percentile
from benchmarks.harness.trial import Scenario, Trial

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


#: What is compared with a fresh index: its name and its unit.
_COMPARED = {
    "disk_mib": ("data directory", "MiB"),
    "files": ("files in it", ""),
    "descriptors": ("open descriptors, all processes", ""),
    "pss_mib": ("memory, all processes (PSS)", "MiB"),
    "rss_mib": ("memory of the server (RSS)", "MiB"),
    "query_p50_ms": ("query p50", "ms"),
    "query_p95_ms": ("query p95", "ms"),
}


def measure(trial: Trial) -> None:
    dice, count = trial.dice, trial.job.numbers.saves
    with trial.session("stored") as server:
        began = time.monotonic()
        samples = [_sample(trial, server, 0, began)]
        files = editable_files(trial.folder, _FILES, dice)
        originals = {file: file.read_bytes() for file in files}
        every = max(1, count // _SAMPLES)
        lost = 0
        for number in range(1, count + 1):
            file, word = files[number % len(files)], new_word(dice)
            # The file as it was first, and one new line: many saves make no larger tree.
            file.write_bytes(with_word(originals[file], word, dice))
            tell(server, CHANGED, file)
            if number % min(_MOST_OUTSTANDING, max(1, len(files) // 2)) == 0 or number % every == 0:
                server.wait_until_indexed(every=0.005)
            if number % every == 0:
                samples.append(_sample(trial, server, number, began))
                lost += not is_found(server, file, word)
        seconds = time.monotonic() - began
        idle_ms = _wait_idle(trial, server)
        settled, fresh = _beside_a_fresh_one(trial, server, _sample(trial, server, count, began))
        trial.compare(server, f"after {count} saves")
    trial.row("saves", count)
    trial.row("saves each second, searchable", count / seconds)
    for key, (name, unit) in _COMPARED.items():
        most = _RATIO * getattr(fresh, key)
        trial.row(f"{name}, after the saves and a rest / fresh", getattr(settled, key), unit, most)
    for key, (name, unit) in _COMPARED.items():
        trial.row(f"{name}, most while saving", max(getattr(each, key) for each in samples), unit)
    trial.row("longest query during the rest", max(idle_ms), "ms")
    trial.row("sampled saves not found", lost, most=0.0)
    trial.measured(
        samples=[asdict(each) for each in samples],
        settled=asdict(settled),
        fresh=asdict(fresh),
        ratios={key: getattr(settled, key) / max(getattr(fresh, key), 1e-9) for key in _COMPARED},
        idleQueryMs=idle_ms,
    )


def _sample(trial: Trial, server: Server, saves: int, began: float) -> Sample:
    times = [each for _ in range(_ROUNDS) for each in _asked(trial, server)]
    process = server.process.pid
    disk, files = size_of(server.data)
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


def _wait_idle(trial: Trial, server: Server) -> list[float]:
    """Leave the server alone, but for a query now and then, until its data directory is still; returns their times."""
    queries, data = trial.job.queries, server.data
    deadline = time.monotonic() + _IDLE_SECONDS
    before, still_since = size_of(data), time.monotonic()
    times = [server.search_ms(queries[0])]
    while time.monotonic() < deadline and time.monotonic() - still_since < _STILL_SECONDS:
        time.sleep(2.0)
        times.append(server.search_ms(queries[len(times) % len(queries)]))
        if (now := size_of(data)) != before:
            before, still_since = now, time.monotonic()
    return times


def _beside_a_fresh_one(trial: Trial, saved: Server, settled: Sample) -> tuple[Sample, Sample]:
    """The server after the saves, and one with a new index of the tree as it is now, after the same rest.

    Memory and queries of both are of the time when both run. They share the pages of Python and its libraries, of which
    each counts half in its share; and they are asked in turns, for a minute later the machine may be slower.
    """
    with trial.session("stored") as server:
        _asked(trial, server)  # the other one has been asked before, too
        _wait_idle(trial, server)
        fresh = _sample(trial, server, 0, time.monotonic())
        settled = replace(settled, pss_mib=proportional_mib(saved.process.pid))
        rounds = [[_asked(trial, each) for each in (saved, server)] for _ in range(1 + _ROUNDS)]
    # The first round was for what both had let go of meanwhile.
    of_saved, of_fresh = (list(chain.from_iterable(times)) for times in zip(*rounds[1:], strict=True))
    return _with_times(settled, of_saved), _with_times(fresh, of_fresh)


def _with_times(sample: Sample, times: Sequence[float]) -> Sample:
    return replace(sample, query_p50_ms=percentile(times, 50), query_p95_ms=percentile(times, 95))


def _asked(trial: Trial, server: Server) -> list[float]:
    """How many milliseconds each query takes."""
    return [server.search_ms(query) for query in trial.job.queries]


def _panel(axes: Any, measured: dict[str, Any]) -> None:
    fresh, samples = measured["fresh"], measured["samples"]
    for key, colour in zip(("disk_mib", "files", "descriptors", "pss_mib", "query_p95_ms"), plot.MORE, strict=True):
        ratios = [each[key] / fresh[key] for each in [*samples, measured["settled"]] if fresh[key]]
        places = [each["saves"] for each in samples] + [samples[-1]["saves"] * 1.04 + 1]
        axes.plot(places[: len(ratios)], ratios, color=colour, label=key.rpartition("_")[0] or key, zorder=2)
    plot.bar(axes, _RATIO, f"bar: {_RATIO}, after a rest", of="y")
    axes.set_yscale("log")
    axes.set_xlabel("saves; the last point is after a rest")
    plot.title(axes, "compared with a fresh index")
    plot.legend(axes, columns=2)


SCENARIO = Scenario(measure, ("mid", "small"), (_panel,))
