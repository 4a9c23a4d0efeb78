"""The long run: ``python -m tests.fuzz --minutes 15 [TARGET ...]``, which ``make fuzz`` starts.

Each target has a process of its own and an equal share of the time. Where atheris is installed (``pip install
atheris``), it guides the inputs by the coverage of the product's code; otherwise inputs of the right form are changed
by chance.
An input on which a target fails is kept below ``tests/fuzz/found``, where the test suite tries it from then on.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback
from importlib.util import find_spec
from pathlib import Path

FOUND = Path(__file__).parent / "found"
#: Seconds that one input may take: what takes longer is a fault, because inputs are small.
_SECONDS_FOR_ONE = 10
_MIB = 2000
_LONGEST = 4096
_EXECUTIONS = re.compile(r"(?:stat::number_of_executed_units|executions): *(\d+)")
_PIECES = [b"\0", b"\xff", b"\n", b"..", b"/", b"\\", b"'", b'"', b"{", b"[", b"(", b"*", b"-1", b"1e308", b"9" * 30]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", allow_abbrev=False)
    parser.add_argument("--minutes", type=float, default=15, help="time for all targets together")
    parser.add_argument("--one", type=float, metavar="SECONDS", help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="names of targets (default: all)")
    arguments = parser.parse_args()
    if arguments.one is not None:
        return run_here(arguments.targets[0], arguments.one)
    from tests.fuzz.targets import TARGETS

    names = arguments.targets or list(TARGETS)
    for unknown in set(names) - TARGETS.keys():
        parser.error(f"there is no target {unknown!r}; there are {', '.join(TARGETS)}")
    share = 60 * arguments.minutes / len(names)
    failed, total = [], 0
    for name in names:
        executions, error = run_apart(name, share)
        total += executions
        print(f"{name:<20} {executions:>9} executions  {error or 'no fault'}", flush=True)
        failed += [name] if error else []
    way = "guided by coverage" if find_spec("atheris") else "by chance"
    print(f"{total} executions in {arguments.minutes:g} minutes, {way}; {len(failed)} of {len(names)} targets failed")
    return 1 if failed else 0


def run_apart(name: str, seconds: float) -> tuple[int, str]:
    """Runs a target in a process of its own. Returns the number of executions and the last line about a fault."""
    command = [sys.executable, "-P", "-m", "tests.fuzz", "--one", str(seconds), name]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "CONEXUS_CHECK_OWNERS": "1"}
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False)
        output.seek(0)
        text = output.read()
    numbers = _EXECUTIONS.findall(text)
    executions = int(numbers[-1]) if numbers else 0
    if done.returncode == 0:
        return executions, ""
    log = Path(tempfile.gettempdir(), f"conexus-fuzz-{folder_of(name).name}.log")
    log.write_text(text, encoding="utf-8")
    return executions, f"FAILED with {done.returncode}; see {log}"


def folder_of(name: str) -> Path:
    """Returns the folder of the inputs on which a target failed."""
    return FOUND / name.replace(" ", "-")


def run_here(name: str, seconds: float) -> int:
    """Runs a target in this process until the time is over or an input fails."""
    if find_spec("atheris"):
        return with_atheris(name, seconds)
    from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    seeds, chance = [b"", *target.seeds()], random.Random()  # noqa: S311 - no secret
    end, executions = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        data = changed(chance.choice(seeds), chance)
        executions += 1
        try:
            target.run(data)
        except Exception:
            traceback.print_exc()
            folder_of(name).mkdir(parents=True, exist_ok=True)
            (folder_of(name) / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
            print(f"executions: {executions}")
            return 1
    print(f"executions: {executions}")
    return 0


def changed(data: bytes, chance: random.Random) -> bytes:
    """Returns an input in which a few pieces were replaced."""
    for _ in range(chance.randint(0, 6)):
        start = chance.randint(0, len(data))
        end = min(len(data), start + chance.choice([0, 0, 1, 1, 2, 20]))
        piece = chance.choice([*_PIECES, chance.randbytes(chance.randint(0, 4)), data[start : start + 30]])
        data = data[:start] + piece * chance.choice([1, 1, 1, 1, 2, 100]) + data[end:]
    return data[:_LONGEST]


def with_atheris(name: str, seconds: float) -> int:
    """Runs a target with inputs that are guided by coverage. libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["conexus"]):
        from tests.fuzz.targets import TARGETS

        target = TARGETS[name]
        seeds = target.seeds()
        for seed in seeds:  # what a target imports itself is instrumented, too
            target.run(seed)
    corpus = tempfile.mkdtemp(prefix="conexus-fuzz-")
    for number, seed in enumerate(seeds):
        Path(corpus, f"seed-{number}").write_bytes(seed)
    folder_of(name).mkdir(parents=True, exist_ok=True)
    options = {
        "max_total_time": int(seconds),
        "timeout": _SECONDS_FOR_ONE,
        "rss_limit_mb": _MIB,
        "max_len": max(_LONGEST, 2 * max(map(len, seeds))),
        "print_final_stats": 1,
        "verbosity": 0,
        "artifact_prefix": f"{folder_of(name)}/",
    }
    arguments = [f"-{option}={value}" for option, value in options.items()]
    atheris.Setup([sys.argv[0], *arguments, corpus], target.run)
    atheris.Fuzz()
    return 1


if __name__ == "__main__":
    sys.exit(main())
