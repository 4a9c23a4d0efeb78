"""Keeps every access to a workspace inside its root folder.

``resolve_in_workspace`` judges the text of a path or URI that somebody else wrote. ``Inside`` opens what such a text
names, and follows no symbolic link below the root, because text alone cannot tell where a link leads, and because a
directory may be replaced by a link at any moment.
"""

from __future__ import annotations

import contextlib
import errno
import ntpath
import os
import posixpath
import re
import stat
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self

from conexus import audit
from conexus.workspace.paths import NO_NAMES, path_of_uri, relative_path

_WINDOWS = os.name == "nt"
#: Whether files can be opened relative to the descriptor of a directory. Windows cannot.
_BY_PARTS = os.open in os.supports_dir_fd

_DIRECTORY_ONLY = getattr(os, "O_DIRECTORY", 0)
_FILE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
#: With O_PATH, because a directory that may be entered need not be readable.
_ENTER_ROOT = getattr(os, "O_PATH", os.O_RDONLY) | _DIRECTORY_ONLY
_ENTER = _ENTER_ROOT | getattr(os, "O_NOFOLLOW", 0)
_LIST_ROOT = os.O_RDONLY | _DIRECTORY_ONLY
_LIST = _LIST_ROOT | getattr(os, "O_NOFOLLOW", 0)
#: Number of bytes of an absolute path that no other program can open, and the number of characters that may be so long.
_TOO_LONG, _MAYBE_TOO_LONG = 4096, 800

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
#: Names that Windows takes for devices, in any directory and with any suffix.
_DEVICE = re.compile(r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³]) *(?:\..*)?", re.IGNORECASE)
#: Characters that no name has on Windows. A colon there names another stream of a file.
_NEVER_ON_WINDOWS = re.compile(r'[\0-\x1f<>:"|?*\\]')
#: The bit of a reparse tag of Windows that says that the file stands for another one: a link or a junction.
_NAME_SURROGATE = 0x20000000


class OutsideWorkspace(ValueError):
    """A path that names nothing in the workspace. The message says why, without the path."""


def resolve_in_workspace(roots: Sequence[str], given: str, *, windows: bool = _WINDOWS) -> list[tuple[str, str]]:
    """Returns what a path or URI that somebody else wrote can name in a workspace: pairs of a root and a path below it.

    ``given`` is a file URI, an absolute path, or a path relative to any root; ``roots`` are absolute. The paths of the
    result have ``/`` and are empty for a root itself. Raises OutsideWorkspace, and records it, if ``given`` is below no
    root. Only text is judged: to open the result, use ``Inside``.
    """
    found: list[tuple[str, str]] = []
    refused = OutsideWorkspace("no folder is open")
    for root in roots:
        try:
            found.append((root, _resolved(root, given, windows)))
        except OutsideWorkspace as error:
            refused = error
    if not found:
        audit.record("pathRejected", source="client", reason=str(refused), folder=Path(next(iter(roots), "")).name)
        raise refused
    return found


def _resolved(root: str, given: str, windows: bool) -> str:
    path = given
    if given[:5].lower() == "file:":
        local = path_of_uri(given, windows)
        if local is None:
            raise OutsideWorkspace("a URI that names no local file")
        path = local
    elif _SCHEME.match(given):
        raise OutsideWorkspace("a URI of another scheme")
    if "\0" in given:
        raise OutsideWorkspace("a path with a NUL")
    if windows:
        drive, rest = ntpath.splitdrive(path)
        rooted = rest.startswith(("/", "\\"))
        if len(drive) < 3 and bool(drive) != rooted:  # `C:a` or `\a`; a longer drive is a network share
            raise OutsideWorkspace("a path relative to a drive")
        path = ntpath.normpath(ntpath.join(root, path))
    else:
        # POSIX lets two slashes at the beginning mean something else; no system of today does.
        path = "/" + posixpath.normpath(posixpath.join(root, path)).lstrip("/")
    relative = relative_path(root, path, windows)
    if relative is None:
        raise OutsideWorkspace("a path outside the folder")
    if windows and relative and not all(map(_is_ordinary_on_windows, relative.split("/"))):
        raise OutsideWorkspace("a name of a device or stream")
    return relative


def _is_ordinary_on_windows(name: str) -> bool:
    """Returns whether a name is the name of one file on Windows, which drops dots and spaces at the end of a name."""
    return not (_NEVER_ON_WINDOWS.search(name) or _DEVICE.fullmatch(name) or name.endswith((".", " ")))


