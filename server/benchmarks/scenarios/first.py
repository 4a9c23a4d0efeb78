"""The first index as a user meets it: answers meanwhile, what is wanted first, a pause, and a kill half-way."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.harness import plot
from benchmarks.harness.client import Server, processes_left
from benchmarks.harness.edits import ALL, editable_files, has_word, is_found, new_word, open_file
from benchmarks.harness.memory import cpu_seconds, processes_of
from benchmarks.harness.trial import Scenario, Trial
from benchmarks.harness.waiting import milliseconds_until, until

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
_KEYSTROKE_MS, _CPU_PERCENT = 300.0, 10.0


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


def measure(trial: Trial) -> None:
    whole = _whole(trial)
    trial.row("files", whole["files"])
    trial.row("complete index, nothing asked", whole["seconds"], "s")
    answers = _answers(trial, whole["files"])
    wanted = _wanted(trial)
    paused = _paused(trial, whole["files"])
    killed = _killed(trial, whole)
    trial.measured(whole=whole, answers={"asked": answers}, wanted=wanted, paused=paused, killed=killed)


def _whole(trial: Trial) -> dict[str, Any]:
    """A first index that nobody disturbs."""
    with trial.session() as server:
        began = time.perf_counter()
        status = server.wait_until_indexed()
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "files": status["files"], "chunks": status["chunks"], "status": status}


# --- answers meanwhile ---


def _answers(trial: Trial, files: int) -> list[dict[str, Any]]:
    asked: list[Asked] = []
    queries = trial.job.queries
    with trial.session() as server:
        began = time.perf_counter()
        while not (asked and asked[-1].complete):
            sent = time.perf_counter()
            answer = server.search(queries[len(asked) % len(queries)])
            now = time.perf_counter()
            index = answer["index"]
            counts = index["complete"], index["indexedFiles"], index["totalFiles"]
            asked.append(Asked(sent - began, 1000 * (now - sent), len(answer["hits"]), *counts))
            if now - began > _PATIENCE:
                raise TimeoutError(f"no answer was complete within {_PATIENCE:.0f} s")
            time.sleep(max(0.0, sent + _ASK_SECONDS - time.perf_counter()))
    meanwhile = [each for each in asked if not each.complete]
    trial.row("answers before the index was complete", len(meanwhile))
    for each in [each for each in asked if each.hits][:1]:
        trial.row("first answer with a hit, after `initialize`", each.at + each.ms / 1000, "s")
        trial.row("… files indexed by then", each.indexed)
    trial.spread("a query while indexing", [each.ms for each in meanwhile], at=(50, 95, 100))
    trial.row("complete index, asked every 50 ms", asked[-1].at, "s")
    trial.figure.defects += wrong_states(asked, files)
    return [asdict(each) for each in asked]


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


# --- what is wanted first ---


def _wanted(trial: Trial) -> dict[str, Any]:
    """When an open buffer, files that changed last and other ones are found in an index that is being made."""
    dice = trial.dice
    every = sorted(editable_files(trial.folder, ALL, dice))
    late = every.pop()
    chosen = dice.sample(every, min(2 * _CHOSEN, len(every)))
    recent, others = chosen[::2], chosen[1::2]
    words = {file: new_word(dice) for file in (*chosen, late)}
    for file in chosen:
        before = file.stat()
        file.write_bytes(file.read_bytes() + f"\n{words[file]}\n".encode())
        if file in others:
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    found: dict[Path, dict[str, Any]] = {}
    with trial.session() as server:
        began = time.perf_counter()
        open_file(server, late, f"\n{words[late]}\n")
        while len(found) < len(words):
            for file in [file for file in (late, *chosen) if file not in found]:
                answer = server.search(words[file], 5)
                hits = [hit for hit in answer["hits"] if hit["location"]["uri"] == file.as_uri()]
                if any(has_word(hit, words[file]) for hit in hits):
                    found[file] = {"seconds": time.perf_counter() - began, **answer["index"]}
            if time.perf_counter() - began > _PATIENCE:
                raise TimeoutError(f"{len(words) - len(found)} words are not found within {_PATIENCE:.0f} s")
            time.sleep(_LOOK_SECONDS)
        server.wait_until_indexed()
        complete = time.perf_counter() - began
    of_recent, of_others = ([found[file]["seconds"] for file in files] for files in (recent, others))
    # A small index is there at once, in whatever order.
    is_large = trial.size == "large"
    most = statistics.median(of_others) if is_large else None
    trial.row("new text of an open file, the last by name, is found", found[late]["seconds"], "s")
    trial.row("… files indexed by then", found[late]["indexedFiles"])
    trial.row(f"{len(recent)} files that changed last are found, median", statistics.median(of_recent), "s", most)
    trial.row(f"{len(others)} other files, median", statistics.median(of_others), "s")
    trial.row("complete index meanwhile", complete, "s")
    if found[late]["complete"] and is_large:
        trial.defect("the word of an open file was found only when the index was complete")
    return {"open": found[late], "recentSeconds": of_recent, "otherSeconds": of_others, "completeSeconds": complete}


# --- a pause ---


def _paused(trial: Trial, files: int) -> dict[str, Any]:
    (file,) = editable_files(trial.folder, 1, trial.dice)
    with trial.session() as server:
        niceness: dict[int, int | None] = {}
        before = _until_share(server, files * _PAUSE_AT, niceness)
        _command(server, "pause")
        settling = _until_still(server)
        status, used = server.status(), cpu_seconds(server.process.pid)
        time.sleep(_STILL_SECONDS)
        later = server.status()
        share = (cpu_seconds(server.process.pid) - used) / _STILL_SECONDS
        word = new_word(trial.dice)
        open_file(server, file)
        typed_ms = milliseconds_until(
            lambda: is_found(server, file, word), lambda: server.insert(file, 0, f"{word}\n", 2)
        )
        server.close(file)
        _command(server, "resume")
        began = time.perf_counter()
        complete = _until_complete(server)
        seconds = time.perf_counter() - began
    working = [each for each in niceness.values() if each is not None]
    trial.row("processes that index", len(working))
    trial.row("… of too high a priority", sum(each < _LEAST_NICENESS for each in working), most=0.0)
    trial.row("files when paused", before["files"])
    trial.row("… and when what was under way is done", status["files"])
    trial.row("… after", settling, "s")
    trial.row("processor time while paused, of one core", 100 * share, "%", _CPU_PERCENT)
    trial.row("a keystroke to searchable while paused", typed_ms, "ms", _KEYSTROKE_MS)
    trial.row("complete after `resume`", seconds, "s")
    if later["files"] != status["files"]:
        trial.defect(f"while paused, {later['files'] - status['files']} files were indexed")
    if not later["paused"]:
        trial.defect("a paused server does not say so")
    if complete["files"] != files:
        trial.defect(f"after pause and resume the index has {complete['files']} files, and not {files}")
    return {"before": before, "paused": status, "later": later, "resumed": complete, "niceness": working}


def _command(server: Server, name: str) -> None:
    server.ask("workspace/executeCommand", {"command": f"conexus.server.{name}", "arguments": []})


def _until_share(server: Server, files: float, niceness: dict[int, int | None] | None = None) -> dict[str, Any]:
    """Wait until at least ``files`` are indexed; returns that status. ``niceness`` gets that of all other processes."""

    def enough() -> dict[str, Any] | None:
        status: dict[str, Any] = server.status()
        if niceness is not None:
            niceness.update(_niceness_of_helpers(server.process.pid))
        return status if status["files"] >= files else None

    return until(enough, f"{files:.0f} files are indexed", patience=_PATIENCE, every=_LOOK_SECONDS)


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
        if (status := server.status())["files"] != files:
            files, changed = status["files"], now
        time.sleep(_LOOK_SECONDS)
    return changed - began


def _until_complete(server: Server) -> Any:
    """A paused index is quiescent, too: here all folders must be complete."""

    def complete() -> Any:
        status = server.wait_until_indexed()
        return status if not status["paused"] and all(each["complete"] for each in status["folders"]) else None

    return until(complete, "the index is complete", patience=_PATIENCE, every=_LOOK_SECONDS)


# --- a kill half-way ---


def _killed(trial: Trial, whole: dict[str, Any]) -> dict[str, Any]:
    with trial.job.folder("data") as data:
        with Server(trial.folder, data, name="first") as server:
            server.initialize()
            before = _until_share(server, whole["files"] * _KILL_AT)
            server.kill()
        if left := processes_left("first", _CHILDREN_SECONDS):
            trial.defect(f"{len(left)} processes outlived the killed server by {_CHILDREN_SECONDS:.0f} s")
        with trial.session(data=data) as server:
            began = time.perf_counter()
            while (status := server.status())["phase"] in _NOT_LOADED:
                time.sleep(_LOOK_SECONDS)
            loaded = time.perf_counter() - began
            complete = server.wait_until_indexed()
            seconds = time.perf_counter() - began
            trial.compare(server, "after a kill in the first index", words=_WORDS)
    trial.row("files at a kill half-way", before["files"])
    trial.row("… that count at once at the next start", 100 * status["files"] / before["files"], "%")
    trial.row("… after", loaded, "s")
    trial.row("… chunks embedded then, of all", 100 * complete["embeddedChunks"] / complete["chunks"], "%")
    trial.row("… complete then", seconds, "s", whole["seconds"] if trial.size == "large" else None)
    return {"before": before, "loaded": status, "complete": complete}


def _panel(axes: Any, measured: dict[str, Any]) -> None:
    asked = measured["answers"]["asked"]
    at = [each["at"] for each in asked]
    axes.plot(at, [each["ms"] for each in asked], ".", markersize=3, color=plot.OURS, zorder=2)
    axes.set_yscale("log")
    axes.set_xlabel("seconds after `initialize`; the last point is the first answer from the complete index")
    plot.title(axes, "a query every 50 ms while the first index is made, ms")
    share = axes.twinx()
    indexed = [100 * each["indexed"] / max(each["total"], 1) for each in asked]
    share.plot(at, indexed, color=plot.THEIRS, linewidth=1.5, label="% of the files indexed")
    share.set_ylim(0, 105)
    share.tick_params(length=0, labelcolor=plot.INK)
    share.spines[["top", "right"]].set_visible(False)
    plot.legend(share)


SCENARIO = Scenario(measure, ("large",), (_panel,))
