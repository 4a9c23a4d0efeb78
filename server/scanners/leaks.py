"""A scanner for passwords, keys and tokens in the files of the repository."""

from __future__ import annotations

import json
from pathlib import Path

from scanners.outcome import Broken, Outcome, State, run_module, tracked_files
from scanners.policy import read_policy

#: A line that pins an action by its commit.
_PINS = r"uses: [\w./-]+@[0-9a-f]{40}"


def scan_secrets(tree: Path) -> Outcome:
    """Searches all files that are tracked or will be. A false find is allowed on its line, with its reason."""
    data = read_policy(tree).files_of_data
    names = [name for name in tracked_files(tree) if name not in data]
    if not names:
        raise Broken("there are no files")
    ended = run_module("detect_secrets", ["scan", "--no-verify", "--exclude-lines", _PINS, *names], tree)
    try:
        results = json.loads(ended.output)["results"]
    except (json.JSONDecodeError, KeyError):
        raise Broken(f"no report: {ended.last_line}") from None
    findings = [f"{name}:{each['line_number']}: {each['type']}" for name, found in results.items() for each in found]
    state = State.FAILED if findings or ended.code else State.PASSED
    return Outcome("secrets", state, f"{len(names)} files", tuple(findings))
