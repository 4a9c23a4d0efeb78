"""Downloads the corpus: every archive of corpus.toml that is not there, checked against its digest.

    python server/training/download.py

A package that cannot be had (a registry may withdraw it, a distribution drops superseded versions) is named and left
out: the model is made from the others.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import clients
from clients import DownloadError, digest, temporary
from corpus import Package, read_corpus

_BATCH = 40
_ALGORITHMS = {40: "sha1", 64: "sha256"}

Get = Callable[[Sequence[str], Path], None]


def keep(package: Package, file: Path) -> None:
    """Moves a file to the package's place."""
    package.archive.parent.mkdir(parents=True, exist_ok=True)
    partial = package.archive.with_name(package.archive.name + ".part")
    shutil.move(file, partial)
    partial.rename(package.archive)


def _keep_all(packages: Sequence[Package], folder: Path) -> None:
    """Keeps those of the files in the folder that are, by digest, a package's archive."""
    for algorithm in {_ALGORITHMS[len(package.digest)] for package in packages}:
        found = {digest(file, algorithm): file for file in folder.iterdir()}
        for package in packages:
            if package.digest in found and not package.archive.exists():
                keep(package, found[package.digest])


def _named(package: Package) -> str:
    between = {"debian": "=", "npm": "@", "pypi": "=="}[package.registry]
    return f"{package.name}{between}{package.version}"


def _download(packages: Sequence[Package], get: Get) -> None:
    """One call of the client for all; where that fails, one for each. Prints what cannot be had."""
    with temporary() as folder:
        trouble = ""
        try:
            get([_named(package) for package in packages], folder)
        except DownloadError as error:
            trouble = str(error)
        _keep_all(packages, folder)
    left = [package for package in packages if not package.archive.exists()]
    if len(packages) > 1:
        for package in left:
            _download([package], get)
    elif left:
        reason = trouble or "the file is not the one that was pinned"
        print(f"{_named(packages[0])} cannot be had: {reason}", file=sys.stderr, flush=True)


def download_all() -> None:
    packages = [package for package in read_corpus() if not package.archive.exists()]
    groups: dict[str, list[Package]] = {}
    for package in packages:
        kind = "binary" if package.file.endswith(".deb") else package.registry
        groups.setdefault(kind, []).append(package)
    with ExitStack() as stack:
        for kind, group in groups.items():
            if kind in ("binary", "debian"):
                apt = stack.enter_context(clients.apt())
                get: Get = apt.binaries if kind == "binary" else apt.sources
            else:
                get = clients.npm if kind == "npm" else clients.pip
            for start in range(0, len(group), _BATCH):
                _download(group[start : start + _BATCH], get)
                print(f"{kind}: {min(start + _BATCH, len(group))} of {len(group)} asked for", flush=True)


if __name__ == "__main__":
    try:
        download_all()
    except DownloadError as error:
        sys.exit(f"The corpus cannot be downloaded: {error}.")
