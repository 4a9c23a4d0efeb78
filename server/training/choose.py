"""Chooses packages for the corpus from candidates.toml and pins them in corpus.toml.

    python server/training/choose.py

What is pinned already stays as it is; take its line out of corpus.toml to have it chosen anew. Only for changing the
corpus: to make the model, corpus.toml suffices.
"""

from __future__ import annotations

import email
import email.message
import hashlib
import json
import re
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import clients
from archives import texts
from clients import Apt, DownloadError, digest, temporary
from corpus import HERE, Package, read_corpus, write_corpus
from definitions import LANGUAGES
from download import Get, keep
from exclusions import is_excluded_name
from licences import debian_licence, is_permissive

#: Bytes of the largest archive.
_LARGEST = 60_000_000
_BATCH = 40
_UPSTREAM = re.compile(r"\.orig\.tar\.(gz|xz|bz2)$")
_PACKAGING = re.compile(r"\.debian\.tar\.(gz|xz|bz2)$")

Stanza = dict[str, str]


def _each(names: Sequence[str], get: Get, size: int = _BATCH) -> Iterator[Path]:
    """Files that a client gets by name. Where it gets nothing of a batch, name by name; what fails is left out."""
    for start in range(0, len(names), size):
        batch = names[start : start + size]
        with temporary() as folder:
            try:
                get(batch, folder)
            except DownloadError as error:
                if len(batch) > 1 and not any(folder.iterdir()):
                    for name in batch:
                        yield from _each([name], get)
                    continue
                which = batch[0] if len(batch) == 1 else f"some of {len(batch)} packages from {batch[0]} to {batch[-1]}"
                print(f"{which} left out: {error}", file=sys.stderr, flush=True)
            yield from sorted(folder.iterdir())


def wheel_licence(about: email.message.Message) -> str:
    """The licence that a wheel's metadata name: an expression, classifiers, or a line of text."""
    if expression := about.get("License-Expression"):
        return expression
    classifiers = [c.split(" :: ")[-1] for c in about.get_all("Classifier", []) if c.startswith("License :: OSI")]
    named = " or ".join(re.sub(r" (Software )?License.*| \(.*", "", c) for c in classifiers)
    return named or (about.get("License") or "").strip().split("\n")[0][:60]


def pypi(names: Sequence[str]) -> Iterator[Package]:
    for wheel in _each(names, clients.pip, 4):
        if wheel.stat().st_size > _LARGEST:
            continue
        with zipfile.ZipFile(wheel) as zipped:
            metadata = next(name for name in zipped.namelist() if name.endswith(".dist-info/METADATA"))
            about = email.message_from_bytes(zipped.read(metadata))
        licence = wheel_licence(about)
        if is_permissive(licence):
            package = Package("pypi", about["Name"], about["Version"], licence, wheel.name, digest(wheel))
            keep(package, wheel)
            yield package


def npm(names: Sequence[str]) -> Iterator[Package]:
    for file in _each(names, clients.npm):
        about = json.loads(next((text for path, text in texts(file) if path == "package/package.json"), "{}"))
        licence = about.get("license")
        if isinstance(licence, str) and is_permissive(licence):
            package = Package("npm", about["name"], about["version"], licence, file.name, digest(file, "sha1"))
            keep(package, file)
            yield package


def _stanzas(apt: Apt, kind: str) -> dict[str, Stanza]:
    """The last stanza of every package in apt's indices of a kind: ``Sources`` or ``Packages``."""
    found = {}
    for file in apt("apt-get", "indextargets", "--format", "$(FILENAME)", f"Created-By: {kind}").split():
        for stanza in apt("/usr/lib/apt/apt-helper", "cat-file", file).split("\n\n"):
            fields = dict(re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE))
            if "Package" in fields:
                found[fields["Package"]] = fields
    return found


def _files(source: Stanza) -> dict[str, tuple[str, int]]:
    """(sha256, bytes) of a source package's files by name."""
    listed = re.findall(r"([0-9a-f]{64}) (\d+) (\S+)", source.get("Checksums-Sha256", ""))
    return {name: (digest_, int(size)) for digest_, size, name in listed}