class Inside:
    """Opens and examines what is below a root folder, and follows no symbolic link there. One thread uses it.

    Paths are relative to the root, with ``/``. The root may itself be reached by links; it is opened when it is needed
    first. The directory of the last path stays open, because most paths are in the same directory as the one before.
    An object is kept for one piece of work only, so that a directory which is moved out of the root is soon let go.

    Methods raise OSError for what the file system refuses, with the number ELOOP for a link, and ValueError for a path
    that can name nothing below the root.
    """

    def __init__(self, root: str | os.PathLike[str], *, by_parts: bool = _BY_PARTS) -> None:
        """Opens nothing yet. ``by_parts`` is False where the system cannot open relative to a directory."""
        self.root = os.fspath(root)
        self._by_parts = by_parts
        self._root: int | None = None
        #: The directory of the last path, and its descriptor; empty for none.
        self._directory, self._descriptor = "", -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes the descriptors. The object can be used again."""
        self._leave()
        if self._root is not None:
            os.close(self._root)
            self._root = None

    def open(self, path: str) -> tuple[int | None, os.stat_result]:
        """Returns a descriptor for reading a regular file, and the state of what was opened.

        Returns None and the state of anything else, and opens nothing then: to open a pipe may wait for its writer, and
        to open a device may act on it.
        """
        if self._by_parts:
            parent, name = self._parent(path)
            facts = os.stat(name, dir_fd=parent, follow_symlinks=False)
        else:
            name, facts = self._checked(path)
            parent = None
        if not stat.S_ISREG(facts.st_mode):
            if stat.S_ISLNK(facts.st_mode):
                raise self._link(path)
            return None, facts
        descriptor = os.open(name, _FILE, dir_fd=parent)
        try:
            facts = os.fstat(descriptor)
            if not self._by_parts and not os.path.samestat(facts, self._checked(path)[1]):
                raise self._link(path)
            if stat.S_ISREG(facts.st_mode):
                descriptor, opened = -1, descriptor
                return opened, facts
            return None, facts
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def stat(self, path: str) -> os.stat_result:
        """Returns the state of what a path names: of the link, if it names a link. An empty path names the root."""
        if not path:
            return os.stat(self.root)  # noqa: PTH116 - hot: Path costs more than the call
        if not self._by_parts:
            return self._checked(path)[1]
        parent, name = self._parent(path)
        return os.stat(name, dir_fd=parent, follow_symlinks=False)

    @contextlib.contextmanager
    def listed(self, directory: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        """Gives the entries of a directory; an empty path names the root. Their ``path`` is of no use."""
        if not self._by_parts:
            name, _ = self._checked(directory)
            with os.scandir(name) as entries:
                if _is_link(self._checked(directory)[1]):
                    raise self._link(directory)
                yield entries
            return
        if directory:
            descriptor = self._opened(*self._parent(directory), _LIST, directory)
        else:
            descriptor = os.open(self.root, _LIST_ROOT)
        # Entries use this descriptor for as long as they exist. Then it serves what is in the directory.
        try:
            with os.scandir(descriptor) as entries:
                yield entries
        except BaseException:
            os.close(descriptor)
            raise
        self._keep(directory, descriptor)

    # --- by parts ---

    def _opened_root(self) -> int:
        if self._root is None:
            self._root = os.open(self.root, _ENTER_ROOT)
        return self._root

    def _parent(self, path: str) -> tuple[int, str]:
        """Returns the descriptor of the directory that has a path, and the name in it."""
        if len(path) > _MAYBE_TOO_LONG and len(os.fsencode(f"{self.root}/{path}")) >= _TOO_LONG:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        directory, _, name = path.rpartition("/")
        if name in NO_NAMES or path.startswith("/"):
            raise OutsideWorkspace("a path outside the folder")
        return self._entered(directory), name

    def _entered(self, directory: str) -> int:
        """Returns the descriptor of a directory, which belongs to this object."""
        if not directory:
            return self._opened_root()
        if directory != self._directory:
            known = self._directory
            below = bool(known) and directory.startswith(known + "/")
            self._enter(directory[len(known) + 1 :] if below else directory, directory, from_last=below)
        return self._descriptor

    def _enter(self, path: str, directory: str, *, from_last: bool) -> None:
        """Opens the parts of ``path`` one in the other, and keeps the last one as ``directory``."""
        start = self._descriptor if from_last else self._opened_root()
        at = start
        try:
            for part in path.split("/"):
                if part in NO_NAMES:
                    raise OutsideWorkspace("a path outside the folder")
                inner = self._opened(at, part, _ENTER, directory)
                if at != start:
                    os.close(at)
                at = inner
        except BaseException:
            if at != start:
                os.close(at)
            raise
        self._keep(directory, at)

    def _opened(self, parent: int, name: str, flags: int, path: str) -> int:
        """Returns a descriptor of a directory in a directory. ``path`` is what was asked for."""
        try:
            return os.open(name, flags, dir_fd=parent)
        except NotADirectoryError:
            if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                raise self._link(path) from None
            raise

    def _keep(self, directory: str, descriptor: int) -> None:
        self._leave()
        if directory:
            self._directory, self._descriptor = directory, descriptor
        else:
            os.close(descriptor)

    def _leave(self) -> None:
        if self._directory:
            os.close(self._descriptor)
            self._directory = ""

    # --- where a descriptor cannot be the beginning of a path ---

    def _checked(self, path: str) -> tuple[str, os.stat_result]:
        """Returns the absolute path and the state of what a path names, if none of its directories is a link."""
        at, facts = self.root, os.stat(self.root)  # noqa: PTH116 - hot: Path costs more than the call
        for part in path.split("/") if path else ():
            if part in NO_NAMES or not _is_ordinary_on_windows(part):
                raise OutsideWorkspace("a path outside the folder")
            if _is_link(facts):
                raise self._link(path)
            at = os.path.join(at, part)  # noqa: PTH118 - hot: Path costs more than the call
            facts = os.lstat(at)
        return at, facts

    def _link(self, path: str) -> OSError:
        """Returns the error for a path with a link in it, and records it."""
        _record_link(self.root, path.rpartition("/")[0])
        return OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


@lru_cache(maxsize=1024)
def _record_link(root: str, _directory: str) -> None:
    """Records that a link was refused: once for a directory, because an editor asks again with each change."""
    audit.record("pathRejected", source="repository", reason="a symbolic link", folder=Path(root).name)


def _is_link(facts: os.stat_result) -> bool:
    return stat.S_ISLNK(facts.st_mode) or bool(getattr(facts, "st_reparse_tag", 0) & _NAME_SURROGATE)
