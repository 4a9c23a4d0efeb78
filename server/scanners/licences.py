"""A scanner of the licences of everything that users get: the wheel's dependencies, and the extension's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from scanners.lock import canonical, read_lock
from scanners.outcome import Broken, NotChecked, Outcome, State, run_module
from scanners.policy import EXTENSION, read_policy

#: Trove classifiers and free texts that packages use in place of SPDX's identifiers.
_SPDX = {
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The MIT License": "MIT",
}


def check_licences(tree: Path) -> Outcome:
    """Checks the licences of the locked packages, as installed here, and of what is bundled in the extension."""
    packages = read_lock(tree)
    if not packages:
        raise Broken("nothing is locked")
    names = [package.name for package in packages]
    arguments = ["--format", "json", "--from", "mixed", "--with-system", "--packages", *names]
    ended = run_module("piplicenses", arguments, tree)
    try:
        installed = {canonical(each["Name"]): each["License"] for each in json.loads(ended.output)}
    except json.JSONDecodeError:
        raise Broken(f"no report: {ended.last_line}") from None
    licences = {f"{name} (Python)": installed.get(name) for name in names}
    licences |= {f"{name} (npm)": licence for name, licence in _of_extension(tree).items()}

    accepted = read_policy(tree).licences
    missing = [name for name, licence in licences.items() if licence is None]
    findings = [
        f"{name}: {licence}" for name, licence in licences.items() if licence and not _accepts(accepted, licence)
    ]
    if missing and not findings:
        raise NotChecked(f"no licence of {', '.join(missing)}, which must be installed for that")
    state = State.FAILED if findings else State.PASSED
    return Outcome("licences", state, f"{len(licences)} packages", tuple(findings))


def _of_extension(tree: Path) -> dict[str, str]:
    """Returns the licences of the npm packages that are bundled; tools of development are not."""
    lock = tree / EXTENSION / "package-lock.json"
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"] if lock.exists() else {}
    return {
        path.rpartition("node_modules/")[2]: facts.get("license", "no licence")
        for path, facts in packages.items()
        if path and not facts.get("dev")
    }


def _accepts(accepted: frozenset[str], text: str) -> bool:
    """Says whether a licence, an SPDX expression or a list separated by `;`, is accepted: an unknown one is not."""
    try:
        from license_expression import ExpressionError, get_spdx_licensing
    except ImportError:
        raise NotChecked("the Python package license-expression is not installed") from None

    parts = (_SPDX.get(part.strip(), part.strip()) for part in re.split(r";", text))
    try:
        tree = get_spdx_licensing().parse(" AND ".join(f"({part})" for part in parts))
    except ExpressionError:
        return False
    return _holds(tree, accepted)


def _holds(node: Any, accepted: frozenset[str]) -> bool:
    if operator := getattr(node, "operator", "").strip():
        parts = [_holds(each, accepted) for each in node.args]
        return all(parts) if operator == "AND" else any(parts)
    return str(node) in accepted