def _size(stanza: Stanza) -> int:
    if "Filename" in stanza:
        return int(stanza["Size"])
    return sum(size for name, (_, size) in _files(stanza).items() if _UPSTREAM.search(name))


def _relevant(omit: Sequence[str]) -> tuple[str, ...]:
    """Those patterns that can concern a file in a language that is learned from."""
    return tuple(glob for glob in omit if Path(glob).suffix in {"", *LANGUAGES} or "*" in glob)


def _judged(name: str, version: str, file: Path, copyright_file: str) -> Iterator[Package]:
    if licence := debian_licence(copyright_file):
        package = Package("debian", name, version, licence[0], file.name, digest(file), _relevant(licence[1]))
        keep(package, file)
        yield package


def debian_binaries(apt: Apt, stanzas: Sequence[Stanza]) -> Iterator[Package]:
    """Packages whose contents are sources: Rust crates, Ruby gems."""
    for file in _each([f"{s['Package']}={s['Version']}" for s in stanzas], apt.binaries):
        name, version, _ = file.name.split("_")
        copyright_file = next((text for path, text in texts(file) if path.endswith("/copyright")), "")
        yield from _judged(name, version.replace("%3a", ":"), file, copyright_file)


def debian_sources(apt: Apt, stanzas: Sequence[Stanza]) -> Iterator[Package]:
    packagings: dict[str, Stanza] = {name: s for s in stanzas for name in _files(s) if _PACKAGING.search(name)}
    upstreams: dict[str, Stanza] = {name: s for s in stanzas for name in _files(s) if _UPSTREAM.search(name)}
    copyrights: dict[str, str] = {}
    for file in _each([f"{s['Package']}={s['Version']}" for s in stanzas], apt.sources):
        if file.name in packagings:  # comes before the .orig archive of the same package
            with tarfile.open(file) as tar:
                names = tar.getnames()
                member = tar.extractfile("debian/copyright") if "debian/copyright" in names else None
                copyrights[packagings[file.name]["Package"]] = (
                    member.read().decode("utf-8", "replace") if member else ""
                )
        elif (stanza := upstreams.get(file.name)) is not None:
            name = stanza["Package"]
            yield from _judged(name, stanza["Version"], file, copyrights.get(name, ""))


def _members(family: dict, index: dict[str, Stanza]) -> list[str]:
    """Names of a family's packages, those within its sizes, in an order that is arbitrary but always the same."""
    names = (
        name
        for name, stanza in index.items()
        if re.search(family["pattern"], name) and family["least"] <= _size(stanza) <= family["most"]
    )
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[: family["count"]]


def debian(about: dict, is_new: Callable[[str, str], bool]) -> Iterator[Package]:
    with clients.apt() as apt:
        sources, binaries = _stanzas(apt, "Sources"), _stanzas(apt, "Packages")
        wanted: dict[bool, list[str]] = {False: about["named"]["packages"], True: []}
        for family in about["family"]:
            is_binary = family.get("binary", False)
            wanted[is_binary] = wanted[is_binary] + _members(family, binaries if is_binary else sources)
        for index, names, get in ((binaries, wanted[True], debian_binaries), (sources, wanted[False], debian_sources)):
            stanzas = [index[name] for name in names if name in index and is_new("debian", name)]
            yield from get(apt, [stanza for stanza in stanzas if 0 < _size(stanza) < _LARGEST])


def main() -> None:
    candidates = tomllib.loads((HERE / "candidates.toml").read_text(encoding="utf-8"))
    pinned = read_corpus()
    known = {package.key for package in pinned}

    def is_new(registry: str, name: str) -> bool:
        return (registry, name.lower()) not in known and not is_excluded_name(name)

    chosen = list(pinned)
    for packages in (
        debian(candidates["debian"], is_new),
        pypi([name for name in candidates["pypi"]["packages"] if is_new("pypi", name)]),
        npm([name for name in candidates["npm"]["packages"] if is_new("npm", name)]),
    ):
        for package in packages:
            chosen.append(package)
            if len(chosen) % _BATCH == 0:
                write_corpus(chosen)
                print(f"{len(chosen)} packages", flush=True)
    write_corpus(chosen)
    print(f"{len(chosen)} packages, {len(chosen) - len(pinned)} of them new")


if __name__ == "__main__":
    main()
