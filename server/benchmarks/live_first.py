"""The first index as a user meets it: answers meanwhile, what is wanted first, a pause, and a kill half-way."""

from __future__ import annotations

import contextlib
import os
import random
import statistics
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.client import Server
from benchmarks.edits import LANGUAGE_IDS, editable_files, has_word, is_found, milliseconds_until, new_word
from benchmarks.live_compare import compare_with_fresh, comparison_rows, defects_of
from benchmarks.live_job import Figure, Job, Row, processes_left, session
from benchmarks.memory import cpu_seconds, processes_of
from benchmarks.table import percentile

_ASK_SECONDS = 0.05
_LOOK_SECONDS = 0.02
_PATIENCE = 900.0
_CHOSEN = 10
_PAUSE_AT, _KILL_AT = 1 / 3, 1 / 2
_SETTLING_SECONDS = 10.0
_STILL_SECONDS = 2.0
_CHILDREN_SECONDS = 10.0
_WORDS = 100
_LEAST_NICENESS = 10
_NOT_LOADED = ("starting", "loading")


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer while the index is made."""

    #: Seconds since the answer to `initialize`.
    at: float
    ms: float
    hits: int
    complete: bool
    indexed: int
    total: int


def measure(job: Job) -> Figure:
    dice = random.Random(job.numbers.seed)  # noqa: S311  repeatable, not secret
    size = job.size("large")
    figure = Figure()
    with job.copy(size) as folder:
        whole = _whole(job, folder)
        files = whole["files"]
        answers = _answers(job, folder, files)
        wanted = _wanted(job, folder, dice)
        paused = _paused(job, folder, files, dice)
        killed = _killed(job, folder, files, dice)
    figure.measured = {"whole": whole, "answers": answers, "wanted": wanted, "paused": paused, "killed": killed}
    figure.rows = [
        Row("files", size, files, ""),
        Row("complete index, nothing asked", size, whole["seconds"], "s"),
        *_rows_of_answers(size, answers),
        *_rows_of_wanted(size, wanted),
        *_rows_of_pause(size, paused),
        *_rows_of_kill(size, killed, whole),
    ]
    figure.defects += answers["defects"] + paused["defects"] + killed["defects"]
    if wanted["openComplete"] and size == "large":
        figure.defects.append("the word of an open file was found only when the index was complete")
    return figure


def _whole(job: Job, folder: Path) -> dict[str, Any]:
    """A first index that nobody disturbs."""
    with job.folder("data") as data, session(folder, data) as server:
        server.initialize()
        began = time.perf_counter()
        status = server.wait_until_indexed()
        seconds = time.perf_counter() - began
        server.stop()
    return {"seconds": seconds, "files": status["files"], "chunks": status["chunks"], "status": status}


# --- answers meanwhile ---


def _answers(job: Job, folder: Path, files: int) -> dict[str, Any]:
    asked: list[Asked] = []
    with job.folder("data") as data, session(folder, data) as server:
        server.initialize()
        began = time.perf_counter()
        while not (asked and asked[-1].complete):
            sent = time.perf_counter()
            query = job.queries[len(asked) % len(job.queries)]
            answer = server.ask("conexus/search", {"query": query, "limit": 10})
            now = time.perf_counter()
            index = answer["index"]
            counts = index["complete"], index["indexedFiles"], index["totalFiles"]
            asked.append(Asked(sent - began, 1000 * (now - sent), len(answer["hits"]), *counts))
            if now - began > _PATIENCE:
                raise TimeoutError(f"no answer was complete within {_PATIENCE:.0f} s")
            time.sleep(max(0.0, sent + _ASK_SECONDS - time.perf_counter()))
        server.stop()
    return {"asked": [asdict(each) for each in asked], "defects": wrong_states(asked, files)}


def wrong_states(asked: list[Asked], files: int) -> list[str]:
    """What answers, the last of which is complete, must not say of the index; ``files``: how many it has then."""
    defects = []
    indexed = [each.indexed for each in asked]
    if fell := [pair for pair in pairwise(indexed) if pair[1] < pair[0]]:
        defects.append(f"the number of indexed files fell while the index was made: {fell[:5]}")
    if over := [each for each in asked if each.indexed > each.total]:
        defects.append(f"more files are indexed than there are: {over[:5]}")
    last = asked[-1]
    if last.indexed != files:
        defects.append(f"the complete index has {last.indexed} files, and {files} when nobody asks")
    if last.indexed != last.total:
        defects.append(f"a complete index is said to have {last.indexed} of {last.total} files")
    return defects


def _rows_of_answers(size: str, answers: dict[str, Any]) -> list[Row]:
    asked = answers["asked"]
    meanwhile = [each for each in asked if not each["complete"]]
    with_hits = [each for each in asked if each["hits"]]
    rows = [Row("answers before the index was complete", size, len(meanwhile), "")]
    if with_hits:
        seconds = with_hits[0]["at"] + with_hits[0]["ms"] / 1000
        rows.append(Row("first answer with a hit, after `initialize`", size, seconds, "s"))
        rows.append(Row("… files indexed by then", size, with_hits[0]["indexed"], ""))
    if meanwhile:
        ms = [each["ms"] for each in meanwhile]
        rows += [
            Row(f"a query while indexing, p{percent}", size, percentile(ms, percent), "ms") for percent in (50, 95)
        ]
        rows.append(Row("a query while indexing, longest", size, max(ms), "ms"))
    rows.append(Row("complete index, asked every 50 ms", size, asked[-1]["at"], "s"))
    return rows


# --- what is wanted first ---


def _wanted(job: Job, folder: Path, dice: random.Random) -> dict[str, Any]:
    """When an open buffer, files that changed last and other ones are found in an index that is being made."""
    every = sorted(editable_files(folder, 10**9, dice))
    late = every.pop()
    chosen = dice.sample(every, min(2 * _CHOSEN, len(every)))
    recent, others = chosen[::2], chosen[1::2]
    words = {}
    for file in chosen:
        words[file] = new_word(dice)
        before = file.stat()
        file.write_bytes(file.read_bytes() + f"\n{words[file]}\n".encode())
        if file in others:
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    unsaved = words[late] = new_word(dice)
    found: dict[Path, dict[str, Any]] = {}
    with job.folder("data") as data, session(folder, data) as server:
        server.initialize()
        began = time.perf_counter()
        text = late.read_text(encoding="utf-8", errors="replace")
        server.open(late, f"{text}\n{unsaved}\n", LANGUAGE_IDS[late.suffix])
        while len(found) < len(words):
            for file in [file for file in (late, *chosen) if file not in found]:
                answer = server.ask("conexus/search", {"query": words[file], "limit": 5})
                hits = [hit for hit in answer["hits"] if hit["location"]["uri"] == file.as_uri()]
                if any(has_word(hit, words[file]) for hit in hits):
                    found[file] = {"seconds": time.perf_counter() - began, **answer["index"]}
            if time.perf_counter() - began > _PATIENCE:
                raise TimeoutError(f"{len(words) - len(found)} words are not found within {_PATIENCE:.0f} s")
            time.sleep(_LOOK_SECONDS)
        server.wait_until_indexed()
        complete = time.perf_counter() - began
        server.stop()
    return {
        "openSeconds": found[late]["seconds"],
        "openComplete": found[late]["complete"],
        "openFiles": found[late]["indexedFiles"],
        "recentSeconds": [found[file]["seconds"] for file in recent],
        "otherSeconds": [found[file]["seconds"] for file in others],
        "completeSeconds": complete,
    }


def _rows_of_wanted(size: str, wanted: dict[str, Any]) -> list[Row]:
    recent, others = wanted["recentSeconds"], wanted["otherSeconds"]
    # A small index is there at once, in whatever order.
    most = statistics.median(others) if size == "large" else None
    return [
        Row("new text of an open file, the last by name, is found", size, wanted["openSeconds"], "s"),
        Row("… files indexed by then", size, wanted["openFiles"], ""),
        Row(f"{len(recent)} files that changed last are found, median", size, statistics.median(recent), "s", most),
        Row(f"{len(others)} other files, median", size, statistics.median(others), "s"),
        Row("complete index meanwhile", size, wanted["completeSeconds"], "s"),
    ]


# --- a pause ---


def _paused(job: Job, folder: Path, files: int, dice: random.Random) -> dict[str, Any]:
    defects = []
    (file,) = editable_files(folder, 1, dice)
    with job.folder("data") as data, session(folder, data) as server:
        server.initialize()
        niceness: dict[int, int | None] = {}
        before = _until_share(server, files * _PAUSE_AT, niceness)
        _command(server, "pause")
        settling = _until_still(server)
        status, used = server.ask("conexus/status", {}), cpu_seconds(server.process.pid)
        time.sleep(_STILL_SECONDS)
        later = server.ask("conexus/status", {})
        share = (cpu_seconds(server.process.pid) - used) / _STILL_SECONDS
        if later["files"] != status["files"]:
            defects.append(f"while paused, {later['files'] - status['files']} files were indexed")
        if not later["paused"]:
            defects.append("a paused server does not say so")
        word = new_word(dice)
        text = file.read_text(encoding="utf-8", errors="replace")
        server.open(file, text, LANGUAGE_IDS[file.suffix])
        typed_ms = milliseconds_until(
            lambda: is_found(server, file, word), lambda: server.insert(file, 0, f"{word}\n", 2)
        )
        server.close(file)
        _command(server, "resume")
        began = time.perf_counter()
        complete = _until_complete(server)
        seconds = time.perf_counter() - began
        if complete["files"] != files:
            defects.append(f"after pause and resume the index has {complete['files']} files, and not {files}")
        server.stop()
    return {
        "filesAtPause": before["files"],
        "filesPaused": status["files"],
        "files": files,
        "settlingSeconds": settling,
        "cpuShare": share,
        "typedMs": typed_ms,
        "resumedSeconds": seconds,
        "niceness": [each for each in niceness.values() if each is not None],
        "defects": defects,
    }


def _rows_of_pause(size: str, paused: dict[str, Any]) -> list[Row]:
    eager = [each for each in paused["niceness"] if each < _LEAST_NICENESS]
    return [
        Row("processes that index", size, len(paused["niceness"]), ""),
        Row("… of too high a priority", size, len(eager), "", 0.0),
        Row("files when paused", size, paused["filesAtPause"], ""),
        Row("… and when what was under way is done", size, paused["filesPaused"], ""),
        Row("… after", size, paused["settlingSeconds"], "s"),
        Row("processor time while paused, of one core", size, 100 * paused["cpuShare"], "%", 10.0),
        Row("a keystroke to searchable while paused", size, paused["typedMs"], "ms", 300.0),
        Row("complete after `resume`", size, paused["resumedSeconds"], "s"),
    ]


def _command(server: Server, name: str) -> None:
    server.ask("workspace/executeCommand", {"command": f"conexus.server.{name}", "arguments": []})


def _until_share(server: Server, files: float, niceness: dict[int, int | None] | None = None) -> dict[str, Any]:
    """Wait until so many files are indexed; returns that status. ``niceness`` gets that of all other processes."""
    deadline = time.perf_counter() + _PATIENCE
    while True:
        status: dict[str, Any] = server.ask("conexus/status", {})
        if niceness is not None:
            niceness |= _niceness_of_helpers(server.process.pid)
        if status["files"] >= files:
            return status
        if time.perf_counter() > deadline:
            raise TimeoutError(f"{status['files']} files were indexed within {_PATIENCE:.0f} s")
        time.sleep(_LOOK_SECONDS)


def _niceness_of_helpers(process: int) -> dict[int, int | None]:
    """How much lower than the server's own the priority of each of its processes is; None for one that does no work.

    One that has just started may look like the server, whatever it is going to be.
    """
    own = os.getpriority(os.PRIO_PROCESS, process)
    found: dict[int, int | None] = {}
    for each in processes_of(process)[1:]:
        with contextlib.suppress(OSError):  # it has just ended
            # Python's own helper waits for the end, the watching one for changes.
            command = Path(f"/proc/{each}/cmdline").read_bytes()
            waits = any(name in command for name in (b"resource_tracker", b"watcher_process.py"))
            found[each] = None if waits else os.getpriority(os.PRIO_PROCESS, each) - own
    return found


def _until_still(server: Server) -> float:
    """Seconds until the number of indexed files began to stay the same."""
    began = changed = time.perf_counter()
    files = -1
    while (now := time.perf_counter()) - changed < 1.0 and now - began < _SETTLING_SECONDS:
        if (status := server.ask("conexus/status", {}))["files"] != files:
            files, changed = status["files"], now
        time.sleep(_LOOK_SECONDS)
    return changed - began


def _until_complete(server: Server) -> dict[str, Any]:
    """A paused index is quiescent, too: here all folders must be complete."""
    deadline = time.perf_counter() + _PATIENCE
    while time.perf_counter() < deadline:
        status: dict[str, Any] = server.wait_until_indexed()
        if not status["paused"] and all(each["complete"] for each in status["folders"]):
            return status
        time.sleep(_LOOK_SECONDS)
    raise TimeoutError(f"the index was not complete within {_PATIENCE:.0f} s")


# --- a kill half-way ---


def _killed(job: Job, folder: Path, files: int, dice: random.Random) -> dict[str, Any]:
    defects = []
    with job.folder("data") as data:
        with session(folder, data, name="first") as server:
            server.initialize()
            before = _until_share(server, files * _KILL_AT)
            server.process.kill()
            server.process.wait()
        if left := processes_left("first", _CHILDREN_SECONDS):
            defects.append(f"{len(left)} processes outlived the killed server by {_CHILDREN_SECONDS:.0f} s")
        with session(folder, data) as server:
            server.initialize()
            began = time.perf_counter()
            while (status := server.ask("conexus/status", {}))["phase"] in _NOT_LOADED:
                time.sleep(_LOOK_SECONDS)
            loaded = time.perf_counter() - began
            complete = server.wait_until_indexed()
            seconds = time.perf_counter() - began
            comparison = compare_with_fresh(job, server, _WORDS, dice)
            server.stop()
    defects += defects_of(comparison, "after a kill in the first index")
    return {
        "filesBefore": before["files"],
        "filesAfter": status["files"],
        "loadedSeconds": loaded,
        "completeSeconds": seconds,
        "embedded": complete["embeddedChunks"],
        "chunks": complete["chunks"],
        "comparison": comparison,
        "defects": defects,
    }


def _rows_of_kill(size: str, killed: dict[str, Any], whole: dict[str, Any]) -> list[Row]:
    kept = 100 * killed["filesAfter"] / killed["filesBefore"]
    embedded = 100 * killed["embedded"] / killed["chunks"]
    return [
        Row("files at a kill half-way", size, killed["filesBefore"], ""),
        Row("… that count at once at the next start", size, kept, "%"),
        Row("… after", size, killed["loadedSeconds"], "s"),
        Row("… chunks embedded then, of all", size, embedded, "%"),
        Row("… complete then", size, killed["completeSeconds"], "s", whole["seconds"] if size == "large" else None),
        *comparison_rows(size, killed["comparison"]),
    ]
