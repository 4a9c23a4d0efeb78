"""The lock file: every run-time dependency, with its version and the digests of its files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from scanners.outcome import NotChecked, Outcome, State
from scanners.policy import LOCK, read_pyproject

_ENTRY = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)((?:\s*\\\n\s+--hash=sha256:[0-9a-f]{64})*)", re.MULTILINE)


@dataclass(frozen=True)
class Locked:
    """A locked package. The name is lower-case, with `-` for `_` and `.`."""

    name: str
    version: str
    digests: int


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(tree: Path) -> list[Locked]:
    """Reads the packages of the lock file, which may have none."""
    text = (tree / LOCK).read_text(encoding="utf-8") if (tree / LOCK).exists() else ""
    return [Locked(canonical(name), version, rest.count("--hash=")) for name, version, rest in _ENTRY.findall(text)]


def check_lock(tree: Path) -> Outcome:
    """Checks that the lock file has a right version, and digests, of each dependency that pyproject.toml declares."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        raise NotChecked("the Python package packaging is not installed") from None

    packages = read_lock(tree)
    versions = {package.name: package.version for package in packages}
    findings = [f"{package.name} {package.version} has no digest" for package in packages if not package.digests]
    for text in read_pyproject(tree)["project"]["dependencies"]:
        wanted = Requirement(text)
        version = versions.get(canonical(wanted.name))
        if version is None:
            findings.append(f"{wanted.name} is not locked")
        elif not wanted.specifier.contains(version, prereleases=True):
            findings.append(f"{wanted.name} {version} is locked, but pyproject.toml says {wanted.specifier}")
    state = State.FAILED if findings else State.PASSED
    return Outcome("lock", state, f"{len(packages)} packages with digests in {LOCK}", tuple(findings))
