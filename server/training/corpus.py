"""The packages of the corpus, as corpus.toml lists them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus.toml"
#: Everything that can be made again: archives, definitions, checkpoints.
WORK = HERE / "work"

_HEADER = """\
# The training corpus: permissively licensed packages, pinned. Written by choose.py, read by download.py.
# One package a line: [registry, name, version, licence, file, digest, globs of files under other licences]
"""


@dataclass(frozen=True, slots=True)
class Package:
    #: ``debian``, ``npm`` or ``pypi``.
    registry: str
    name: str
    version: str
    licence: str
    #: Name of the archive, without folders.
    file: str
    #: Hex digest of the archive: sha256 or npm's sha1, told apart by length.
    digest: str
    #: Patterns of files in the package that another licence covers.
    omit: tuple[str, ...] = ()

    @property
    def archive(self) -> Path:
        """Where the archive lies once downloaded."""
        return WORK / "archives" / self.registry / f"{self.name.replace('/', '+')}+{self.file}"

    @property
    def key(self) -> tuple[str, str]:
        return self.registry, self.name.lower()


def read_corpus(path: Path = CORPUS) -> list[Package]:
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["packages"]
    return [Package(*fields, omit=tuple(omit)) for *fields, omit in rows]


def write_corpus(packages: Iterable[Package], path: Path = CORPUS) -> None:
    rows = [
        json.dumps([p.registry, p.name, p.version, p.licence, p.file, p.digest, list(p.omit)], ensure_ascii=False)
        for p in sorted({p.key: p for p in packages}.values(), key=lambda p: p.key)
    ]
    path.write_text(_HEADER + "packages = [\n" + "".join(f"  {row},\n" for row in rows) + "]\n", encoding="utf-8")
