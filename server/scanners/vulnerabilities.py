"""Scanners that compare dependencies with databases of known vulnerabilities."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from scanners.outcome import Broken, Ended, NotChecked, Outcome, State, run_module, run_program
from scanners.policy import EXTENSION, LOCK

#: What a tool writes when a service cannot be reached or refuses the question.
_UNREACHABLE = re.compile(
    r"ConnectionError|Timeout|NameResolutionError|Max retries|ServiceError|Could not connect"
    r"|audit endpoint returned an error|ENOTFOUND|ECONNREFUSED|ECONNRESET|EAI_AGAIN|ETIMEDOUT|ENOAUDIT"
)
#: Findings of npm of these severities fail.
_SEVERE = ("high", "critical")


def audit_python(tree: Path, osv_url: str | None = None) -> Outcome:
    """Asks for advisories about the locked packages: PyPI, then OSV. ``osv_url``: OSV alone, at this address.

    A service that knows nothing of a package has not checked it.
    """
    arguments = ["--requirement", LOCK, "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    services = [["--vulnerability-service", "pypi"], ["--vulnerability-service", "osv"]]
    if osv_url:
        services = [["--vulnerability-service", "osv", "--osv-url", osv_url]]
    reasons = []
    for service in services:
        ended = run_module("pip_audit", [*arguments, "--timeout", "10", *service], tree)
        report = _report(ended, "dependencies")
        if report is None:
            reasons.append(f"{service[1]}: {ended.last_line}")
            continue
        packages = report["dependencies"]
        findings = [
            f"{each['name']} {each['version']}: {vulnerability['id']}, mended in "
            f"{', '.join(vulnerability['fix_versions']) or 'no version'}"
            for each in packages
            for vulnerability in each.get("vulns", ())
        ]
        unknown = [each["name"] for each in packages if "skip_reason" in each]
        if findings:
            return Outcome("pip-audit", State.FAILED, f"{len(packages)} packages", tuple(findings))
        if packages and not unknown:
            return Outcome("pip-audit", State.PASSED, f"{len(packages)} packages")
        if not packages:
            raise Broken(f"{LOCK} has no packages")
        reasons.append(f"{service[1]} knows {len(packages) - len(unknown)} of {len(packages)} packages")
    raise NotChecked("; ".join(reasons))


def audit_extension(tree: Path, registry: str | None = None) -> Outcome:
    """Asks npm's registry, or another one, for advisories about the packages of the VS Code extension."""
    arguments = ["audit", "--json", "--package-lock-only", "--fetch-retries=0", "--fetch-timeout=10000"]
    if registry:
        arguments.append(f"--registry={registry}")
    ended = run_program("npm", arguments, tree / EXTENSION)
    report = _report(ended, "vulnerabilities")
    if report is None:
        raise NotChecked(next((line for line in ended.errors.splitlines() if "audit" in line), ended.last_line))
    counts = report["metadata"]["vulnerabilities"]
    findings = [
        f"{name} {each['range']}: {each['severity']}"
        for name, each in report["vulnerabilities"].items()
        if each["severity"] in _SEVERE
    ]
    total, packages = counts["total"], report["metadata"]["dependencies"]["total"]
    state = State.FAILED if findings else State.PASSED
    return Outcome("npm audit", state, f"{packages} packages, {total} advisories", tuple(findings))


def _report(ended: Ended, key: str) -> dict[str, Any] | None:
    """Returns the report of a tool, or None if a service could not be reached. Raises Broken for anything else."""
    try:
        report = json.loads(ended.output)
    except json.JSONDecodeError:
        report = {}
    if key in report:
        result: dict[str, Any] = report
        return result
    if _UNREACHABLE.search(ended.errors + ended.output):
        return None
    raise Broken(f"no report: {ended.last_line}")
