"""Gets packages by name through the ordinary clients (pip, npm, apt-get), as they are set up on this machine."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

#: Wheels are chosen for one platform, whatever the machine, so that everyone gets the same files.
_WHEELS = (
    "--only-binary=:all:", "--implementation=cp", "--python-version=3.12", "--abi=cp312", "--abi=abi3", "--abi=none",
    "--platform=manylinux2014_x86_64", "--platform=manylinux_2_17_x86_64", "--platform=manylinux_2_28_x86_64",
    "--platform=any",
)  # fmt: skip
_SECONDS = 600


class DownloadError(RuntimeError):
    """A package cannot be had; the message is one sentence for the user."""


def run(command: Sequence[str], folder: Path, **environment: str) -> str:
    """The output of a client run in ``folder``. Raises DownloadError with its reason."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise DownloadError(f"{command[0]} is not on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"{command[0]} did not finish within {_SECONDS} s") from error
    if done.returncode:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()] or ["nothing"]
        # npm gives a code, the reason and much advice; the others end with the reason.
        reason = said[min(1, len(said) - 1)] if command[0] == "npm" else said[-1]
        raise DownloadError(f"{command[0]} says: {reason}")
    return done.stdout


def pip(packages: Sequence[str], folder: Path) -> None:
    """``packages``: names or ``name==version``."""
    run(("pip", "download", "--quiet", "--no-deps", *_WHEELS, "--dest", str(folder), *packages), folder)


def npm(packages: Sequence[str], folder: Path) -> None:
    """``packages``: ``name@version``."""
    run(("npm", "pack", "--loglevel=error", *packages), folder)


@dataclass(frozen=True, slots=True)
class Apt:
    """apt with source packages switched on, in a configuration and state of its own."""

    config: Path

    def __call__(self, *command: str, folder: Path | None = None) -> str:
        return run(command, folder or self.config.parent, APT_CONFIG=str(self.config))

    def sources(self, packages: Sequence[str], folder: Path) -> None:
        """Puts the files of source packages (``name=version``) into the folder."""
        self("apt-get", "source", "--download-only", "-qq", *packages, folder=folder)

    def binaries(self, packages: Sequence[str], folder: Path) -> None:
        self("apt-get", "download", "-qq", *packages, folder=folder)


@contextmanager
def apt() -> Iterator[Apt]:
    """Derived from the machine's own sources; its files live as long as the context. Raises DownloadError."""
    with temporary() as folder:
        names = ("Dir::Etc::sourcelist/f", "Dir::Etc::sourceparts/d")
        shell = run(("apt-config", "shell", "LIST", names[0], "PARTS", names[1]), folder)
        places = dict(re.findall(r"^(\w+)='(.*)'$", shell, re.MULTILINE))
        for kind in ("parts", "lists/partial", "cache/archives/partial"):
            (folder / kind).mkdir(parents=True)
        for number, file in enumerate((Path(places["LIST"]), *sorted(Path(places["PARTS"]).glob("*")))):
            if file.suffix in (".list", ".sources") and file.is_file():
                text = _with_sources(file.read_text(encoding="utf-8"))
                (folder / "parts" / f"{number}{file.suffix}").write_text(text, encoding="utf-8")
        config = folder / "apt.conf"
        config.write_text(
            f'Dir::Etc::sourcelist "{folder}/none.list";\nDir::Etc::sourceparts "{folder}/parts";\n'
            f'Dir::State::lists "{folder}/lists";\nDir::Cache "{folder}/cache";\n',
            encoding="utf-8",
        )
        client = Apt(config)
        client("apt-get", "update", "-qq")
        yield client


def _with_sources(text: str) -> str:
    """The text of a sources file that asks for source packages too."""
    text = re.sub(r"^Types:.*$", "Types: deb deb-src", text, flags=re.MULTILINE)
    return re.sub(r"^deb (.*)$", r"deb \1\ndeb-src \1", text, flags=re.MULTILINE)


@contextmanager
def temporary() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="conexus-corpus-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def digest(file: Path, algorithm: str = "sha256") -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, algorithm).hexdigest()
