"""Programs from Debian's packages of any suite, unpacked into a folder of their own, so that the machine's own stay."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

_MIRROR = "http://deb.debian.org/debian"
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


def unpack(suite: str, packages: Sequence[str], folder: Path) -> None:
    """All that the packages need, the C library too, below `folder`; their programs run on that library.

    apt gets a state of its own that says that nothing is installed, so it names the whole closure.
    """
    with TemporaryDirectory(prefix="conexus-debian-") as scratch:
        for deb in _download(suite, packages, Path(scratch)):
            _run("dpkg-deb", "--extract", str(deb), str(folder))
    _point_at_own_libraries(folder)


def provide(programs: Mapping[str, str]) -> None:
    """Install programs that the machine lacks, each by the name of its package; root may, others are told."""
    missing = [package for program, package in programs.items() if shutil.which(program) is None]
    if not missing:
        return
    if os.geteuid():
        raise SystemExit(f"Please install: apt-get install {' '.join(missing)}")
    _run("apt-get", "--quiet=2", "update")
    _run("apt-get", "--quiet=2", "--yes", "--no-install-recommends", "install", *missing)


def _download(suite: str, packages: Sequence[str], scratch: Path) -> list[Path]:
    for directory in ("lists/partial", "cache/archives/partial"):
        (scratch / directory).mkdir(parents=True)
    (scratch / "status").touch()
    sources = scratch / "sources.list"
    sources.write_text(f"deb [signed-by={_KEYS}] {_MIRROR} {suite} main\n")
    options = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State": scratch,
        "Dir::State::lists": scratch / "lists",
        "Dir::State::status": scratch / "status",
        "Dir::Cache": scratch / "cache",
        "Acquire::Languages": "none",
        "Acquire::Retries": 3,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",
        "Debug::NoLocking": 1,
        "Binary::apt-get::APT::Keep-Downloaded-Packages": "true",
        # Containers' own hooks, which empty caches: they are not ours.
        "DPkg::Pre-Install-Pkgs::": "",
    }
    apt = ["apt-get", "--quiet=2", "--yes", *(f"--option={name}={value}" for name, value in options.items())]
    _run(*apt, "update")
    _run(*apt, "install", "--download-only", *packages)
    return sorted((scratch / "cache/archives").glob("*.deb"))


def _point_at_own_libraries(folder: Path) -> None:
    """Have every program below `folder` loaded by the loader there.

    The programs are changed, rather than started through the loader, because they start themselves again and look for
    their files beside themselves.
    """
    loader = next(folder.rglob("ld-linux-*.so.*"))
    libraries = sorted(
        {str(library.parent) for library in folder.rglob("lib*.so.*") if _is_search_path(library.parent)}
    )
    for program in folder.rglob("*"):
        if _is_program(program):
            patched = program.with_name(f".{program.name}.patched")
            _run(
                *("patchelf", "--set-interpreter", str(loader)),
                *("--force-rpath", "--set-rpath", ":".join(libraries)),
                *("--output", str(patched), str(program)),
            )
            patched.replace(program)


def _is_search_path(directory: Path) -> bool:
    return directory.name in {"lib", "lib64"} or (directory.parent.name == "lib" and directory.name.endswith("-gnu"))


def _is_program(path: Path) -> bool:
    """An executable for the dynamic loader, in a place where programs are."""
    if path.is_symlink() or not path.is_file() or not path.stat().st_mode & 0o100 or ".so" in path.name:
        return False
    with path.open("rb") as file:
        head = file.read(4)
    if head != b"\x7fELF":
        return False
    # Programs that are linked statically need no loader.
    return (
        subprocess.run(["patchelf", "--print-interpreter", str(path)], capture_output=True, check=False).returncode == 0
    )


def _run(*command: str) -> None:
    if shutil.which(command[0]) is None:
        raise SystemExit(f"{command[0]} is not on the PATH; the editors come as Debian's packages.")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:1])} failed:\n{done.stdout}{done.stderr}")
