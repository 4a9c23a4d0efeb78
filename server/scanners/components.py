"""The bills of materials (SBOM, in CycloneDX's format) of the wheel's dependencies and of the VS Code extension."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scanners.lock import canonical, read_lock
from scanners.outcome import Broken, NotChecked, Outcome, State, run_module, run_program
from scanners.policy import EXTENSION, LOCK

_FOLDER = "build/sbom"


def write_python(tree: Path) -> Outcome:
    """Writes the bill of the locked packages and checks it."""
    path = _place(tree, "python.cdx.json")
    arguments = ["requirements", LOCK, "--pyproject", "pyproject.toml", "--output-reproducible", "--of", "JSON"]
    ended = run_module("cyclonedx_py", [*arguments, "-o", str(path)], tree)
    if ended.code:
        raise Broken(ended.last_line)
    expected = {(package.name, package.version) for package in read_lock(tree)}
    return check_bill("SBOM (Python)", path, expected)


def write_extension(tree: Path) -> Outcome:
    """Writes the bill of all packages of the extension, those of its development too, and checks it."""
    path = _place(tree, "vscode.cdx.json")
    arguments = ["sbom", "--sbom-format", "cyclonedx", "--package-lock-only"]
    ended = run_program("npm", arguments, tree / EXTENSION)
    if ended.code:
        raise Broken(ended.last_line)
    path.write_text(ended.output, encoding="utf-8")
    lock = json.loads((tree / EXTENSION / "package-lock.json").read_text(encoding="utf-8"))
    expected = {
        (canonical(name.rpartition("node_modules/")[2]), facts["version"])
        for name, facts in lock["packages"].items()
        if name
    }
    return check_bill("SBOM (extension)", path, expected)


def check_bill(scanner: str, path: Path, expected: set[tuple[str, str]]) -> Outcome:
    """Checks a bill against CycloneDX's schema, and that its components are the expected names and versions."""
    try:
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator
    except ImportError:
        raise NotChecked("the Python package cyclonedx-python-lib is not installed") from None

    text = path.read_text(encoding="utf-8")
    bill: dict[str, Any] = json.loads(text)
    version = SchemaVersion.from_version(bill["specVersion"])
    error = JsonStrictValidator(version).validate_str(text)
    findings = [f"not of the schema: {str(error)[:200]}"] if error else []
    components = {(canonical(each["name"]), each.get("version", "")) for each in bill.get("components", ())}
    findings += [f"{name} {number} is missing" for name, number in sorted(expected - components)]
    findings += [f"{name} {number} is not locked" for name, number in sorted(components - expected)]
    if not expected:
        raise Broken("nothing is locked")
    state = State.FAILED if findings else State.PASSED
    return Outcome(scanner, state, f"{len(components)} components, in {_FOLDER}/{path.name}", tuple(findings))


def _place(tree: Path, name: str) -> Path:
    folder = tree / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name
